package sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static sdk.Tenant.APPLICATION;
import static sdk.Tenant.EVERYBODY;

import com.azure.core.credential.TokenCredential;
import com.azure.core.credential.TokenRequestContext;
import com.azure.core.exception.ClientAuthenticationException;
import com.azure.core.http.HttpHeaderName;
import com.azure.core.util.Configuration;
import com.azure.identity.ClientCertificateCredentialBuilder;
import com.azure.identity.ClientSecretCredentialBuilder;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.identity.WorkloadIdentityCredentialBuilder;
import com.azure.security.keyvault.secrets.SecretClient;
import com.microsoft.aad.msal4j.MsalServiceException;
import java.io.File;
import java.io.IOException;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import sdk.Tenant.Identity;

/** Signing in as an application: with a client secret, or with a federated token as a cluster's workloads do. */
class ApplicationTest {
    @TempDir
    Path directory;

    static Stream<Identity> applications() {
        return Stream.of(EVERYBODY, APPLICATION);
    }

    @ParameterizedTest
    @MethodSource("applications")
    void clientSecret(Identity who) {
        var builder = new ClientSecretCredentialBuilder().tenantId(Tenant.ID).clientId(who.clientId());
        SignedIn.isApplication(builder.clientSecret("keyhaven").build(), who, "1");
    }

    @Test
    void clientSecretOfDefaultAzureCredential() {
        var variables = environment(Map.of("AZURE_CLIENT_SECRET", "whatever production has"), APPLICATION);
        var credential = new DefaultAzureCredentialBuilder().configuration(variables).build();
        SignedIn.isApplication(credential, APPLICATION, "1");
    }

    @Test
    void workloadIdentity() throws Exception {
        String file = federatedToken("default");
        var builder = new WorkloadIdentityCredentialBuilder().tenantId(Tenant.ID).clientId(EVERYBODY.clientId());
        SignedIn.isApplication(builder.tokenFilePath(file).build(), EVERYBODY, "2");
    }

    @Test
    void workloadIdentityOfDefaultAzureCredential() throws Exception {
        var variables = environment(Map.of("AZURE_FEDERATED_TOKEN_FILE", federatedToken("default")), EVERYBODY);
        var credential = new DefaultAzureCredentialBuilder().configuration(variables).build();
        SignedIn.isApplication(credential, EVERYBODY, "2");
    }

    @Test
    void workloadIdentityWithTheTokenOfSomebodyElse() throws Exception {
        String file = federatedToken("nobody");
        var builder = new WorkloadIdentityCredentialBuilder().tenantId(Tenant.ID).clientId(configured("with-a-secret"));
        var credential = builder.tokenFilePath(file).build();
        MsalServiceException error = SignedIn.refusal(credential);
        assertEquals(401, error.statusCode());
        assertEquals("invalid_client", error.errorCode());
        assertTrue(error.getMessage().startsWith("AADSTS700213: "), error.getMessage());
    }

    /**
     * A client that holds a token when it is revoked is refused, because msal4j 1.26 has it in its cache and answers requests with
     * claims from there too; a new credential signs in again.
     */
    @ParameterizedTest
    @ValueSource(strings = {"client secret", "client certificate", "workload identity"})
    void revokedSession(String way) throws Exception {
        String id = UUID.randomUUID().toString();
        TokenCredential first =
            new ClientSecretCredentialBuilder().tenantId(Tenant.ID).clientId(id).clientSecret("production's").build();
        first.getTokenSync(new TokenRequestContext().addScopes("https://vault.azure.net/.default"));
        String name = "made-on-the-spot-" + id;
        SecretClient client = Tenant.secrets(application(way, id, name));
        assertEquals("one", client.setSecret("revoked", "one").getValue());
        keyhaven("identity", "revoke", name);
        var refused = assertThrows(ClientAuthenticationException.class, () -> client.setSecret("revoked", "two"));
        assertTrue(refused.getMessage().contains("was revoked"), refused.getMessage());
        String challenge = refused.getResponse().getHeaderValue(HttpHeaderName.WWW_AUTHENTICATE);
        assertTrue(challenge.contains("error=\"insufficient_claims\""), challenge);
        assertEquals("one", Tenant.secrets(application(way, id, name)).getSecret("revoked").getValue());
    }

