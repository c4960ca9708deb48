package sdk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
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
	if err != nil {
		return err
	}
	for _, one := range interfaces {
		if one.Flags&net.FlagUp != 0 && one.Flags&net.FlagLoopback == 0 {
			return fmt.Errorf("there is more than loopback: %s", one.Name)
		}
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
