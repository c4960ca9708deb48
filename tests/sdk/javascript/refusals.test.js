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
  "secrets/set": () => secretClient.setSecret(NAME, "changed"),
  "secrets/get": () => secretClient.getSecret(NAME),
};

for (const [permission, call] of Object.entries(CALLS)) {
  test(`without ${permission}`, async () => {
    await assert.rejects(call, (error) => {
      assert.equal(error.response.headers.get("x-keyhaven-missing"), permission);
      return refusal(403, "Forbidden", "ForbiddenByPolicy")(error);
    });
  });
}

test("without keys/list", async () => {
  await assert.rejects(keyClient.listPropertiesOfKeys().next(), (error) => {
    assert.equal(error.response.headers.get("x-keyhaven-missing"), "keys/list");
    return refusal(403, "Forbidden", undefined)(error); // the SDK's pager drops the inner code
  });
});

test("nothing was changed", async () => {
  const read = await keys.getKey(NAME);
  assert.deepEqual([read.id, read.properties.enabled], [key.id, true]);
  assert.equal((await secrets.getSecret(NAME)).value, "there");
});
