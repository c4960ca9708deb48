package sdk

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

const (
	vaultURL = "https://contoso-prod.vault.azure.net"
	tenantID = "6b9e7c1a-0000-4000-8000-000000000001"

	identitiesBelow = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002/resourceGroups/keyhaven" +
		"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"
)

// An identity, by each of the ids that choose it.
type identity struct{ clientID, objectID, resourceID string }

var (
	// May do everything; what a request that names no identity gets.
	everybody = identity{
		clientID:   "6b9e7c1a-0000-4000-8000-00000000c11e",
		objectID:   "6b9e7c1a-0000-4000-8000-0000000000b1",
		resourceID: identitiesBelow + "default",
	}
	// No policy names it.
	nobody = identity{
		clientID:   "6b9e7c1a-0000-4000-8000-00000000c11f",
		objectID:   "6b9e7c1a-0000-4000-8000-0000000000b2",
		resourceID: identitiesBelow + "nobody",
	}

	// Known to nobody before it signs in: an application of production's.
	application = identity{
		clientID:   "11111111-2222-4333-8444-555555555555",
		objectID:   "ce4ad7c4-48a7-5c88-a4c1-307087d002fb",
		resourceID: identitiesBelow + "made-on-the-spot-11111111-2222-4333-8444-555555555555",
	}

	ctx       = context.Background()
	forVaults = policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}

	// The clients of tests that are not about signing in.
	keys    *azkeys.Client
	secrets *azsecrets.Client
)

func TestMain(m *testing.M) {
	if err := prepare(); err != nil {
		fmt.Fprintf(os.Stderr, "%v; use tests/sdk/run go\n", err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// Nothing here may reach the real Azure, or a real metadata service.
func prepare() error {
	interfaces, err := net.Interfaces()
	if err != nil || len(interfaces) != 1 || interfaces[0].Flags&net.FlagLoopback == 0 {
		return fmt.Errorf("there is more than loopback: %v (%v)", interfaces, err)
	}
	if _, there := os.LookupEnv("KEYHAVEN_ADMIN_URL"); !there {
		return errors.New("there is no server")
	}
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return err
	}
	// Signed in now, so that a test that changes the environment does not change who these are.
	if _, err := credential.GetToken(ctx, forVaults); err != nil {
		return err
	}
	keys, secrets, err = clients(credential)
	return err
}

func clients(credential azcore.TokenCredential) (*azkeys.Client, *azsecrets.Client, error) {
	keys, err := azkeys.NewClient(vaultURL, credential, nil)
	if err != nil {
		return nil, nil, err
	}
	secrets, err := azsecrets.NewClient(vaultURL, credential, nil)
	return keys, secrets, err
}

// What a call gave: got(call()).or(t) is its value, or the end of the test.
type result[T any] struct {
	value T
	err   error
}

func got[T any](value T, err error) result[T] { return result[T]{value, err} }

func (r result[T]) or(t *testing.T) T {
	t.Helper()
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.value
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func equalList[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// The service's own error: its status, code and inner code.
func refused(t *testing.T, err error, status int, code, inner string) *azcore.ResponseError {
	t.Helper()
	var refusal *azcore.ResponseError
	if !errors.As(err, &refusal) {
		t.Fatalf("got %v, want a refusal with status %d", err, status)
	}
	body := struct {
		Error struct {
			Code       string
			InnerError struct{ Code string }
		}
	}{}
	text := got(io.ReadAll(refusal.RawResponse.Body)).or(t)
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	equal(t, "status", refusal.StatusCode, status)
	equal(t, "code", refusal.ErrorCode, code)
	equal(t, "code in the body", body.Error.Code, code)
	equal(t, "inner code", body.Error.InnerError.Code, inner)
	return refusal
}

// The claims of the token that a credential gets for vaults.
func claims(t *testing.T, credential azcore.TokenCredential) map[string]any {
	t.Helper()
	token := got(credential.GetToken(ctx, forVaults)).or(t)
	payload := got(base64.RawURLEncoding.DecodeString(strings.Split(token.Token, ".")[1])).or(t)
	all := map[string]any{}
	if err := json.Unmarshal(payload, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// Everything that a pager gives, page by page, and how many pages there were.
func everything[Page, Item any](t *testing.T, pager *runtime.Pager[Page], items func(Page) []Item) ([]Item, int) {
	t.Helper()
	all, pages := []Item{}, 0
	for pager.More() {
		all = append(all, items(got(pager.NextPage(ctx)).or(t))...)
		pages++
	}
	return all, pages
}

// The id of an object in the vault.
func id(path ...string) string { return vaultURL + "/" + strings.Join(path, "/") }

// The last segment of an id.
func versionOf[ID ~string](t *testing.T, of *ID) string {
	t.Helper()
	path := strings.Split(got(url.Parse(string(*of))).or(t).Path, "/")
	version := path[len(path)-1]
	if len(path) != 4 || len(version) != 32 || strings.Trim(version, "0123456789abcdef") != "" {
		t.Fatalf("%s has no version", *of)
	}
	return version
}

func random(count int) []byte {
	bytes := make([]byte, count)
	_, _ = rand.Read(bytes) // never fails
	return bytes
}

// Sets a secret.
func set(t *testing.T, name, value string) azsecrets.SetSecretResponse {
	t.Helper()
	return got(secrets.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: &value}, nil)).or(t)
}

// A copy of a value, as parameters want it.
func to[T any](value T) *T { return &value }
