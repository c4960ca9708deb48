import com.azure.core.credential.TokenCredential;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.security.keyvault.keys.KeyClient;
import com.azure.security.keyvault.keys.KeyClientBuilder;
import com.azure.security.keyvault.keys.cryptography.CryptographyClient;
import com.azure.security.keyvault.keys.cryptography.models.KeyWrapAlgorithm;
import com.azure.security.keyvault.keys.models.CreateRsaKeyOptions;
import com.azure.security.keyvault.secrets.SecretClient;
import com.azure.security.keyvault.secrets.SecretClientBuilder;

/**
 * Keeps a secret and wraps a data key with a key that never leaves its vault.
 *
 * <p>This is what production code looks like: nothing in it knows of Keyhaven. To run it, in the directory of pom.xml:
 * {@code keyhaven run -- mvn -q compile exec:java}
 */
public class Quickstart {
    public static void main(String[] args) {
        String vault = "https://" + System.getenv("KEY_VAULT_NAME") + ".vault.azure.net";
        TokenCredential credential = new DefaultAzureCredentialBuilder().build();

        SecretClient secrets = new SecretClientBuilder().vaultUrl(vault).credential(credential).buildClient();
        secrets.setSecret("mySecret", "a secret value");
        System.out.println("secret    " + secrets.getSecret("mySecret").getValue());

        KeyClient keys = new KeyClientBuilder().vaultUrl(vault).credential(credential).buildClient();
        keys.createRsaKey(new CreateRsaKeyOptions("myKey"));
        CryptographyClient key = keys.getCryptographyClient("myKey");
        byte[] wrapped = key.wrapKey(KeyWrapAlgorithm.RSA_OAEP_256, "a data key".getBytes()).getEncryptedKey();
        System.out.println("unwrapped " + new String(key.unwrapKey(KeyWrapAlgorithm.RSA_OAEP_256, wrapped).getKey()));
    }
}
