// An identity without the permission: refused, and told which permission is missing.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { CryptographyClient, KeyClient } from "@azure/keyvault-keys";
import { SecretClient } from "@azure/keyvault-secrets";

import { as, keys, refusal, secrets, stranger, vaultUrl } from "./tenant.js";

const NAME = "refused";
const credential = as(stranger);
const keyClient = new KeyClient(vaultUrl, credential);
const secretClient = new SecretClient(vaultUrl, credential);
let key, client;

before(async () => {
  key = await keys.createRsaKey(NAME);
  await secrets.setSecret(NAME, "there");
  client = new CryptographyClient(key.id, credential);
});

const CALLS = {
  "keys/create": () => keyClient.createRsaKey(NAME),
  "keys/get": () => keyClient.getKey(NAME),
  "keys/update": () => keyClient.updateKeyProperties(NAME, key.properties.version, { enabled: false }),
  "keys/encrypt": () => client.encrypt({ algorithm: "RSA-OAEP-256", plaintext: Buffer.alloc(32) }),
  "keys/decrypt": () => client.decrypt({ algorithm: "RSA-OAEP-256", ciphertext: Buffer.alloc(256) }),
  "keys/wrapKey": () => client.wrapKey("RSA-OAEP-256", Buffer.alloc(32)),
  "keys/unwrapKey": () => client.unwrapKey("RSA-OAEP-256", Buffer.alloc(256)),
  "keys/sign": () => client.sign("RS256", Buffer.alloc(32)),
  "keys/verify": () => client.verify("RS256", Buffer.alloc(32), Buffer.alloc(256)),
  "keys/delete": () => keyClient.beginDeleteKey(NAME),
  "keys/purge": () => keyClient.purgeDeletedKey(NAME),
  "keys/recover": () => keyClient.beginRecoverDeletedKey(NAME),
  "keys/backup": () => keyClient.backupKey(NAME),
  "keys/restore": () => keyClient.restoreKeyBackup(Buffer.from("a backup")),
  "secrets/set": () => secretClient.setSecret(NAME, "changed"),
  "secrets/get": () => secretClient.getSecret(NAME),
  "secrets/delete": () => secretClient.beginDeleteSecret(NAME),
  "secrets/purge": () => secretClient.purgeDeletedSecret(NAME),
  "secrets/recover": () => secretClient.beginRecoverDeletedSecret(NAME),
  "secrets/backup": () => secretClient.backupSecret(NAME),
  "secrets/restore": () => secretClient.restoreSecretBackup(Buffer.from("a backup")),
};

for (const [permission, call] of Object.entries(CALLS)) {
  test(`without ${permission}`, async () => {
    await assert.rejects(call, (error) => {
      assert.equal(error.response.headers.get("x-keyhaven-missing"), permission);
      return refusal(403, "Forbidden", "ForbiddenByPolicy")(error);
    });
  });
}

const LISTS = {
  "keys/list": () => keyClient.listPropertiesOfKeys(),
  "keys/list, of what was deleted": () => keyClient.listDeletedKeys(),
  "secrets/list": () => secretClient.listPropertiesOfSecrets(),
  "secrets/list, of what was deleted": () => secretClient.listDeletedSecrets(),
  "secrets/list, of versions": () => secretClient.listPropertiesOfSecretVersions(NAME),
};

for (const [name, list] of Object.entries(LISTS)) {
  test(`without ${name}`, async () => {
    await assert.rejects(list().next(), (error) => {
      assert.equal(error.response.headers.get("x-keyhaven-missing"), name.split(",")[0]);
      return refusal(403, "Forbidden", undefined)(error); // the SDK's pager drops the inner code
    });
  });
}

test("nothing was changed", async () => {
  const read = await keys.getKey(NAME);
  assert.deepEqual([read.id, read.properties.enabled], [key.id, true]);
  assert.equal((await secrets.getSecret(NAME)).value, "there");
});
