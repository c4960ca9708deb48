package sdk

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// Where a managed identity gets its tokens: what must not stand in the environment, what the client says it uses, and what
// the source says of an identity that it does not have.
var sources = map[string]struct {
	absent  []string
	says    string
	refusal string
}{
	"App Service": {
		absent:  []string{"AZURE_POD_IDENTITY_AUTHORITY_HOST"},
		says:    "ManagedIdentityCredential will use AppService managed identity",
		refusal: "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
	},
	"IMDS": {
		absent:  []string{"AZURE_POD_IDENTITY_AUTHORITY_HOST", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"},
		says:    "ManagedIdentityCredential will use IMDS managed identity",
		refusal: "Identity not found",
	},
}

func TestManagedIdentity(t *testing.T) {
	ways := map[string]struct {
		chosen azidentity.ManagedIDKind
		who    identity
	}{
		"system-assigned":              {nil, everybody},
		"client id":                    {azidentity.ClientID(everybody.clientID), everybody},
		"object id":                    {azidentity.ObjectID(everybody.objectID), everybody},
		"resource id":                  {azidentity.ResourceID(everybody.resourceID), everybody},
		"client id of somebody else":   {azidentity.ClientID(nobody.clientID), nobody},
		"object id of somebody else":   {azidentity.ObjectID(nobody.objectID), nobody},
		"resource id of somebody else": {azidentity.ResourceID(nobody.resourceID), nobody},
	}
	for source, from := range sources {
		for way, as := range ways {
			t.Run(source+", "+way, func(t *testing.T) {
				without(t, from.absent...)
				said := listen(t)
				options := &azidentity.ManagedIdentityCredentialOptions{ID: as.chosen}
				credential := got(azidentity.NewManagedIdentityCredential(options)).or(t)
				if !strings.HasPrefix((*said)[0], from.says) {
					t.Errorf("the client says %q", *said)
				}
				isManaged(t, credential, as.who)
			})
		}
	}
}

// Production's own identities are not known here: whoever brings an id of one along is let in.
func TestManagedIdentityOfProduction(t *testing.T) {
	clientID, objectID := azidentity.ClientID(application.clientID), azidentity.ObjectID(application.objectID)
	for source, from := range sources {
		t.Run(source, func(t *testing.T) {
			without(t, from.absent...)
			for _, chosen := range []azidentity.ManagedIDKind{clientID, objectID} {
				options := &azidentity.ManagedIdentityCredentialOptions{ID: chosen}
				isManaged(t, got(azidentity.NewManagedIdentityCredential(options)).or(t), application)
			}
		})
	}
}

func TestManagedIdentityThatCannotBe(t *testing.T) {
	for source, from := range sources {
		t.Run(source, func(t *testing.T) {
			without(t, from.absent...)
			options := &azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID("no-guid")}
			isNotSignedIn(t, got(azidentity.NewManagedIdentityCredential(options)).or(t), 400, from.refusal)
		})
	}
}

func TestDefaultAzureCredential(t *testing.T) {
	for source, from := range sources {
		for client, who := range map[string]identity{everybody.clientID: everybody, nobody.clientID: nobody} {
			t.Run("managed identity from "+source+" with AZURE_CLIENT_ID="+client, func(t *testing.T) {
				without(t, from.absent...)
				t.Setenv("AZURE_CLIENT_ID", client)
				isManaged(t, got(azidentity.NewDefaultAzureCredential(nil)).or(t), who)
			})
		}
	}
	t.Run("client secret", func(t *testing.T) {
		t.Setenv("AZURE_CLIENT_ID", application.clientID)
		t.Setenv("AZURE_CLIENT_SECRET", "whatever production has")
		isApplication(t, got(azidentity.NewDefaultAzureCredential(nil)).or(t), application, "1")
	})
	t.Run("workload identity", func(t *testing.T) {
		t.Setenv("AZURE_FEDERATED_TOKEN_FILE", federatedToken(t, "default"))
		isApplication(t, got(azidentity.NewDefaultAzureCredential(nil)).or(t), everybody, "2")
	})
}

func TestClientSecret(t *testing.T) {
	for clientID, who := range map[string]identity{everybody.clientID: everybody, application.clientID: application} {
		t.Run(clientID, func(t *testing.T) {
			credential := got(azidentity.NewClientSecretCredential(tenantID, clientID, "keyhaven", nil)).or(t)
			isApplication(t, credential, who, "1")
		})
	}
}

func TestWorkloadIdentity(t *testing.T) {
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", federatedToken(t, "default"))
	isApplication(t, got(azidentity.NewWorkloadIdentityCredential(nil)).or(t), everybody, "2")
}

func TestWorkloadIdentityWithTheTokenOfSomebodyElse(t *testing.T) {
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", federatedToken(t, "nobody"))
	isNotSignedIn(t, got(azidentity.NewWorkloadIdentityCredential(nil)).or(t), 401, "AADSTS700213: ")
}

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
