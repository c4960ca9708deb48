// What a test with node:test looks like: npx keyhaven-test node --test

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { DefaultAzureCredential, ManagedIdentityCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";
import { clientIdOf, clock, defaultVaultUrl, withVault } from "keyhaven-test";

const credential = new DefaultAzureCredential();
const secrets = (url) => new SecretClient(url, credential);

// Set once; every test's vault is a copy.
before(() => secrets(defaultVaultUrl()).setSecret("database", "orders"));

for (const database of ["one", "two"]) {
  test(`each test has a vault of its own (${database})`, () =>
    withVault(async (url) => {
      assert.equal((await secrets(url).getSecret("database")).value, "orders", "no other test has changed it");
      await secrets(url).setSecret("database", database);
    }));
}

test("a deleted secret is gone when its retention is over", () =>
  withVault(async (url) => {
    await (await secrets(url).beginDeleteSecret("database", { intervalInMs: 10 })).pollUntilDone();
    assert.equal((await secrets(url).getDeletedSecret("database")).name, "database");
    await clock.advance("P90D");
    await assert.rejects(secrets(url).getDeletedSecret("database"), { statusCode: 404 });
  }));

test("a test begins with secrets of its own", () =>
  withVault({ secrets: { database: "archive", "api-key": "k-1" } }, async () => {
    const vault = secrets(process.env.VAULT_URL);
    assert.equal((await vault.getSecret("database")).value, "archive");
    assert.equal((await vault.getSecret("api-key")).value, "k-1");
  }));

test("the code tries again when the vault is busy", () =>
  withVault(async (url, vault) => {
    const busy = await vault.addFault({ operation: "SecretGet", times: 1, then: { status: 503, retryAfter: 0 } });
    assert.equal((await secrets(url).getSecret("database")).value, "orders");
    assert.equal(await busy.hits(), 1);
  }));

test("another identity is refused", () =>
  withVault(async (url) => {
    const nobody = new ManagedIdentityCredential({ clientId: await clientIdOf("nobody") });
    await assert.rejects(new SecretClient(url, nobody).getSecret("database"), { statusCode: 403 });
  }));
