package sdk

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

// An identity that no policy names is refused everything, and told what is missing.
func TestRefusals(t *testing.T) {
	const name = "refused"
	key, secret := createRSA(t, name), set(t, name, "there")
	asNobody := &azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(nobody.clientID)}
	k, s, err := clients(got(azidentity.NewManagedIdentityCredential(asNobody)).or(t))
	if err != nil {
		t.Fatal(err)
	}

	sign := azkeys.SignParameters{Algorithm: to(azkeys.SignatureAlgorithmRS256), Value: random(32)}
	verify := azkeys.VerifyParameters{Algorithm: sign.Algorithm, Digest: sign.Value, Signature: random(256)}
	create := azkeys.CreateKeyParameters{Kty: to(azkeys.KeyTypeRSA)}
	disable := azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: to(false)}}
	change := azsecrets.SetSecretParameters{Value: to("changed")}
	hide := azsecrets.UpdateSecretPropertiesParameters{SecretAttributes: &azsecrets.SecretAttributes{Enabled: to(false)}}
	calls := []struct {
		missing string
		err     error
	}{
		{"keys/create", got(k.CreateKey(ctx, name, create, nil)).err},
		{"keys/get", got(k.GetKey(ctx, name, "", nil)).err},
		{"keys/list", got(k.NewListKeyPropertiesPager(nil).NextPage(ctx)).err},
		{"keys/list", got(k.NewListKeyPropertiesVersionsPager(name, nil).NextPage(ctx)).err},
		{"keys/list", got(k.NewListDeletedKeyPropertiesPager(nil).NextPage(ctx)).err},
		{"keys/update", got(k.UpdateKey(ctx, name, "", disable, nil)).err},
		{"keys/encrypt", got(k.Encrypt(ctx, name, "", oaep(random(32)), nil)).err},
		{"keys/decrypt", got(k.Decrypt(ctx, name, "", oaep(random(256)), nil)).err},
		{"keys/wrapKey", got(k.WrapKey(ctx, name, "", oaep(random(32)), nil)).err},
		{"keys/unwrapKey", got(k.UnwrapKey(ctx, name, "", oaep(random(256)), nil)).err},
		{"keys/sign", got(k.Sign(ctx, name, "", sign, nil)).err},
		{"keys/verify", got(k.Verify(ctx, name, "", verify, nil)).err},
		{"keys/delete", got(k.DeleteKey(ctx, name, nil)).err},
		{"keys/recover", got(k.RecoverDeletedKey(ctx, name, nil)).err},
		{"keys/purge", got(k.PurgeDeletedKey(ctx, name, nil)).err},
		{"keys/backup", got(k.BackupKey(ctx, name, nil)).err},
		{"secrets/set", got(s.SetSecret(ctx, name, change, nil)).err},
		{"secrets/get", got(s.GetSecret(ctx, name, "", nil)).err},
		{"secrets/set", got(s.UpdateSecretProperties(ctx, name, "", hide, nil)).err},
		{"secrets/list", got(s.NewListSecretPropertiesPager(nil).NextPage(ctx)).err},
		{"secrets/list", got(s.NewListDeletedSecretPropertiesPager(nil).NextPage(ctx)).err},
		{"secrets/delete", got(s.DeleteSecret(ctx, name, nil)).err},
		{"secrets/recover", got(s.RecoverDeletedSecret(ctx, name, nil)).err},
		{"secrets/purge", got(s.PurgeDeletedSecret(ctx, name, nil)).err},
		{"secrets/backup", got(s.BackupSecret(ctx, name, nil)).err},
	}
	for _, call := range calls {
		t.Run(call.missing, func(t *testing.T) {
			refusal := refused(t, call.err, 403, "Forbidden", "ForbiddenByPolicy")
			equal(t, "missing", refusal.RawResponse.Header.Get("x-keyhaven-missing"), call.missing)
		})
	}

	kept := got(keys.GetKey(ctx, name, "", nil)).or(t)
	equal(t, "latest key", *kept.Key.KID, *key.KID)
	equal(t, "enabled", *kept.Attributes.Enabled, true)
	equal(t, "latest secret", *got(secrets.GetSecret(ctx, name, "", nil)).or(t).ID, *secret.ID)
}

// A client whose roots hold no authority of ours says what docs/troubleshooting.md looks up.
func TestUnknownAuthority(t *testing.T) {
	roots := &tls.Config{RootCAs: x509.NewCertPool()}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: roots}}
	_, err := client.Get(vaultURL)
	if err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Fatal(err)
	}
}
