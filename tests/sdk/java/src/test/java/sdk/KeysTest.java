package sdk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static sdk.Tenant.KEYS;
import static sdk.Tenant.id;
import static sdk.Tenant.refused;

import com.azure.security.keyvault.keys.models.CreateEcKeyOptions;
import com.azure.security.keyvault.keys.models.CreateRsaKeyOptions;
import com.azure.security.keyvault.keys.models.JsonWebKey;
import com.azure.security.keyvault.keys.models.KeyCurveName;
import com.azure.security.keyvault.keys.models.KeyOperation;
import com.azure.security.keyvault.keys.models.KeyProperties;
import com.azure.security.keyvault.keys.models.KeyType;
import com.azure.security.keyvault.keys.models.KeyVaultKey;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Keys themselves: made, read, changed, listed. */
class KeysTest {
    @Test
    void created() {
        OffsetDateTime since = OffsetDateTime.of(2020, 1, 1, 0, 0, 0, 0, ZoneOffset.UTC);
        KeyVaultKey made = KEYS.createRsaKey(new CreateRsaKeyOptions("created")
            .setKeySize(2048)
            .setKeyOperations(KeyOperation.SIGN, KeyOperation.VERIFY)
            .setNotBefore(since)
            .setExpiresOn(since.plusYears(100))
            .setTags(Map.of("team", "orders")));
        KeyProperties properties = made.getProperties();
        Tenant.isVersion(properties.getVersion());
        assertEquals(id("keys", "created", properties.getVersion()), made.getId());
        assertEquals(KeyType.RSA, made.getKeyType());
        assertEquals(256, made.getKey().getN().length);
        assertArrayEquals(new byte[] {1, 0, 1}, made.getKey().getE());
        assertEquals(List.of(KeyOperation.SIGN, KeyOperation.VERIFY), made.getKeyOperations());
        assertEquals(Map.of("team", "orders"), properties.getTags());
        assertEquals(true, properties.isEnabled());
        assertEquals(since, properties.getNotBefore());
        assertEquals(since.plusYears(100), properties.getExpiresOn());
        assertEquals(properties.getCreatedOn(), properties.getUpdatedOn());
        assertEquals("Recoverable+Purgeable", properties.getRecoveryLevel());
        assertEquals(90, properties.getRecoverableDays());
        hasNothingPrivate(made.getKey());
        for (KeyVaultKey read : List.of(KEYS.getKey("created"), KEYS.getKey("created", properties.getVersion()))) {
            assertEquals(made.getId(), read.getId());
            assertArrayEquals(made.getKey().getN(), read.getKey().getN());
            hasNothingPrivate(read.getKey());
        }
    }

    static Stream<Arguments> kinds() {
        return Stream.of(
            Arguments.of(new CreateRsaKeyOptions("kinds").setKeySize(3072), KeyType.RSA, 384),
            Arguments.of(new CreateRsaKeyOptions("kinds").setHardwareProtected(true), KeyType.RSA_HSM, 256));
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void kindsOfRsa(CreateRsaKeyOptions options, KeyType type, int bytes) {
        KeyVaultKey key = KEYS.createRsaKey(options);
        assertEquals(type, key.getKeyType());
        assertEquals(bytes, key.getKey().getN().length);
        hasNothingPrivate(key.getKey());
    }

    static Stream<Arguments> curves() {
        return Stream.of(
            Arguments.of(KeyCurveName.P_256, false, KeyType.EC, 32),
            Arguments.of(KeyCurveName.P_256K, false, KeyType.EC, 32),
            Arguments.of(KeyCurveName.P_384, true, KeyType.EC_HSM, 48),
            Arguments.of(KeyCurveName.P_521, true, KeyType.EC_HSM, 66));
    }

    @ParameterizedTest
    @MethodSource("curves")
    void kindsOfEc(KeyCurveName curve, boolean hardware, KeyType type, int bytes) {
        var options = new CreateEcKeyOptions("kinds").setCurveName(curve).setHardwareProtected(hardware);
        JsonWebKey key = KEYS.createEcKey(options).getKey();
        assertEquals(type, key.getKeyType());
        assertEquals(curve, key.getCurveName());
        assertEquals(List.of(bytes, bytes), List.of(key.getX().length, key.getY().length));
        hasNothingPrivate(key);
    }

    @Test
    void versionsAndUpdates() {
        KeyVaultKey first = ec("versions");
        KeyVaultKey second = ec("versions");
        KeyVaultKey updated = KEYS.updateKeyProperties(first.getProperties().setEnabled(false));
        assertEquals(first.getId(), updated.getId());
        assertEquals(false, updated.getProperties().isEnabled());
        assertEquals(first.getKeyOperations(), updated.getKeyOperations());
        assertEquals(second.getId(), KEYS.getKey("versions").getId());
        Map<String, Boolean> versions = KEYS.listPropertiesOfKeyVersions("versions").stream()
            .collect(Collectors.toMap(KeyProperties::getId, KeyProperties::isEnabled));
        assertEquals(Map.of(first.getId(), false, second.getId(), true), versions);
    }

    @Test
    void listed() {
        List<String> expected = IntStream.range(10, 40).mapToObj(number -> "listed-" + number).toList();
        expected.forEach(KeysTest::ec);
        var pages = KEYS.listPropertiesOfKeys();
        List<String> ids = Tenant.listed(pages, KeyProperties::getId);
        Set<String> ours = expected.stream().map(name -> id("keys", name)).collect(Collectors.toSet());
        assertEquals(expected.stream().map(name -> id("keys", name)).toList(), ids.stream().filter(ours::contains).toList());
        assertFalse(pages.streamByPage().count() < 2, "all of it came on one page");
    }

    @Test
    void notThere() {
        refused(404, "KeyNotFound", null, () -> KEYS.getKey("not-there"));
    }

    @Test
    void cannotBe() {
        refused(400, "BadParameter", null, () -> KEYS.createEcKey(new CreateEcKeyOptions("not_a_name")));
        refused(400, "BadParameter", "KeySizeNotSupported",
            () -> KEYS.createRsaKey(new CreateRsaKeyOptions("too-small").setKeySize(1024)));
    }

    static KeyVaultKey ec(String name) {
        return KEYS.createEcKey(new CreateEcKeyOptions(name));
    }

    static KeyVaultKey rsa(String name) {
        return KEYS.createRsaKey(new CreateRsaKeyOptions(name));
    }

    static void hasNothingPrivate(JsonWebKey key) {
        assertNull(key.getD());
        assertNull(key.getDp());
        assertNull(key.getDq());
        assertNull(key.getK());
        assertNull(key.getP());
        assertNull(key.getQ());
        assertNull(key.getQi());
        assertNull(key.getT());
    }
}
