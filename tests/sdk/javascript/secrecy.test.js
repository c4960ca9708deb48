// That what is searched for at the end of the suite (run.js) would be found.

import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";

import { CryptographyClient } from "@azure/keyvault-keys";

import { forms, foundIn } from "./secrecy.js";
import { as, credential, keys, operator, secrets } from "./tenant.js";

test("every form of a secret is found", () => {
  const home = mkdtempSync(join(tmpdir(), "secrecy-"));
  const secret = Buffer.from(`correct horse "☃" battery staple ${randomBytes(12).toString("hex")}`);
  const [log, used] = ["log", "used"].map((name) => join(home, name));
  for (const form of forms(secret)) {
    writeFileSync(log, `INFO something is 'a${form}b'\n`);
    assert.equal(foundIn([log], used, [secret]).length, 1, form);
  }
  writeFileSync(log, `INFO something is ${secret.subarray(0, -1)}, 00010203040506\n`);
  assert.deepEqual(foundIn([log], used, [secret, Buffer.from([0, 1, 2, 3, 4, 5, 6])]), [], "part of it, and what is too short");
  rmSync(home, { recursive: true });
});

test("what clients send and get is searched for", async () => {
  const value = `correct horse ${randomBytes(12).toString("hex")}`;
  await secrets.setSecret("planted", value);
  const jwk = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
  const bytes = Object.fromEntries(["x", "y", "d"].map((name) => [name, Buffer.from(jwk[name], "base64url")]));
  await keys.importKey("planted", { kty: "EC", crv: "P-256", keyOps: ["sign"], ...bytes });
  const plaintext = randomBytes(24);
  const key = await keys.createRsaKey("planted-rsa", { keySize: 2048 });
  const remote = new CryptographyClient(key.id, as(operator)); // may not read the key: the server must do everything
  const algorithm = "RSA-OAEP-256";
  const { result: ciphertext } = await remote.encrypt({ algorithm, plaintext });
  await remote.decrypt({ algorithm, ciphertext });
  const { token } = await credential.getToken("https://vault.azure.net/.default");
  const used = readFileSync(process.env.SECRETS_USED, "utf8").split("\n");
  for (const secret of [value, token, bytes.d, plaintext]) {
    assert.ok(used.includes(Buffer.from(secret).toString("base64")), "it is among what was used");
  }
});
