package sdk

import (
	"fmt"
	"slices"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

func TestSecretAndItsVersions(t *testing.T) {
	parameters := azsecrets.SetSecretParameters{
		Value:       to("first"),
		ContentType: to("text/plain"),
		Tags:        map[string]*string{"team": to("orders")},
	}
	first := got(secrets.SetSecret(ctx, "password", parameters, nil)).or(t)
	equal(t, "id", string(*first.ID), id("secrets", "password", versionOf(t, first.ID)))
	equal(t, "content type", *first.ContentType, "text/plain")
	equal(t, "tag", *first.Tags["team"], "orders")
	equal(t, "recovery level", *first.Attributes.RecoveryLevel, "Recoverable+Purgeable")
	equal(t, "value", value(t, "password", ""), "first")

	second := set(t, "password", "second, with \u00e4 \U0001f511 \"quotes\" and\nlines")
	if *second.ID == *first.ID {
		t.Fatalf("%s is not a new version", *second.ID)
	}
	equal(t, "latest", value(t, "password", ""), "second, with \u00e4 \U0001f511 \"quotes\" and\nlines")
	equal(t, "old version", value(t, "password", versionOf(t, first.ID)), "first")

	pager := secrets.NewListSecretPropertiesVersionsPager("password", nil)
	versions, _ := everything(t, pager, func(page azsecrets.ListSecretPropertiesVersionsResponse) []string {
		return idsOf(page.Value)
	})
	slices.Sort(versions)
	expected := []string{string(*first.ID), string(*second.ID)}
	slices.Sort(expected)
	equalList(t, "versions", versions, expected)
}

func TestUpdatedSecret(t *testing.T) {
	version := versionOf(t, set(t, "updated", "a value").ID)
	update := azsecrets.UpdateSecretPropertiesParameters{
		ContentType:      to("application/json"),
		SecretAttributes: &azsecrets.SecretAttributes{Enabled: to(false)},
	}
	updated := got(secrets.UpdateSecretProperties(ctx, "updated", version, update, nil)).or(t)
	equal(t, "content type", *updated.ContentType, "application/json")
	equal(t, "enabled", *updated.Attributes.Enabled, false)
	_, err := secrets.GetSecret(ctx, "updated", "", nil)
	refused(t, err, 403, "Forbidden", "SecretDisabled")
}

func TestListedSecrets(t *testing.T) {
	expected := []string{}
	for number := range 30 {
		name := fmt.Sprintf("listed-%02d", number)
		set(t, name, "a value")
		expected = append(expected, id("secrets", name))
	}
	pager := secrets.NewListSecretPropertiesPager(nil)
	listed, pages := everything(t, pager, func(page azsecrets.ListSecretPropertiesResponse) []string {
		return idsOf(page.Value)
	})
	ours := slices.DeleteFunc(listed, func(one string) bool { return !slices.Contains(expected, one) })
	equalList(t, "ids, in the order of names", ours, expected)
	if pages < 2 {
		t.Errorf("all of it came on %d page", pages)
	}
}

func TestSecretThatIsNotThere(t *testing.T) {
	_, err := secrets.GetSecret(ctx, "not-there", "", nil)
	refused(t, err, 404, "SecretNotFound", "")
	version := versionOf(t, set(t, "one-version", "a value").ID)
	_, err = secrets.GetSecret(ctx, "one-version", "0"+version[1:31]+"0", nil)
	refused(t, err, 404, "SecretNotFound", "")
}

func TestSecretThatCannotBe(t *testing.T) {
	_, err := secrets.SetSecret(ctx, "too-long", azsecrets.SetSecretParameters{Value: to(string(make([]byte, 25601)))}, nil)
	refused(t, err, 400, "BadParameter", "")
}

func value(t *testing.T, name, version string) string {
	t.Helper()
	return *got(secrets.GetSecret(ctx, name, version, nil)).or(t).Value
}

func idsOf(properties []*azsecrets.SecretProperties) []string {
	ids := []string{}
	for _, one := range properties {
		ids = append(ids, string(*one.ID))
	}
	return ids
}
