// Signing in: which identity a credential gets, and what happens when there is none.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { DefaultAzureCredential, ManagedIdentityCredential } from "@azure/identity";
import { KeyClient } from "@azure/keyvault-keys";
import { SecretClient } from "@azure/keyvault-secrets";

import { credential, factory, keys, reader, secrets, tenant, vaultUrl } from "./tenant.js";

const CREDENTIALS = [
  ["the system-assigned identity", new ManagedIdentityCredential(), factory],
  ["a client id", new ManagedIdentityCredential({ clientId: reader.clientId }), reader],
  ["an object id", new ManagedIdentityCredential({ objectId: reader.objectId }), reader],
  ["a resource id", new ManagedIdentityCredential({ resourceId: reader.resourceId }), reader],
  ["DefaultAzureCredential", new DefaultAzureCredential(), factory],
  ["DefaultAzureCredential with another AZURE_CLIENT_ID", defaultOf(reader), reader],
];

/** The credential reads the variable when it is made. */
function defaultOf({ clientId }) {
  const former = process.env.AZURE_CLIENT_ID;
  process.env.AZURE_CLIENT_ID = clientId;
  const made = new DefaultAzureCredential();
  process.env.AZURE_CLIENT_ID = former;
  return made;
}

for (const [name, signedIn, identity] of CREDENTIALS) {
  test(`${name} signs in and opens the vault`, async () => {
    const resource = `https://vault.localhost:${new URL(vaultUrl).port}`;
    const { token } = await signedIn.getToken(`${resource}/.default`);
    const { oid, appid, tid, aud } = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
    assert.deepEqual([oid, appid, tid, aud], [identity.objectId, identity.clientId, tenant, resource]);

    const [made, written] = [await keys.createRsaKey("credentials"), await secrets.setSecret("credentials", "open")];
    assert.equal((await new KeyClient(vaultUrl, signedIn).getKey("credentials")).id, made.id);
    const read = await new SecretClient(vaultUrl, signedIn).getSecret("credentials");
    assert.deepEqual([read.value, read.properties.id], ["open", written.properties.id]);
  });
}

test("an unknown client id is no identity, and is told so at once", async () => {
  const unknown = new KeyClient(vaultUrl, new ManagedIdentityCredential({ clientId: randomUUID() }));
  const started = Date.now();
  await assert.rejects(unknown.getKey("any"), { name: /^(CredentialUnavailableError|AuthenticationError)$/ });
  assert.ok(Date.now() - started < 5000, "the answer made the client try again and again");
});

test("a host that is no vault is not found", async () => {
  const elsewhere = new KeyClient(vaultUrl.replace("factory-vault", "no-such-vault"), credential);
  await assert.rejects(elsewhere.getKey("any"), { statusCode: 404, code: "VaultNotFound" });
});
