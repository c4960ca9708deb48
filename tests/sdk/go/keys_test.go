package sdk

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

func TestCreatedKey(t *testing.T) {
	parameters := azkeys.CreateKeyParameters{
		Kty:     to(azkeys.KeyTypeRSA),
		KeySize: to[int32](2048),
		KeyOps:  []*azkeys.KeyOperation{to(azkeys.KeyOperationSign), to(azkeys.KeyOperationVerify)},
		KeyAttributes: &azkeys.KeyAttributes{
			Enabled:   to(true),
			NotBefore: to(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)),
			Expires:   to(time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC)),
		},
		Tags: map[string]*string{"team": to("orders")},
	}
	made := got(keys.CreateKey(ctx, "created", parameters, nil)).or(t)
	version := versionOf(t, made.Key.KID)
	equal(t, "id", string(*made.Key.KID), id("keys", "created", version))
	equal(t, "type", *made.Key.Kty, azkeys.KeyTypeRSA)
	equal(t, "bytes of the modulus", len(made.Key.N), 256)
	equalList(t, "exponent", made.Key.E, []byte{1, 0, 1})
	equalList(t, "operations", operations(made.Key), []azkeys.KeyOperation{"sign", "verify"})
	equal(t, "tag", *made.Tags["team"], "orders")
	hasNothingPrivate(t, made.Key)

	attributes := made.Attributes
	equal(t, "enabled", *attributes.Enabled, true)
	equal(t, "not before", attributes.NotBefore.Unix(), 1577836800)
	equal(t, "expires", attributes.Expires.Unix(), 4733510400)
	equal(t, "recovery level", *attributes.RecoveryLevel, "Recoverable+Purgeable")
	equal(t, "recoverable days", *attributes.RecoverableDays, 90)
	equal(t, "updated", *attributes.Updated, *attributes.Created)

	for _, asked := range []string{"", version} {
		read := got(keys.GetKey(ctx, "created", asked, nil)).or(t)
		equal(t, "id when read", *read.Key.KID, *made.Key.KID)
		equalList(t, "modulus when read", read.Key.N, made.Key.N)
		hasNothingPrivate(t, read.Key)
	}
}

func TestKindsOfKeys(t *testing.T) {
	kinds := []struct {
		kty   azkeys.KeyType
		curve azkeys.CurveName
		size  int32
		bytes int // of the modulus or of a coordinate
	}{
		{kty: azkeys.KeyTypeRSA, size: 3072, bytes: 384},
		{kty: azkeys.KeyTypeRSAHSM, bytes: 256},
		{kty: azkeys.KeyTypeEC, bytes: 32},
		{kty: azkeys.KeyTypeEC, curve: azkeys.CurveNameP256K, bytes: 32},
		{kty: azkeys.KeyTypeECHSM, curve: azkeys.CurveNameP521, bytes: 66},
		{kty: azkeys.KeyTypeECHSM, curve: azkeys.CurveNameP384, bytes: 48},
	}
	for _, kind := range kinds {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			parameters := azkeys.CreateKeyParameters{Kty: &kind.kty}
			if kind.curve != "" {
				parameters.Curve = &kind.curve
			}
			if kind.size != 0 {
				parameters.KeySize = &kind.size
			}
			key := got(keys.CreateKey(ctx, "kinds", parameters, nil)).or(t).Key
			equal(t, "type", *key.Kty, kind.kty)
			equal(t, "bytes", max(len(key.N), len(key.X)), kind.bytes)
			equal(t, "bytes of the other coordinate", len(key.Y), len(key.X))
			hasNothingPrivate(t, key)
		})
	}
}

func TestVersionsAndUpdatesOfAKey(t *testing.T) {
	first, second := createEC(t, "versions"), createEC(t, "versions")
	update := azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: to(false)}}
	updated := got(keys.UpdateKey(ctx, "versions", versionOf(t, first.KID), update, nil)).or(t)
	equal(t, "id when updated", *updated.Key.KID, *first.KID)
	equal(t, "enabled", *updated.Attributes.Enabled, false)
	equal(t, "latest", *got(keys.GetKey(ctx, "versions", "", nil)).or(t).Key.KID, *second.KID)

	pager := keys.NewListKeyPropertiesVersionsPager("versions", nil)
	listed, _ := everything(t, pager, func(page azkeys.ListKeyPropertiesVersionsResponse) []*azkeys.KeyProperties {
		return page.Value
	})
	enabled := map[azkeys.ID]bool{}
	for _, one := range listed {
		enabled[*one.KID] = *one.Attributes.Enabled
	}
	equal(t, "versions", fmt.Sprint(enabled), fmt.Sprint(map[azkeys.ID]bool{*first.KID: false, *second.KID: true}))
}

func TestListedKeys(t *testing.T) {
	expected := []string{}
	for number := range 30 {
		name := fmt.Sprintf("listed-%02d", number)
		createEC(t, name)
		expected = append(expected, id("keys", name))
	}
	listed, pages := listKeys(t)
	ours := slices.DeleteFunc(listed, func(one string) bool { return !slices.Contains(expected, one) })
	equalList(t, "ids, in the order of names", ours, expected)
	if pages < 2 {
		t.Errorf("all of it came on %d page", pages)
	}
}

func TestKeyThatIsNotThere(t *testing.T) {
	_, err := keys.GetKey(ctx, "not-there", "", nil)
	refused(t, err, 404, "KeyNotFound", "")
}

func TestKeyThatCannotBe(t *testing.T) {
	_, err := keys.CreateKey(ctx, "not_a_name", azkeys.CreateKeyParameters{Kty: to(azkeys.KeyTypeEC)}, nil)
	refused(t, err, 400, "BadParameter", "")
	size := azkeys.CreateKeyParameters{Kty: to(azkeys.KeyTypeRSA), KeySize: to[int32](1024)}
	_, err = keys.CreateKey(ctx, "too-small", size, nil)
	refused(t, err, 400, "BadParameter", "KeySizeNotSupported")
}

func createEC(t *testing.T, name string) *azkeys.JSONWebKey {
	t.Helper()
	return got(keys.CreateKey(ctx, name, azkeys.CreateKeyParameters{Kty: to(azkeys.KeyTypeEC)}, nil)).or(t).Key
}

func createRSA(t *testing.T, name string) *azkeys.JSONWebKey {
	t.Helper()
	return got(keys.CreateKey(ctx, name, azkeys.CreateKeyParameters{Kty: to(azkeys.KeyTypeRSA)}, nil)).or(t).Key
}

func listKeys(t *testing.T) ([]string, int) {
	t.Helper()
	pager := keys.NewListKeyPropertiesPager(nil)
	return everything(t, pager, func(page azkeys.ListKeyPropertiesResponse) []string {
		ids := []string{}
		for _, one := range page.Value {
			ids = append(ids, string(*one.KID))
		}
		return ids
	})
}

func operations(key *azkeys.JSONWebKey) []azkeys.KeyOperation {
	all := []azkeys.KeyOperation{}
	for _, one := range key.KeyOps {
		all = append(all, *one)
	}
	return all
}

func hasNothingPrivate(t *testing.T, key *azkeys.JSONWebKey) {
	t.Helper()
	private := [][]byte{key.D, key.DP, key.DQ, key.K, key.P, key.Q, key.QI, key.T}
	equal(t, "private members", len(slices.Concat(private...)), 0)
}
