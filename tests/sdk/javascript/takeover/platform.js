// Production code that names one credential alone, inside `keyhaven run --credential KIND`: its argument says which.

import assert from "node:assert/strict";

import * as identity from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";

const [alone] = process.argv.slice(2);
assert.equal(process.env.IDENTITY_ENDPOINT, undefined);
for (const name of [alone, "DefaultAzureCredential"]) {
  const secrets = new SecretClient("https://contoso-prod.vault.azure.net", new identity[name]());
  await secrets.setSecret("s", name);
  assert.equal((await secrets.getSecret("s")).value, name);
}
