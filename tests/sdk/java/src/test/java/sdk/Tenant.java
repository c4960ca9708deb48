package sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.azure.core.credential.TokenCredential;
import com.azure.core.exception.HttpResponseException;
import com.azure.core.http.HttpHeaderName;
import com.azure.core.http.rest.PagedIterable;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.security.keyvault.keys.KeyClient;
import com.azure.security.keyvault.keys.KeyClientBuilder;
import com.azure.security.keyvault.secrets.SecretClient;
import com.azure.security.keyvault.secrets.SecretClientBuilder;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.security.SecureRandom;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.function.Executable;

/** The vault of the suite, who is who in its tenant, and clients. A client gets a vault and a credential, and no option. */
final class Tenant {
    static final String VAULT = "https://contoso-prod.vault.azure.net";
    static final String ID = "6b9e7c1a-0000-4000-8000-000000000001";

    private static final String IDENTITIES = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002/resourceGroups/keyhaven"
        + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/";

    /** An identity, by each of the ids that choose it. */
    record Identity(String clientId, String objectId, String resourceId) {}

    /** May do everything; what a request that names no identity gets. */
    static final Identity EVERYBODY = new Identity(
        "6b9e7c1a-0000-4000-8000-00000000c11e", "6b9e7c1a-0000-4000-8000-0000000000b1", IDENTITIES + "default");
    /** No policy names it. */
    static final Identity NOBODY = new Identity(
        "6b9e7c1a-0000-4000-8000-00000000c11f", "6b9e7c1a-0000-4000-8000-0000000000b2", IDENTITIES + "nobody");
    /** Known to nobody before it signs in: an application of production's. */
    static final Identity APPLICATION = new Identity(
        "11111111-2222-4333-8444-555555555555",
        "ce4ad7c4-48a7-5c88-a4c1-307087d002fb",
        IDENTITIES + "made-on-the-spot-11111111-2222-4333-8444-555555555555");

    private static final HttpHeaderName MISSING = HttpHeaderName.fromString("x-keyhaven-missing");

    static final KeyClient KEYS;
    static final SecretClient SECRETS;

    static {
        isAlone();
        TokenCredential credential = new DefaultAzureCredentialBuilder().build();
        KEYS = keys(credential);
        SECRETS = secrets(credential);
    }

    private Tenant() {}

    static KeyClient keys(TokenCredential credential) {
        return new KeyClientBuilder().vaultUrl(VAULT).credential(credential).buildClient();
    }

    static SecretClient secrets(TokenCredential credential) {
        return new SecretClientBuilder().vaultUrl(VAULT).credential(credential).buildClient();
    }

    /** Nothing here may reach the real Azure, or a real metadata service. */
    static void isAlone() {
        try {
            for (NetworkInterface one : NetworkInterface.networkInterfaces().toList()) {
                if (one.isUp() && !one.isLoopback()) {
                    throw new IllegalStateException("there is more than loopback; use tests/sdk/run java");
                }
            }
        } catch (SocketException error) {
            throw new IllegalStateException(error);
        }
        if (System.getenv("KEYHAVEN_ADMIN_URL") == null) {
            throw new IllegalStateException("there is no server; use tests/sdk/run java");
        }
    }

    /**
     * The call is refused with the service's own error: its status, code and inner code. Gives the header that names what
     * is missing.
     */
    static String refused(int status, String code, String inner, Executable call) {
        HttpResponseException error = assertThrows(HttpResponseException.class, call);
        assertEquals(status, error.getResponse().getStatusCode());
        Map<?, ?> body = (Map<?, ?>) ((Map<?, ?>) error.getValue()).get("error");
        Map<?, ?> innerError = (Map<?, ?>) body.get("innererror");
        assertEquals(code, body.get("code"));
        assertEquals(inner, innerError == null ? null : innerError.get("code"));
        return error.getResponse().getHeaderValue(MISSING);
    }

    /** The id of an object in the vault. */
    static String id(String... path) {
        return VAULT + "/" + String.join("/", path);
    }

    static void isVersion(String version) {
        assertTrue(version.matches("[0-9a-f]{32}"), version);
    }

    /** Everything that is listed, page by page. */
    static <T> List<String> listed(PagedIterable<T> pages, Function<T, String> what) {
        return pages.stream().map(what).toList();
    }

    static byte[] random(int count) {
        byte[] bytes = new byte[count];
        new SecureRandom().nextBytes(bytes);
        return bytes;
    }
}
