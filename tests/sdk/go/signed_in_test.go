package sdk

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// The credential's token is the managed identity's, and the vault takes it for that one.
func isManaged(t *testing.T, credential azcore.TokenCredential, who identity) {
	t.Helper()
	all := claims(t, credential)
	equal(t, "xms_mirid", all["xms_mirid"], any(who.resourceID))
	is(t, credential, all, who)
}

// The credential's token is the application's, which proved who it is by a secret (1) or an assertion (2).
func isApplication(t *testing.T, credential azcore.TokenCredential, who identity, by string) {
	t.Helper()
	all := claims(t, credential)
	equal(t, "appidacr", all["appidacr"], any(by))
	is(t, credential, all, who)
}

// The credential gets an answer with this status, which says so, instead of a token.
func isNotSignedIn(t *testing.T, credential azcore.TokenCredential, status int, says string) {
	t.Helper()
	_, err := credential.GetToken(ctx, forVaults)
	var refusal *azidentity.AuthenticationFailedError
	if !errors.As(err, &refusal) {
		t.Fatalf("got %v, want a refusal", err)
	}
	equal(t, "status", refusal.RawResponse.StatusCode, status)
	if !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want %q in it", err, says)
	}
}

func is(t *testing.T, credential azcore.TokenCredential, all map[string]any, who identity) {
	t.Helper()
	equal(t, "oid", all["oid"], any(who.objectID))
	equal(t, "appid", all["appid"], any(who.clientID))
	equal(t, "tid", all["tid"], any(tenantID))
	equal(t, "aud", all["aud"], any("https://vault.azure.net"))
	equal(t, "iss", all["iss"], any("https://sts.windows.net/"+tenantID+"/"))
	opens(t, credential, who != nobody)
}

// Whether the vault lets the credential's identity read a secret.
func opens(t *testing.T, credential azcore.TokenCredential, expected bool) {
	t.Helper()
	written := set(t, "credentials", "open sesame")
	_, secrets, err := clients(credential)
	if err != nil {
		t.Fatal(err)
	}
	read, err := secrets.GetSecret(ctx, "credentials", "", nil)
	if !expected {
		refused(t, err, 403, "Forbidden", "ForbiddenByPolicy")
		return
	}
	secret := got(read, err).or(t)
	equal(t, "value", *secret.Value, "open sesame")
	equal(t, "id", *secret.ID, *written.ID)
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

// A file with a federated token of the identity called so.
func federatedToken(t *testing.T, name string) string {
	t.Helper()
	command := exec.Command(os.Getenv("KEYHAVEN_BIN"), "identity", "token", name, "--federated")
	token := got(command.Output()).or(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, token, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Revokes the sessions of the identity called so.
func revoke(t *testing.T, name string) {
	t.Helper()
	if printed, err := exec.Command(os.Getenv("KEYHAVEN_BIN"), "identity", "revoke", name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
}

// Takes variables out of the environment until the end of the test.
func without(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		t.Setenv(name, "")
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
}

// What azidentity says from now on until the end of the test.
func listen(t *testing.T) *[]string {
	said := []string{}
	log.SetEvents(azidentity.EventAuthentication)
	log.SetListener(func(_ log.Event, message string) { said = append(said, message) })
	t.Cleanup(func() { log.SetListener(nil) })
	return &said
}

// An application that is configured with a secret of its own, as the configuration file would have it: its client id.
func configured(t *testing.T, name string) string {
	t.Helper()
	entry := strings.NewReader(`{"name": "` + name + `", "clientSecret": "its own"}`)
	request := got(http.NewRequest(http.MethodPost, os.Getenv("KEYHAVEN_ADMIN_URL")+"/admin/identities", entry)).or(t)
	request.Header.Set("Authorization", "Bearer "+os.Getenv("KEYHAVEN_ADMIN_KEY"))
	answer := got(http.DefaultClient.Do(request)).or(t)
	defer answer.Body.Close()
	equal(t, "status", answer.StatusCode, http.StatusCreated)
	var made struct{ ClientID string }
	if err := json.NewDecoder(answer.Body).Decode(&made); err != nil {
		t.Fatal(err)
	}
	return made.ClientID
}
