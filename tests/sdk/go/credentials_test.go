package sdk

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
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

// A certificate and its key, as an application's owner made them.
func certificate(t *testing.T) ([]*x509.Certificate, *rsa.PrivateKey) {
	t.Helper()
	key := got(rsa.GenerateKey(rand.Reader, 2048)).or(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	bytes := got(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)).or(t)
	return []*x509.Certificate{got(x509.ParseCertificate(bytes)).or(t)}, key
}

func TestClientCertificate(t *testing.T) {
	chain, key := certificate(t)
	credential := got(azidentity.NewClientCertificateCredential(tenantID, application.clientID, chain, key, nil)).or(t)
	isApplication(t, credential, application, "2")
}

func TestWorkloadIdentity(t *testing.T) {
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", federatedToken(t, "default"))
	isApplication(t, got(azidentity.NewWorkloadIdentityCredential(nil)).or(t), everybody, "2")
}

// A client that holds a token when it is revoked goes on by itself, a write with its body included.
func TestRevokedSession(t *testing.T) {
	ways := map[string]func(*testing.T, string) azcore.TokenCredential{
		"client secret": func(t *testing.T, clientID string) azcore.TokenCredential {
			return got(azidentity.NewClientSecretCredential(tenantID, clientID, "whatever production has", nil)).or(t)
		},
		"client certificate": func(t *testing.T, clientID string) azcore.TokenCredential {
			chain, key := certificate(t)
			return got(azidentity.NewClientCertificateCredential(tenantID, clientID, chain, key, nil)).or(t)
		},
		"workload identity": func(t *testing.T, clientID string) azcore.TokenCredential {
			t.Setenv("AZURE_FEDERATED_TOKEN_FILE", federatedToken(t, "made-on-the-spot-"+clientID))
			t.Setenv("AZURE_CLIENT_ID", clientID)
			return got(azidentity.NewWorkloadIdentityCredential(nil)).or(t)
		},
		"managed identity": func(t *testing.T, clientID string) azcore.TokenCredential {
			options := &azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(clientID)}
			return got(azidentity.NewManagedIdentityCredential(options)).or(t)
		},
	}
	number := 0
	for way, credentialOf := range ways {
		number++
		clientID := fmt.Sprintf("11111111-2222-4333-8444-6666666666%02d", number)
		t.Run(way, func(t *testing.T) {
			first := got(azidentity.NewClientSecretCredential(tenantID, clientID, "whatever production has", nil)).or(t)
			got(first.GetToken(ctx, forVaults)).or(t)
			_, client, err := clients(credentialOf(t, clientID))
			if err != nil {
				t.Fatal(err)
			}
			name, value := fmt.Sprintf("revoked-%d", number), "open sesame"
			parameters := azsecrets.SetSecretParameters{Value: &value}
			got(client.SetSecret(ctx, name, parameters, nil)).or(t)
			for range 2 {
				revoke(t, "made-on-the-spot-"+clientID)
				got(client.SetSecret(ctx, name, parameters, nil)).or(t)
				equal(t, "value", *got(client.GetSecret(ctx, name, "", nil)).or(t).Value, value)
			}
		})
	}
}

func TestWorkloadIdentityWithTheTokenOfSomebodyElse(t *testing.T) {
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", federatedToken(t, "nobody"))
	t.Setenv("AZURE_CLIENT_ID", configured(t, "with-a-secret"))
	isNotSignedIn(t, got(azidentity.NewWorkloadIdentityCredential(nil)).or(t), 401, "AADSTS700213: ")
}
