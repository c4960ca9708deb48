package sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static sdk.Tenant.SECRETS;
import static sdk.Tenant.id;
import static sdk.Tenant.refused;

import com.azure.security.keyvault.secrets.models.KeyVaultSecret;
import com.azure.security.keyvault.secrets.models.SecretProperties;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Secrets and their versions. */
class SecretsTest {
    @Test
    void versions() {
        SecretProperties described = new SecretProperties().setContentType("text/plain").setTags(Map.of("team", "orders"));
        KeyVaultSecret first = SECRETS.setSecret(new KeyVaultSecret("password", "first").setProperties(described));
        SecretProperties properties = first.getProperties();
        Tenant.isVersion(properties.getVersion());
        assertEquals(id("secrets", "password", properties.getVersion()), first.getId());
        assertEquals("text/plain", properties.getContentType());
        assertEquals(Map.of("team", "orders"), properties.getTags());
        assertEquals("Recoverable+Purgeable", properties.getRecoveryLevel());
        assertEquals("first", SECRETS.getSecret("password").getValue());

        String value = "second, with \u00e4 \ud83d\udd11 \"quotes\" and\nlines";
        KeyVaultSecret second = SECRETS.setSecret("password", value);
        assertNotEquals(first.getId(), second.getId());
        assertEquals(value, SECRETS.getSecret("password").getValue());
        assertEquals("first", SECRETS.getSecret("password", properties.getVersion()).getValue());
        var versions = SECRETS.listPropertiesOfSecretVersions("password").stream().map(SecretProperties::getId);
        assertEquals(Set.of(first.getId(), second.getId()), versions.collect(Collectors.toSet()));
    }

    @Test
    void updated() {
        SecretProperties properties = SECRETS.setSecret("updated", "a value").getProperties();
        SecretProperties updated =
            SECRETS.updateSecretProperties(properties.setContentType("application/json").setEnabled(false));
        assertEquals("application/json", updated.getContentType());
        assertEquals(false, updated.isEnabled());
        refused(403, "Forbidden", "SecretDisabled", () -> SECRETS.getSecret("updated"));
    }

    @Test
    void listed() {
        List<String> names = IntStream.range(10, 40).mapToObj(number -> "listed-" + number).toList();
        names.forEach(name -> SECRETS.setSecret(name, "a value"));
        List<String> expected = names.stream().map(name -> id("secrets", name)).toList();
        var pages = SECRETS.listPropertiesOfSecrets();
        assertEquals(expected, Tenant.listed(pages, SecretProperties::getId).stream().filter(expected::contains).toList());
        assertFalse(pages.streamByPage().count() < 2, "all of it came on one page");
    }

    @Test
    void notThere() {
        refused(404, "SecretNotFound", null, () -> SECRETS.getSecret("not-there"));
        SECRETS.setSecret("one-version", "a value");
        refused(404, "SecretNotFound", null, () -> SECRETS.getSecret("one-version", "0123456789abcdef0123456789abcdef"));
    }

    @Test
    void cannotBe() {
        refused(400, "BadParameter", null, () -> SECRETS.setSecret("too-long", "a".repeat(25601)));
    }
}
