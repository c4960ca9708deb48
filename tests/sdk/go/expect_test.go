package sdk

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

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
