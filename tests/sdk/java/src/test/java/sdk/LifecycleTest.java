package sdk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static sdk.Tenant.KEYS;
import static sdk.Tenant.SECRETS;
import static sdk.Tenant.id;
import static sdk.Tenant.refused;

import com.azure.security.keyvault.keys.cryptography.models.KeyWrapAlgorithm;
import com.azure.security.keyvault.keys.models.CreateEcKeyOptions;
import com.azure.security.keyvault.keys.models.DeletedKey;
import com.azure.security.keyvault.keys.models.KeyProperties;
import com.azure.security.keyvault.keys.models.KeyVaultKey;
import com.azure.security.keyvault.secrets.models.DeletedSecret;
import com.azure.security.keyvault.secrets.models.KeyVaultSecret;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Deleted, recovered, purged, restored. */
class LifecycleTest {
    private static final KeyWrapAlgorithm OAEP = KeyWrapAlgorithm.RSA_OAEP_256;
    private static final byte[] DATA_KEY = "a data key".getBytes();

    @Test
    void deletedKeyIsRecovered() {
        KeyVaultKey key = KeysTest.rsa("recovered");
        var client = CryptographyTest.of(key);
        byte[] wrapped = client.wrapKey(OAEP, DATA_KEY).getEncryptedKey();

        DeletedKey deleted = KEYS.beginDeleteKey("recovered").waitForCompletion().getValue();
        assertEquals(key.getId(), deleted.getId());
        assertEquals(id("deletedkeys", "recovered"), deleted.getRecoveryId());
        assertEquals(deleted.getDeletedOn().plusDays(90), deleted.getScheduledPurgeDate());
        KeysTest.hasNothingPrivate(deleted.getKey());
        refused(404, "KeyNotFound", null, () -> KEYS.getKey("recovered"));
        refused(404, "KeyNotFound", null, () -> client.unwrapKey(OAEP, wrapped));
        refused(409, "Conflict", "ObjectIsDeletedButRecoverable",
            () -> KEYS.createEcKey(new CreateEcKeyOptions("recovered")));
        assertEquals(false, Tenant.listed(KEYS.listPropertiesOfKeys(), KeyProperties::getName).contains("recovered"));
        assertEquals(true, deletedKeys().contains("recovered"));
        assertEquals(key.getId(), KEYS.getDeletedKey("recovered").getId());

        KeyVaultKey recovered = KEYS.beginRecoverDeletedKey("recovered").waitForCompletion().getValue();
        assertEquals(key.getId(), recovered.getId());
        assertEquals(false, deletedKeys().contains("recovered"));
        assertArrayEquals(DATA_KEY, client.unwrapKey(OAEP, wrapped).getKey());
    }

    @Test
    void deletedSecretIsRecovered() {
        KeyVaultSecret secret = SECRETS.setSecret("recovered", "a value");
        DeletedSecret deleted = SECRETS.beginDeleteSecret("recovered").waitForCompletion().getValue();
        assertEquals(secret.getId(), deleted.getId());
        assertEquals(id("deletedsecrets", "recovered"), deleted.getRecoveryId());
        assertEquals(deleted.getDeletedOn().plusDays(90), deleted.getScheduledPurgeDate());
        refused(404, "SecretNotFound", null, () -> SECRETS.getSecret("recovered"));
        refused(409, "Conflict", "ObjectIsDeletedButRecoverable", () -> SECRETS.setSecret("recovered", "another"));
        assertEquals(true, deletedSecrets().contains("recovered"));

        KeyVaultSecret recovered = SECRETS.beginRecoverDeletedSecret("recovered").waitForCompletion().getValue();
        assertEquals(secret.getId(), recovered.getId());
        assertEquals(false, deletedSecrets().contains("recovered"));
        assertEquals("a value", SECRETS.getSecret("recovered").getValue());
    }

    @Test
    void backedUpKeyAndSecretAreRestored() {
        KeyVaultKey key = KeysTest.rsa("backed-up");
        KeyVaultSecret secret = SECRETS.setSecret("backed-up", "a value");
        var client = CryptographyTest.of(key);
        byte[] wrapped = client.wrapKey(OAEP, DATA_KEY).getEncryptedKey();
        byte[] keyBlob = KEYS.backupKey("backed-up");
        byte[] secretBlob = SECRETS.backupSecret("backed-up");
        refused(409, "Conflict", null, () -> KEYS.restoreKeyBackup(keyBlob));

        KEYS.beginDeleteKey("backed-up").waitForCompletion();
        SECRETS.beginDeleteSecret("backed-up").waitForCompletion();
        KEYS.purgeDeletedKey("backed-up");
        SECRETS.purgeDeletedSecret("backed-up");
        refused(404, "KeyNotFound", null, () -> KEYS.getDeletedKey("backed-up"));
        refused(404, "SecretNotFound", null, () -> SECRETS.getDeletedSecret("backed-up"));

        assertEquals(key.getId(), KEYS.restoreKeyBackup(keyBlob).getId());
        assertArrayEquals(DATA_KEY, client.unwrapKey(OAEP, wrapped).getKey());
        assertEquals(secret.getId(), SECRETS.restoreSecretBackup(secretBlob).getId());
        assertEquals("a value", SECRETS.getSecret("backed-up").getValue());
    }

    private static List<String> deletedKeys() {
        return Tenant.listed(KEYS.listDeletedKeys(), DeletedKey::getName);
    }

    private static List<String> deletedSecrets() {
        return Tenant.listed(SECRETS.listDeletedSecrets(), DeletedSecret::getName);
    }
}
