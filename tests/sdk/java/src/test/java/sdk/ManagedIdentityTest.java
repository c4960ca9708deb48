package sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static sdk.Tenant.APPLICATION;
import static sdk.Tenant.EVERYBODY;
import static sdk.Tenant.NOBODY;

import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.identity.ManagedIdentityCredential;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import com.microsoft.aad.msal4j.MsalServiceException;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import sdk.Tenant.Identity;

/** Signing in as a managed identity. Runs once for each source of tokens (pom.xml), which the environment chooses. */
@Tag("source")
class ManagedIdentityTest {
    @BeforeAll
    static void theEnvironmentIsTheSources() {
        assertEquals(appService(), System.getenv("IDENTITY_ENDPOINT") != null);
        assertEquals(appService(), System.getenv("IDENTITY_HEADER") != null);
        assertEquals(null, System.getenv("AZURE_POD_IDENTITY_AUTHORITY_HOST"));
    }

    static Stream<Arguments> ways() {
        return Stream.of(
            Arguments.of("system-assigned", builder(), EVERYBODY),
            Arguments.of("client id", builder().clientId(EVERYBODY.clientId()), EVERYBODY),
            Arguments.of("object id", builder().objectId(EVERYBODY.objectId()), EVERYBODY),
            Arguments.of("resource id", builder().resourceId(EVERYBODY.resourceId()), EVERYBODY),
            Arguments.of("client id of somebody else", builder().clientId(NOBODY.clientId()), NOBODY),
            Arguments.of("object id of somebody else", builder().objectId(NOBODY.objectId()), NOBODY),
            Arguments.of("resource id of somebody else", builder().resourceId(NOBODY.resourceId()), NOBODY),
            Arguments.of("client id of production's", builder().clientId(APPLICATION.clientId()), APPLICATION),
            Arguments.of("object id of production's", builder().objectId(APPLICATION.objectId()), APPLICATION));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("ways")
    void managedIdentity(String way, ManagedIdentityCredentialBuilder chosen, Identity who) {
        SignedIn.isManaged(chosen.build(), who);
    }

    @Test
    void identityThatCannotBe() {
        ManagedIdentityCredential credential = builder().clientId("no-guid").build();
        MsalServiceException error = SignedIn.refusal(credential);
        assertEquals("managed_identity_request_failed", error.errorCode());
        String words = appService() ? "No User Assigned or Delegated Managed Identity found" : "Identity not found";
        assertTrue(error.getMessage().contains(words), error.getMessage());
    }

    @Test
    void defaultAzureCredential() {
        SignedIn.isManaged(new DefaultAzureCredentialBuilder().build(), EVERYBODY);
    }

    @Test
    void defaultAzureCredentialOfSomebodyElse() {
        String other = NOBODY.clientId();
        SignedIn.isManaged(new DefaultAzureCredentialBuilder().managedIdentityClientId(other).build(), NOBODY);
    }

    private static boolean appService() {
        return System.getProperty("source").equals("App Service");
    }

    private static ManagedIdentityCredentialBuilder builder() {
        return new ManagedIdentityCredentialBuilder();
    }
}
