package sdk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static sdk.Tenant.KEYS;
import static sdk.Tenant.random;
import static sdk.Tenant.refused;

import com.azure.security.keyvault.keys.cryptography.CryptographyClient;
import com.azure.security.keyvault.keys.cryptography.models.EncryptionAlgorithm;
import com.azure.security.keyvault.keys.cryptography.models.KeyWrapAlgorithm;
import com.azure.security.keyvault.keys.cryptography.models.SignatureAlgorithm;
import com.azure.security.keyvault.keys.models.CreateRsaKeyOptions;
import com.azure.security.keyvault.keys.models.KeyOperation;
import com.azure.security.keyvault.keys.models.KeyVaultKey;
import java.security.MessageDigest;
import java.security.Signature;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What keys are for. */
class CryptographyTest {
    private static final byte[] TEXT = "an order".getBytes();

    static Stream<Arguments> wraps() {
        KeyVaultKey key = KeysTest.rsa("wrapping");
        String version = key.getProperties().getVersion();
        return Stream.of(KeyWrapAlgorithm.RSA1_5, KeyWrapAlgorithm.RSA_OAEP, KeyWrapAlgorithm.RSA_OAEP_256)
            .flatMap(algorithm -> Stream.of(
                // Without a version the client posts to /keys/wrapping//wrapKey.
                Arguments.of(algorithm, "the latest", KEYS.getCryptographyClient("wrapping"), key.getId()),
                Arguments.of(algorithm, "a version", KEYS.getCryptographyClient("wrapping", version), key.getId())));
    }

    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("wraps")
    void wrapAndUnwrap(KeyWrapAlgorithm algorithm, String which, CryptographyClient client, String id) {
        byte[] dataKey = random(32);
        var wrapped = client.wrapKey(algorithm, dataKey);
        assertEquals(id, wrapped.getKeyId());
        assertEquals(256, wrapped.getEncryptedKey().length);
        var unwrapped = client.unwrapKey(algorithm, wrapped.getEncryptedKey());
        assertEquals(id, unwrapped.getKeyId());
        assertArrayEquals(dataKey, unwrapped.getKey());
    }

    @Test
    void unwrapWithAnotherVersion() {
        CryptographyClient former = of(KeysTest.rsa("rewrapping"));
        CryptographyClient latest = of(KeysTest.rsa("rewrapping"));
        byte[] dataKey = random(32);
        byte[] wrapped = former.wrapKey(KeyWrapAlgorithm.RSA_OAEP_256, dataKey).getEncryptedKey();
        refused(400, "BadParameter", null, () -> latest.unwrapKey(KeyWrapAlgorithm.RSA_OAEP_256, wrapped));
        assertArrayEquals(dataKey, former.unwrapKey(KeyWrapAlgorithm.RSA_OAEP_256, wrapped).getKey());
    }

    @Test
    void encryptAndDecrypt() {
        CryptographyClient client = of(KeysTest.rsa("encrypting"));
        for (var algorithm : new EncryptionAlgorithm[] {EncryptionAlgorithm.RSA_OAEP, EncryptionAlgorithm.RSA_OAEP_256}) {
            byte[] encrypted = client.encrypt(algorithm, TEXT).getCipherText();
            assertArrayEquals(TEXT, client.decrypt(algorithm, encrypted).getPlainText());
        }
    }

    @Test
    void signAndVerifyWithRsa() throws Exception {
        KeyVaultKey key = KeysTest.rsa("signing-rsa");
        Signature pkcs1 = Signature.getInstance("SHA256withRSA");
        pkcs1.initVerify(key.getKey().toRsa().getPublic());
        signAndVerify(of(key), SignatureAlgorithm.RS256, pkcs1);
        Signature pss = Signature.getInstance("RSASSA-PSS");
        pss.setParameter(new PSSParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, 32, 1));
        pss.initVerify(key.getKey().toRsa().getPublic());
        signAndVerify(of(key), SignatureAlgorithm.PS256, pss);
    }

    @Test
    void signAndVerifyWithEc() throws Exception {
        KeyVaultKey key = KeysTest.ec("signing-ec");
        Signature ecdsa = Signature.getInstance("SHA256withECDSAinP1363Format");
        ecdsa.initVerify(key.getKey().toEc().getPublic());
        signAndVerify(of(key), SignatureAlgorithm.ES256, ecdsa);
    }

    /** The signature is good in the vault and outside, where only the public key is known; and for this text alone. */
    private static void signAndVerify(CryptographyClient client, SignatureAlgorithm algorithm, Signature outside)
        throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(TEXT);
        byte[] signature = client.sign(algorithm, digest).getSignature();
        outside.update(TEXT);
        assertEquals(true, outside.verify(signature));
        assertEquals(true, client.verify(algorithm, digest, signature).isValid());
        assertEquals(false, client.verify(algorithm, random(32), signature).isValid());
        signature[signature.length - 1] ^= 1;
        assertEquals(false, client.verify(algorithm, digest, signature).isValid());
    }

    @Test
    void operationThatTheKeyIsNotFor() {
        KEYS.createRsaKey(new CreateRsaKeyOptions("verifying").setKeyOperations(KeyOperation.VERIFY));
        // Of the latest version the client does not know the operations, so that it asks.
        CryptographyClient client = KEYS.getCryptographyClient("verifying");
        refused(403, "Forbidden", "KeyOperationForbidden",
            () -> client.unwrapKey(KeyWrapAlgorithm.RSA_OAEP_256, random(256)));
    }

    @Test
    void disabled() {
        KeyVaultKey key = KeysTest.rsa("disabled");
        CryptographyClient client = of(key);
        KEYS.updateKeyProperties(key.getProperties().setEnabled(false));
        refused(403, "Forbidden", "KeyDisabled", () -> client.unwrapKey(KeyWrapAlgorithm.RSA_OAEP_256, random(256)));
    }

    static CryptographyClient of(KeyVaultKey key) {
        return KEYS.getCryptographyClient(key.getName(), key.getProperties().getVersion());
    }
}
