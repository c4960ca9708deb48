package sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static sdk.Tenant.random;
import static sdk.Tenant.refused;

import com.azure.identity.ManagedIdentityCredentialBuilder;
import com.azure.security.keyvault.keys.KeyClient;
import com.azure.security.keyvault.keys.cryptography.CryptographyClient;
import com.azure.security.keyvault.keys.cryptography.models.EncryptionAlgorithm;
import com.azure.security.keyvault.keys.cryptography.models.KeyWrapAlgorithm;
import com.azure.security.keyvault.keys.cryptography.models.SignatureAlgorithm;
import com.azure.security.keyvault.keys.models.CreateRsaKeyOptions;
import com.azure.security.keyvault.keys.models.KeyVaultKey;
import com.azure.security.keyvault.secrets.SecretClient;
import com.azure.security.keyvault.secrets.models.KeyVaultSecret;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** An identity that no policy names is refused everything, and told what is missing. */
class RefusalsTest {
    private static final String NAME = "refused";
    private static final KeyVaultKey KEY = KeysTest.rsa(NAME);
    private static final KeyVaultSecret SECRET = Tenant.SECRETS.setSecret(NAME, "there");

    private static final KeyClient KEYS;
    private static final SecretClient SECRETS;

    static {
        var nobody = new ManagedIdentityCredentialBuilder().clientId(Tenant.NOBODY.clientId()).build();
        KEYS = Tenant.keys(nobody);
        SECRETS = Tenant.secrets(nobody);
    }

    static Stream<Arguments> calls() {
        CryptographyClient client = KEYS.getCryptographyClient(NAME, KEY.getProperties().getVersion());
        return Stream.of(
            call("keys/create", () -> KEYS.createRsaKey(new CreateRsaKeyOptions(NAME))),
            call("keys/get", () -> KEYS.getKey(NAME)),
            call("keys/list", () -> KEYS.listPropertiesOfKeys().stream().count()),
            call("keys/list", () -> KEYS.listPropertiesOfKeyVersions(NAME).stream().count()),
            call("keys/list", () -> KEYS.listDeletedKeys().stream().count()),
            call("keys/update", () -> KEYS.updateKeyProperties(KEY.getProperties().setEnabled(false))),
            call("keys/encrypt", () -> client.encrypt(EncryptionAlgorithm.RSA_OAEP_256, random(32))),
            call("keys/decrypt", () -> client.decrypt(EncryptionAlgorithm.RSA_OAEP_256, random(256))),
            call("keys/wrapKey", () -> client.wrapKey(KeyWrapAlgorithm.RSA_OAEP_256, random(32))),
            call("keys/unwrapKey", () -> client.unwrapKey(KeyWrapAlgorithm.RSA_OAEP_256, random(256))),
            call("keys/sign", () -> client.sign(SignatureAlgorithm.RS256, random(32))),
            call("keys/verify", () -> client.verify(SignatureAlgorithm.RS256, random(32), random(256))),
            call("keys/delete", () -> KEYS.beginDeleteKey(NAME).waitForCompletion()),
            call("keys/recover", () -> KEYS.beginRecoverDeletedKey(NAME).waitForCompletion()),
            call("keys/purge", () -> KEYS.purgeDeletedKey(NAME)),
            call("keys/backup", () -> KEYS.backupKey(NAME)),
            call("secrets/set", () -> SECRETS.setSecret(NAME, "changed")),
            call("secrets/get", () -> SECRETS.getSecret(NAME)),
            call("secrets/set", () -> SECRETS.updateSecretProperties(SECRET.getProperties().setEnabled(false))),
            call("secrets/list", () -> SECRETS.listPropertiesOfSecrets().stream().count()),
            call("secrets/list", () -> SECRETS.listDeletedSecrets().stream().count()),
            call("secrets/delete", () -> SECRETS.beginDeleteSecret(NAME).waitForCompletion()),
            call("secrets/recover", () -> SECRETS.beginRecoverDeletedSecret(NAME).waitForCompletion()),
            call("secrets/purge", () -> SECRETS.purgeDeletedSecret(NAME)),
            call("secrets/backup", () -> SECRETS.backupSecret(NAME)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("calls")
    void withoutThePermission(String missing, Executable call) {
        assertEquals(missing, refused(403, "Forbidden", "ForbiddenByPolicy", call));
    }

    @AfterAll
    static void nothingWasChanged() {
        KeyVaultKey read = Tenant.KEYS.getKey(NAME);
        assertEquals(KEY.getId(), read.getId());
        assertEquals(true, read.getProperties().isEnabled());
        assertEquals(SECRET.getId(), Tenant.SECRETS.getSecret(NAME).getId());
    }

    private static Arguments call(String missing, Executable call) {
        return Arguments.of(missing, call);
    }
}
