// Keeps a secret and wraps a data key with a key that never leaves its vault.
//
// This is what production code looks like: nothing in it knows of Keyhaven. To run it, in this directory:
//
//	keyhaven run -- go run .
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

func main() {
	ctx, vault := context.Background(), fmt.Sprintf("https://%s.vault.azure.net", os.Getenv("KEY_VAULT_NAME"))
	credential := must(azidentity.NewDefaultAzureCredential(nil))

	secrets := must(azsecrets.NewClient(vault, credential, nil))
	must(secrets.SetSecret(ctx, "mySecret", azsecrets.SetSecretParameters{Value: to.Ptr("a secret value")}, nil))
	fmt.Println("secret   ", *must(secrets.GetSecret(ctx, "mySecret", "", nil)).Value)

	keys := must(azkeys.NewClient(vault, credential, nil))
	must(keys.CreateKey(ctx, "myKey", azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA)}, nil))
	wrapped := must(keys.WrapKey(ctx, "myKey", "", rsaOAEP([]byte("a data key")), nil))
	fmt.Println("unwrapped", string(must(keys.UnwrapKey(ctx, "myKey", "", rsaOAEP(wrapped.Result), nil)).Result))
}

func rsaOAEP(value []byte) azkeys.KeyOperationParameters {
	return azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP256), Value: value}
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}
