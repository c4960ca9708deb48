// The helper inside `keyhaven run`: which vault the environment names, and what is said when the server refuses or is gone.

import assert from "node:assert/strict";
import { test } from "node:test";

import { admin, createVault, defaultVaultUrl, withVault } from "keyhaven-test";

/** The vault that the environment names: the same in every variable. */
function named() {
  const { KEYHAVEN_VAULT_URL, AZURE_KEYVAULT_URL, VAULT_URL, KEY_VAULT_NAME } = process.env;
  const urls = new Set([KEYHAVEN_VAULT_URL, AZURE_KEYVAULT_URL, VAULT_URL, `https://${KEY_VAULT_NAME}.vault.azure.net`]);
  assert.equal(urls.size, 1);
  return VAULT_URL;
}

test("the environment names the newest vault there is", async () => {
  assert.equal(named(), defaultVaultUrl());
  const [one, other] = [await createVault(), await createVault()];
  assert.equal(named(), other.url);
  await one.delete();
  assert.equal(named(), other.url, "a test that ends leaves the vault of another alone");
  await withVault((url) => assert.equal(named(), url));
  await other.delete();
  assert.equal(named(), defaultVaultUrl());
  await assert.rejects(withVault(() => Promise.reject(new Error("a test that fails"))), /a test that fails/);
  assert.equal(named(), defaultVaultUrl());
});

test("a refusal has the server's text", async () => {
  const wrong = createVault({ secrets: { a_b: "value" } });
  await assert.rejects(wrong, /^Error: PUT \/admin\/vaults\/t-\w+: secrets\[0\]\.name: must be 1 to 127 letters/);
  await assert.rejects(admin("DELETE", "/admin/vaults/absent"), /DELETE \/admin\/vaults\/absent: No vault is called 'absent'\./);
});

test("a server that is gone is named", async () => {
  const url = process.env.KEYHAVEN_ADMIN_URL;
  process.env.KEYHAVEN_ADMIN_URL = "http://127.0.0.1:1";
  await assert.rejects(admin("GET", "/admin/clock"), /GET \/admin\/clock: no server answers at http:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\)/);
  process.env.KEYHAVEN_ADMIN_URL = url;
});
