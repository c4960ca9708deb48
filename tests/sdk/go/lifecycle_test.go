package sdk

import (
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

const retention = 90 * 24 * time.Hour

func TestDeletedKeyIsRecovered(t *testing.T) {
	key := createRSA(t, "recovered")
	wrapped := got(keys.WrapKey(ctx, "recovered", "", oaep([]byte("a data key")), nil)).or(t)

	deleted := got(keys.DeleteKey(ctx, "recovered", nil)).or(t)
	equal(t, "id", *deleted.Key.KID, *key.KID)
	equal(t, "recovery id", *deleted.RecoveryID, id("deletedkeys", "recovered"))
	equal(t, "time until it is purged", deleted.ScheduledPurgeDate.Sub(*deleted.DeletedDate), retention)
	hasNothingPrivate(t, deleted.Key)
	_, err := keys.GetKey(ctx, "recovered", "", nil)
	refused(t, err, 404, "KeyNotFound", "")
	_, err = keys.UnwrapKey(ctx, "recovered", versionOf(t, key.KID), oaep(wrapped.Result), nil)
	refused(t, err, 404, "KeyNotFound", "")
	_, err = keys.CreateKey(ctx, "recovered", azkeys.CreateKeyParameters{Kty: to(azkeys.KeyTypeEC)}, nil)
	refused(t, err, 409, "Conflict", "ObjectIsDeletedButRecoverable")
	listed, _ := listKeys(t)
	equal(t, "listed", slices.Contains(listed, id("keys", "recovered")), false)
	equal(t, "listed as deleted", slices.Contains(deletedKeys(t), id("deletedkeys", "recovered")), true)
	equal(t, "id as deleted", *got(keys.GetDeletedKey(ctx, "recovered", nil)).or(t).Key.KID, *key.KID)

	recovered := got(keys.RecoverDeletedKey(ctx, "recovered", nil)).or(t)
	equal(t, "id when recovered", *recovered.Key.KID, *key.KID)
	equal(t, "listed as deleted", slices.Contains(deletedKeys(t), id("deletedkeys", "recovered")), false)
	unwrapped := got(keys.UnwrapKey(ctx, "recovered", "", oaep(wrapped.Result), nil)).or(t)
	equal(t, "data key", string(unwrapped.Result), "a data key")
}

func TestDeletedKeyIsPurged(t *testing.T) {
	createEC(t, "purged")
	got(keys.DeleteKey(ctx, "purged", nil)).or(t)
	got(keys.PurgeDeletedKey(ctx, "purged", nil)).or(t)
	_, err := keys.GetDeletedKey(ctx, "purged", nil)
	refused(t, err, 404, "KeyNotFound", "")
	_, err = keys.RecoverDeletedKey(ctx, "purged", nil)
	refused(t, err, 404, "KeyNotFound", "")
}

func TestDeletedSecretIsRecovered(t *testing.T) {
	secret := set(t, "recovered", "a value")

	deleted := got(secrets.DeleteSecret(ctx, "recovered", nil)).or(t)
	equal(t, "id", *deleted.ID, *secret.ID)
	equal(t, "recovery id", *deleted.RecoveryID, id("deletedsecrets", "recovered"))
	equal(t, "time until it is purged", deleted.ScheduledPurgeDate.Sub(*deleted.DeletedDate), retention)
	_, err := secrets.GetSecret(ctx, "recovered", "", nil)
	refused(t, err, 404, "SecretNotFound", "")
	_, err = secrets.SetSecret(ctx, "recovered", azsecrets.SetSecretParameters{Value: to("another")}, nil)
	refused(t, err, 409, "Conflict", "ObjectIsDeletedButRecoverable")
	equal(t, "listed as deleted", slices.Contains(deletedSecrets(t), id("deletedsecrets", "recovered")), true)

	recovered := got(secrets.RecoverDeletedSecret(ctx, "recovered", nil)).or(t)
	equal(t, "id when recovered", *recovered.ID, *secret.ID)
	equal(t, "listed as deleted", slices.Contains(deletedSecrets(t), id("deletedsecrets", "recovered")), false)
	equal(t, "value", value(t, "recovered", ""), "a value")
}

func TestDeletedSecretIsPurged(t *testing.T) {
	set(t, "purged", "a value")
	got(secrets.DeleteSecret(ctx, "purged", nil)).or(t)
	got(secrets.PurgeDeletedSecret(ctx, "purged", nil)).or(t)
	_, err := secrets.GetDeletedSecret(ctx, "purged", nil)
	refused(t, err, 404, "SecretNotFound", "")
}

func TestBackedUpKeyAndSecretAreRestored(t *testing.T) {
	key, secret := createRSA(t, "backed-up"), set(t, "backed-up", "a value")
	wrapped := got(keys.WrapKey(ctx, "backed-up", "", oaep([]byte("a data key")), nil)).or(t)
	keyBlob := got(keys.BackupKey(ctx, "backed-up", nil)).or(t).Value
	secretBlob := got(secrets.BackupSecret(ctx, "backed-up", nil)).or(t).Value
	_, err := keys.RestoreKey(ctx, azkeys.RestoreKeyParameters{KeyBackup: keyBlob}, nil)
	refused(t, err, 409, "Conflict", "")

	got(keys.DeleteKey(ctx, "backed-up", nil)).or(t)
	got(keys.PurgeDeletedKey(ctx, "backed-up", nil)).or(t)
	got(secrets.DeleteSecret(ctx, "backed-up", nil)).or(t)
	got(secrets.PurgeDeletedSecret(ctx, "backed-up", nil)).or(t)

	restored := got(keys.RestoreKey(ctx, azkeys.RestoreKeyParameters{KeyBackup: keyBlob}, nil)).or(t)
	equal(t, "key", *restored.Key.KID, *key.KID)
	unwrapped := got(keys.UnwrapKey(ctx, "backed-up", "", oaep(wrapped.Result), nil)).or(t)
	equal(t, "data key", string(unwrapped.Result), "a data key")
	again := got(secrets.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: secretBlob}, nil)).or(t)
	equal(t, "secret", *again.ID, *secret.ID)
	equal(t, "value", value(t, "backed-up", ""), "a value")
}

func deletedKeys(t *testing.T) []string {
	t.Helper()
	pager := keys.NewListDeletedKeyPropertiesPager(nil)
	all, _ := everything(t, pager, func(page azkeys.ListDeletedKeyPropertiesResponse) []string {
		ids := []string{}
		for _, one := range page.Value {
			ids = append(ids, *one.RecoveryID)
		}
		return ids
	})
	return all
}

func deletedSecrets(t *testing.T) []string {
	t.Helper()
	pager := secrets.NewListDeletedSecretPropertiesPager(nil)
	all, _ := everything(t, pager, func(page azsecrets.ListDeletedSecretPropertiesResponse) []string {
		ids := []string{}
		for _, one := range page.Value {
			ids = append(ids, *one.RecoveryID)
		}
		return ids
	})
	return all
}
