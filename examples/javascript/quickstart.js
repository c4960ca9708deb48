// Keeps a secret and wraps a data key with a key that never leaves its vault.
//
// This is what production code looks like: nothing in it knows of Keyhaven. To run it, in this directory:
//
//   npm install && keyhaven run -- node quickstart.js

import { DefaultAzureCredential } from "@azure/identity";
import { CryptographyClient, KeyClient } from "@azure/keyvault-keys";
import { SecretClient } from "@azure/keyvault-secrets";

const vault = `https://${process.env.KEY_VAULT_NAME}.vault.azure.net`;
const credential = new DefaultAzureCredential();

const secrets = new SecretClient(vault, credential);
await secrets.setSecret("mySecret", "a secret value");
console.log("secret   ", (await secrets.getSecret("mySecret")).value);

const key = await new KeyClient(vault, credential).createRsaKey("myKey");
const cryptography = new CryptographyClient(key, credential);
const { result: wrapped } = await cryptography.wrapKey("RSA-OAEP-256", Buffer.from("a data key"));
console.log("unwrapped", Buffer.from((await cryptography.unwrapKey("RSA-OAEP-256", wrapped)).result).toString());
