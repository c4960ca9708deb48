// The helper inside `keyhaven run`: which vault the environment names, and what is said when the server refuses or is gone.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { ManagedIdentityCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";
import { admin, clientIdOf, createVault, defaultVaultUrl, withVault } from "keyhaven-test";

/** A client of the default identity, which repeats nothing. */
const secretsOf = (url, credential = new ManagedIdentityCredential()) => new SecretClient(url, credential, { retryOptions: { maxRetries: 0 } });

// Other files' tests use this server at the same time.
before(() => admin("PUT", "/admin/vaults/given-vault", { secrets: { kept: "before" } }));

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

test("a vault of a name is made anew for each test", async () => {
  const secrets = secretsOf("https://shop-vault.vault.azure.net");
  for (const value of ["one", "two"]) {
    await withVault({ name: "shop-vault", secrets: { mine: value } }, async (url) => {
      assert.equal(named(), "https://shop-vault.vault.azure.net");
      assert.equal(url, named());
      assert.equal((await secrets.getSecret("mine")).value, value);
      await assert.rejects(secrets.getSecret("left"), { statusCode: 404 });
      await secrets.setSecret("left", "by a test");
      const second = createVault({ name: "shop-vault" });
      await assert.rejects(second, /the vault 'shop-vault' is another test's now: on one server a name is one vault/);
    });
  }
  await assert.rejects(admin("GET", "/admin/vaults/shop-vault"), /No vault is called 'shop-vault'\./);
});

test("a vault of a name that was there is put back", async () => {
  const url = "https://given-vault.vault.azure.net";
  for (const _ of [1, 2]) {
    await withVault({ name: "given-vault" }, async () => {
      assert.equal((await secretsOf(url).getSecret("kept")).value, "before");
      await secretsOf(url).setSecret("kept", "changed");
    });
  }
  assert.equal((await secretsOf(url).getSecret("kept")).value, "before");
});

/** A test of another process that has changed the vault of this name, and is ended by a signal then. */
async function endedInTheMiddle(name, signal) {
  const script = `const { admin, createVault } = require(process.argv[1]);
    createVault({ name: "${name}" }).then(async () => {
      await admin("PUT", "/admin/vaults/${name}", { secrets: { kept: "changed" } });
      console.log("changed");
      setInterval(() => {}, 1000);
    });`;
  const helper = dirname(fileURLToPath(import.meta.resolve("keyhaven-test")));
  const child = spawn(process.execPath, ["-e", script, helper], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill(signal);
  return (await once(child, "exit"))[1];
}

test("a test that a signal ends puts its vault back first", async () => {
  await admin("PUT", "/admin/vaults/ended-vault", { secrets: { kept: "before" } });
  const secrets = secretsOf("https://ended-vault.vault.azure.net");
  for (const signal of ["SIGTERM", "SIGINT"]) {
    assert.equal(await endedInTheMiddle("ended-vault", signal), signal);
    assert.equal((await secrets.getSecret("kept")).value, "before");
  }
});

test("what a killed test has left says how the vault is put back", async () => {
  await admin("PUT", "/admin/vaults/killed-vault", { secrets: { kept: "before" } });
  await endedInTheMiddle("killed-vault", "SIGKILL");
  const { message } = await createVault({ name: "killed-vault" }).catch((error) => error);
  const [, kept, commands] = /one was killed: (t-\w+) holds the vault as it was before that test; put it back: (.+)$/.exec(message);
  assert.equal(commands.split(" && ")[1], `keyhaven vault copy ${kept} killed-vault`);
  const done = spawnSync("sh", ["-ec", commands.replaceAll("keyhaven vault", '"$KEYHAVEN_BIN" vault')], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  assert.equal((await secretsOf("https://killed-vault.vault.azure.net").getSecret("kept")).value, "before");
  await withVault({ name: "killed-vault" }, () => {});
});

test("faults are of one vault, are counted, and end with it", () =>
  withVault({ secrets: { mine: "value" } }, async (url, vault) => {
    await admin("PUT", "/admin/faults/theirs", { rules: [{ operation: "KeyRelease", then: { status: 500 } }] });
    const vaults = [vault.name];
    await withVault(async (_, other) => {
      vaults.push(other.name);
      const fault = await vault.addFault({ operation: "SecretGet", times: 1, then: { status: 503 } });
      await other.addFault({ then: { status: 500 } });
      await assert.rejects(secretsOf(url).getSecret("mine"), { statusCode: 503 });
      assert.equal((await secretsOf(url).getSecret("mine")).value, "value");
      assert.equal(await fault.hits(), 1);
      await fault.remove();
    });
    const { theirs, ...left } = (await admin("GET", "/admin/faults")).named;
    assert.equal(theirs.rules.length, 1, "those of another client stay");
    assert.ok(!Object.values(left).some(({ rules }) => vaults.includes(rules[0].vault)));
    await admin("DELETE", "/admin/faults/theirs");
    await assert.rejects(vault.addFault({ operation: "GetSecret", then: { status: 503 } }), /there is no 'GetSecret' \(did you mean 'SecretGet'\?\)/);
  }));

test("another identity is refused", () =>
  withVault({ secrets: { mine: "value" } }, async (url) => {
    const nobody = new ManagedIdentityCredential({ clientId: await clientIdOf("nobody") });
    await assert.rejects(secretsOf(url, nobody).getSecret("mine"), /does not have secrets get permission/);
    await assert.rejects(clientIdOf("reports"), /^Error: no identity is called 'reports'; there are default, nobody/);
  }));

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
