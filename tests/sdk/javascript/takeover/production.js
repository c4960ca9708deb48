// Production code, unchanged, inside `keyhaven run`: it says `https://contoso-prod.vault.azure.net`, and everything else it
// finds in its environment. A test chooses where the credential comes from by taking other variables away, never by an
// option of a client.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import tls from "node:tls";

import { CryptographyClient, KeyClient } from "@azure/keyvault-keys";
import { SecretClient } from "@azure/keyvault-secrets";

assert.match(process.env.HTTPS_PROXY ?? "", /^http:\/\/127\.0\.0\.1:/, "start it with tests/sdk/run javascript");

export const vaultUrl = "https://contoso-prod.vault.azure.net";
export const nobody = "6b9e7c1a-0000-4000-8000-00000000c11f"; // the built-in identity that no policy names
export const tenant = process.env.AZURE_TENANT_ID;
export const ownClientId = process.env.AZURE_CLIENT_ID;

const given = { ...process.env };
const managed = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_POD_IDENTITY_AUTHORITY_HOST"];
const fabric = ["IMDS_ENDPOINT", "IDENTITY_SERVER_THUMBPRINT"];
const credentials = ["AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_ID"];

/** Leaves `variables` alone of those that say who somebody is. */
export function environment(variables) {
  for (const name of [...managed, ...fabric, ...credentials]) delete process.env[name];
  Object.assign(process.env, variables);
}

const ready = () => JSON.parse(readFileSync(given.KEYHAVEN_READY_FILE, "utf8"));

/** What each source of managed identities has in the environment. */
export const sources = {
  "app service": async () => ({ IDENTITY_ENDPOINT: given.IDENTITY_ENDPOINT, IDENTITY_HEADER: given.IDENTITY_HEADER }),
  imds: async () => ({}), // the client asks 169.254.169.254, which is Keyhaven through the proxy
  arc: async () => {
    const base = `http://${ready().identity}/arc`;
    return { IDENTITY_ENDPOINT: `${base}/metadata/identity/oauth2/token`, IMDS_ENDPOINT: base };
  },
  "service fabric": async () => {
    const port = ready().listen.split(":").pop();
    return {
      IDENTITY_ENDPOINT: `https://localhost:${port}/fabric/metadata/identity/oauth2/token`,
      IDENTITY_HEADER: given.IDENTITY_HEADER,
      IDENTITY_SERVER_THUMBPRINT: await thumbprint(port),
    };
  },
};

/** The SHA-1 of the certificate that the server shows as `localhost`: how Service Fabric's clients know it. */
async function thumbprint(port) {
  const socket = tls.connect({ host: "localhost", port, servername: "localhost" });
  await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return createHash("sha1").update(raw).digest("hex");
}

/** What a client command of Keyhaven prints; inside `run` it finds the server by itself. */
const keyhaven = (...line) => execFileSync(given.KEYHAVEN_BIN, line, { env: given, encoding: "utf8" }).trim();

/** The identity called `name`, as the admin API tells. */
export const identity = (name) =>
  JSON.parse(keyhaven("identity", "list", "--json")).identities.find((identity) => identity.name === name);

/** Revokes the sessions of the identity called `name`. */
export const revoke = (name) => keyhaven("identity", "revoke", name);

/** A certificate and its key, as PEM: a placeholder of this server's, which signs in like production's own. */
export function certificate() {
  const line = ["env", "--credential", "client-certificate", "--format", "json"];
  return readFileSync(JSON.parse(keyhaven(...line)).AZURE_CLIENT_CERTIFICATE_PATH, "utf8");
}

/** An application that is configured with a secret, as the configuration file would have it: its client id. */
export async function application(name, clientSecret) {
  const headers = { authorization: `Bearer ${given.KEYHAVEN_ADMIN_KEY}` };
  const body = JSON.stringify({ name, clientSecret });
  const answer = await fetch(`${given.KEYHAVEN_ADMIN_URL}/admin/identities`, { method: "POST", headers, body });
  assert.equal(answer.status, 201);
  return (await answer.json()).clientId;
}

/** Writes a federated token of the identity called `name` to `file`, as a cluster would mount it. */
export const federatedToken = (name, file) =>
  writeFileSync(file, `${keyhaven("identity", "token", name, "--federated")}\n`);

/** A key is created, wraps, unwraps and signs, is listed, deleted and recovered; a secret is set, read, set again. */
export async function useTheVault(credential, name) {
  await useKeys(new KeyClient(vaultUrl, credential), credential, name);
  await useSecrets(new SecretClient(vaultUrl, credential), name);
}

async function useKeys(client, credential, name) {
  const key = await client.createRsaKey(name, { keySize: 2048 });
  assert.ok(key.id.startsWith(`${vaultUrl}/keys/${name}/`), key.id);
  const cryptography = new CryptographyClient(key.id, credential);
  const dataKey = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
  const { result: wrapped } = await cryptography.wrapKey("RSA-OAEP-256", dataKey);
  const { result: unwrapped } = await cryptography.unwrapKey("RSA-OAEP-256", wrapped);
  assert.deepEqual(Buffer.from(unwrapped), dataKey);
  const digest = Buffer.alloc(32);
  const { result: signature } = await cryptography.sign("RS256", digest);
  assert.equal((await cryptography.verify("RS256", digest, signature)).result, true);
  assert.equal((await cryptography.verify("RS256", Buffer.alloc(32, 1), signature)).result, false);
  assert.ok((await names(client)).includes(name));
  const deleted = await (await client.beginDeleteKey(name, { intervalInMs: 50 })).pollUntilDone();
  assert.equal(deleted.properties.recoveryId, `${vaultUrl}/deletedkeys/${name}`);
  assert.ok(!(await names(client)).includes(name));
  await (await client.beginRecoverDeletedKey(name, { intervalInMs: 50 })).pollUntilDone();
  assert.equal((await client.getKey(name)).id, key.id);
}

async function names(client) {
  const all = [];
  for await (const { name } of client.listPropertiesOfKeys()) all.push(name);
  return all;
}

async function useSecrets(client, name) {
  const first = await client.setSecret(name, "one");
  const second = await client.setSecret(name, "two");
  assert.notEqual(first.properties.version, second.properties.version);
  assert.equal((await client.getSecret(name)).value, "two");
  assert.equal((await client.getSecret(name, { version: first.properties.version })).value, "one");
}
