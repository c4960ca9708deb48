package sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.azure.core.credential.TokenCredential;
import com.azure.core.credential.TokenRequestContext;
import com.azure.core.util.BinaryData;
import com.azure.security.keyvault.secrets.SecretClient;
import com.azure.security.keyvault.secrets.models.KeyVaultSecret;
import com.microsoft.aad.msal4j.MsalServiceException;
import java.util.Base64;
import java.util.Map;
import sdk.Tenant.Identity;

/** Who a credential is, as its token says and as the vault takes it. */
final class SignedIn {
    static {
        Tenant.isAlone();
    }

    private SignedIn() {}

    /** As a managed identity. */
    static void isManaged(TokenCredential credential, Identity who) {
        Map<String, Object> claims = claims(credential);
        assertEquals(who.resourceId(), claims.get("xms_mirid"));
        is(credential, claims, who);
    }

    /** As an application, which proved who it is by a secret (1) or an assertion (2). */
    static void isApplication(TokenCredential credential, Identity who, String by) {
        Map<String, Object> claims = claims(credential);
        assertEquals(by, claims.get("appidacr"));
        is(credential, claims, who);
    }

    /** What the client was told instead of a token. */
    static MsalServiceException refusal(TokenCredential credential) {
        Throwable error = assertThrows(RuntimeException.class, () -> token(credential));
        while (!(error instanceof MsalServiceException)) {
            error = assertInstanceOf(Throwable.class, error.getCause(), error.toString());
        }
        return (MsalServiceException) error;
    }

    private static String token(TokenCredential credential) {
        return credential.getTokenSync(new TokenRequestContext().addScopes("https://vault.azure.net/.default")).getToken();
    }

    private static void is(TokenCredential credential, Map<String, Object> claims, Identity who) {
        assertEquals(who.objectId(), claims.get("oid"));
        assertEquals(who.clientId(), claims.get("appid"));
        assertEquals(Tenant.ID, claims.get("tid"));
        assertEquals("https://vault.azure.net", claims.get("aud"));
        assertEquals("https://sts.windows.net/" + Tenant.ID + "/", claims.get("iss"));
        opens(credential, who);
    }

    /** Nobody alone may not read a secret. */
    private static void opens(TokenCredential credential, Identity who) {
        KeyVaultSecret written = Tenant.SECRETS.setSecret("credentials", "open sesame");
        SecretClient client = Tenant.secrets(credential);
        if (who == Tenant.NOBODY) {
            Tenant.refused(403, "Forbidden", "ForbiddenByPolicy", () -> client.getSecret("credentials"));
            return;
        }
        KeyVaultSecret read = client.getSecret("credentials");
        assertEquals("open sesame", read.getValue());
        assertEquals(written.getId(), read.getId());
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> claims(TokenCredential credential) {
        byte[] payload = Base64.getUrlDecoder().decode(token(credential).split("\\.")[1]);
        return BinaryData.fromBytes(payload).toObject(Map.class);
    }
}