    /** A new credential of the application, which signs in one of three ways. */
    private TokenCredential application(String way, String id, String name) throws IOException, InterruptedException {
        return switch (way) {
            case "client secret" -> new ClientSecretCredentialBuilder().tenantId(Tenant.ID).clientId(id)
                .clientSecret("production's").build();
            case "client certificate" -> new ClientCertificateCredentialBuilder().tenantId(Tenant.ID).clientId(id)
                .pemCertificate(certificate()).build();
            default -> new WorkloadIdentityCredentialBuilder().tenantId(Tenant.ID).clientId(id)
                .tokenFilePath(federatedToken(name)).build();
        };
    }

    /** A file with a certificate and its key: a placeholder of this server's, which signs in like production's own. */
    private static String certificate() throws IOException, InterruptedException {
        String variables = keyhaven("env", "--credential", "client-certificate", "--format", "json");
        Matcher path = Pattern.compile("\"AZURE_CLIENT_CERTIFICATE_PATH\": \"([^\"]+)\"").matcher(variables);
        assertTrue(path.find(), variables);
        return path.group(1);
    }

    /** What a command of Keyhaven prints. */
    private static String keyhaven(String... line) throws IOException, InterruptedException {
        var command = new ArrayList<>(List.of(System.getenv("KEYHAVEN_BIN")));
        command.addAll(List.of(line));
        Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        String printed = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), printed);
        return printed;
    }

    /** The environment with more variables, for an application: a process cannot change its own. */
    private static Configuration environment(Map<String, String> more, Identity who) {
        Configuration all = Configuration.getGlobalConfiguration().clone();
        all.put("AZURE_CLIENT_ID", who.clientId());
        more.forEach(all::put);
        return all;
    }

    /** An application that is configured with a secret of its own, as the configuration file would have it: its client id. */
    private static String configured(String name) throws IOException, InterruptedException {
        String entry = "{\"name\": \"" + name + "\", \"clientSecret\": \"its own\"}";
        var request = HttpRequest.newBuilder(URI.create(System.getenv("KEYHAVEN_ADMIN_URL") + "/admin/identities"))
            .header("Authorization", "Bearer " + System.getenv("KEYHAVEN_ADMIN_KEY"))
            .POST(HttpRequest.BodyPublishers.ofString(entry));
        var answer = HttpClient.newHttpClient().send(request.build(), HttpResponse.BodyHandlers.ofString());
        assertEquals(201, answer.statusCode(), answer.body());
        Matcher clientId = Pattern.compile("\"clientId\":\"([^\"]+)\"").matcher(answer.body());
        assertTrue(clientId.find(), answer.body());
        return clientId.group(1);
    }

    /** A file with a federated token of the identity called so. */
    private String federatedToken(String name) throws IOException, InterruptedException {
        Path file = directory.resolve("token");
        var command = new ProcessBuilder(System.getenv("KEYHAVEN_BIN"), "identity", "token", name, "--federated");
        Process process = command.redirectOutput(file.toFile()).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        assertEquals(0, process.waitFor());
        assertEquals(3, Files.readString(file).split("\\.").length);
        return file.toString();
    }

    /** A client whose trust store holds no authority of ours says what docs/troubleshooting.md looks up. */
    @Test
    void anUnknownAuthority() throws Exception {
        var roots = new File(System.getProperty("java.home"), "lib/security/cacerts");
        var factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(KeyStore.getInstance(roots, "changeit".toCharArray()));
        var context = SSLContext.getInstance("TLS");
        context.init(null, factory.getTrustManagers(), null);
        var client = HttpClient.newBuilder().sslContext(context).proxy(ProxySelector.getDefault()).build();
        var request = HttpRequest.newBuilder(URI.create(Tenant.VAULT)).build();
        var refused = assertThrows(
            IOException.class, () -> client.send(request, HttpResponse.BodyHandlers.discarding()));
        assertTrue(refused.getMessage().contains("PKIX path building failed"), refused::toString);
    }
}
