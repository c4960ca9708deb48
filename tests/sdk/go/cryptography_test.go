package sdk

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

func TestWrapAndUnwrap(t *testing.T) {
	key, dataKey := createRSA(t, "wrapping"), random(32)
	algorithms := []azkeys.EncryptionAlgorithm{
		azkeys.EncryptionAlgorithmRSA15, azkeys.EncryptionAlgorithmRSAOAEP, azkeys.EncryptionAlgorithmRSAOAEP256,
	}
	for _, algorithm := range algorithms {
		// Without a version the client posts to /keys/wrapping/wrapkey.
		for _, version := range []string{"", versionOf(t, key.KID)} {
			t.Run(string(algorithm)+"/"+version, func(t *testing.T) {
				wrapped := got(keys.WrapKey(ctx, "wrapping", version, operation(algorithm, dataKey), nil)).or(t)
				equal(t, "id", *wrapped.KID, *key.KID)
				equal(t, "bytes", len(wrapped.Result), 256)
				unwrapped := got(keys.UnwrapKey(ctx, "wrapping", version, operation(algorithm, wrapped.Result), nil)).or(t)
				equal(t, "id when unwrapped", *unwrapped.KID, *key.KID)
				equalList(t, "data key", unwrapped.Result, dataKey)
			})
		}
	}
}

func TestUnwrapWithAnotherVersion(t *testing.T) {
	former := createRSA(t, "rewrapping")
	wrapped := got(keys.WrapKey(ctx, "rewrapping", "", oaep(random(32)), nil)).or(t)
	latest := createRSA(t, "rewrapping")
	_, err := keys.UnwrapKey(ctx, "rewrapping", versionOf(t, latest.KID), oaep(wrapped.Result), nil)
	refused(t, err, 400, "BadParameter", "")
	got(keys.UnwrapKey(ctx, "rewrapping", versionOf(t, former.KID), oaep(wrapped.Result), nil)).or(t)
}

func TestEncryptAndDecrypt(t *testing.T) {
	createRSA(t, "encrypting")
	text := []byte("forty-two")
	encrypted := got(keys.Encrypt(ctx, "encrypting", "", oaep(text), nil)).or(t)
	decrypted := got(keys.Decrypt(ctx, "encrypting", "", oaep(encrypted.Result), nil)).or(t)
	equal(t, "text", string(decrypted.Result), "forty-two")
}

func TestSignAndVerify(t *testing.T) {
	digest := sha256.Sum256([]byte("an order"))
	rsaKey, ecKey := createRSA(t, "signing-rsa"), createEC(t, "signing-ec")
	publicRSA := &rsa.PublicKey{N: new(big.Int).SetBytes(rsaKey.N), E: 65537}
	point := append(append([]byte{4}, ecKey.X...), ecKey.Y...)
	publicEC := got(ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)).or(t)
	// How whoever has the public key alone sees that a signature is good.
	kinds := map[azkeys.SignatureAlgorithm]struct {
		name string
		good func(signature []byte) bool
	}{
		azkeys.SignatureAlgorithmRS256: {"signing-rsa", func(signature []byte) bool {
			return rsa.VerifyPKCS1v15(publicRSA, crypto.SHA256, digest[:], signature) == nil
		}},
		azkeys.SignatureAlgorithmPS256: {"signing-rsa", func(signature []byte) bool {
			return rsa.VerifyPSS(publicRSA, crypto.SHA256, digest[:], signature, nil) == nil
		}},
		azkeys.SignatureAlgorithmES256: {"signing-ec", func(signature []byte) bool {
			r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
			return ecdsa.Verify(publicEC, digest[:], r, s)
		}},
	}
	for algorithm, kind := range kinds {
		t.Run(string(algorithm), func(t *testing.T) {
			parameters := azkeys.SignParameters{Algorithm: &algorithm, Value: digest[:]}
			signature := got(keys.Sign(ctx, kind.name, "", parameters, nil)).or(t).Result
			equal(t, "good outside", kind.good(signature), true)
			equal(t, "good in the vault", verified(t, kind.name, algorithm, digest[:], signature), true)
			equal(t, "good for something else", verified(t, kind.name, algorithm, random(32), signature), false)
			broken := bytes.Clone(signature)
			broken[len(broken)-1] ^= 1
			equal(t, "good when changed", verified(t, kind.name, algorithm, digest[:], broken), false)
		})
	}
}

func TestOperationThatTheKeyIsNotFor(t *testing.T) {
	parameters := azkeys.CreateKeyParameters{
		Kty:    to(azkeys.KeyTypeRSA),
		KeyOps: []*azkeys.KeyOperation{to(azkeys.KeyOperationVerify)},
	}
	got(keys.CreateKey(ctx, "verifying", parameters, nil)).or(t)
	_, err := keys.WrapKey(ctx, "verifying", "", oaep(random(32)), nil)
	refused(t, err, 403, "Forbidden", "KeyOperationForbidden")
}

func TestDisabledKey(t *testing.T) {
	createRSA(t, "disabled")
	update := azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: to(false)}}
	got(keys.UpdateKey(ctx, "disabled", "", update, nil)).or(t)
	_, err := keys.Encrypt(ctx, "disabled", "", oaep([]byte("a text")), nil)
	refused(t, err, 403, "Forbidden", "KeyDisabled")
}

func operation(algorithm azkeys.EncryptionAlgorithm, value []byte) azkeys.KeyOperationParameters {
	return azkeys.KeyOperationParameters{Algorithm: &algorithm, Value: value}
}

func oaep(value []byte) azkeys.KeyOperationParameters {
	return operation(azkeys.EncryptionAlgorithmRSAOAEP256, value)
}

func verified(t *testing.T, name string, algorithm azkeys.SignatureAlgorithm, digest, signature []byte) bool {
	t.Helper()
	parameters := azkeys.VerifyParameters{Algorithm: &algorithm, Digest: digest, Signature: signature}
	return *got(keys.Verify(ctx, name, "", parameters, nil)).or(t).Value
}
