// Using keys: every algorithm, through the server and against node:crypto.

import assert from "node:assert/strict";
import { constants, createHash, createPublicKey, publicEncrypt, randomBytes, verify } from "node:crypto";
import { before, describe, test } from "node:test";

import { CryptographyClient } from "@azure/keyvault-keys";

import { as, credential, keys, operator } from "./tenant.js";
import { exchanges, operationsSince } from "./wire.js";

const PADDINGS = {
  RSA1_5: { padding: constants.RSA_PKCS1_PADDING },
  "RSA-OAEP": { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" },
  "RSA-OAEP-256": { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" },
};
const SIGNATURES = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const MESSAGE = Buffer.from("The quick brown fox jumps over the lazy dog");

for (const [kind, keySize] of [["RSA", 2048], ["RSA-HSM", 3072]]) {
  describe(`${kind} ${keySize}`, () => {
    let key, publicKey, remote, local;

    before(async () => {
      key = await keys.createRsaKey(`cryptography-${kind}`, { keySize, hsm: kind === "RSA-HSM" });
      const [n, e] = [key.key.n, key.key.e].map((octets) => Buffer.from(octets).toString("base64url"));
      publicKey = createPublicKey({ key: { kty: "RSA", n, e }, format: "jwk" });
      remote = new CryptographyClient(key.id, as(operator)); // may not read the key: the server must do everything
      local = new CryptographyClient(key, credential); // does public operations itself where it can
    });

    for (const [algorithm, padding] of Object.entries(PADDINGS)) {
      test(`the server encrypts and decrypts: ${algorithm}`, async () => {
        const [mark, plaintext] = [exchanges.length, randomBytes(64)];
        const { result: ciphertext, keyID } = await remote.encrypt({ algorithm, plaintext });
        const decrypted = await remote.decrypt({ algorithm, ciphertext });
        assert.deepEqual([Buffer.from(decrypted.result), keyID, decrypted.keyID], [plaintext, key.id, key.id]);
        assert.deepEqual(operationsSince(mark), ["encrypt", "decrypt"]);
      });

      test(`the server wraps and unwraps: ${algorithm}`, async () => {
        const [mark, dataKey] = [exchanges.length, randomBytes(32)];
        const wrapped = await remote.wrapKey(algorithm, dataKey);
        const unwrapped = await remote.unwrapKey(algorithm, wrapped.result);
        assert.deepEqual(Buffer.from(unwrapped.result), dataKey);
        assert.deepEqual(operationsSince(mark), ["wrapkey", "unwrapkey"]);
      });

      test(`the server opens what others closed: ${algorithm}`, async () => {
        const dataKey = randomBytes(32);
        const closed = publicEncrypt({ key: publicKey, ...padding }, dataKey);
        assert.deepEqual(Buffer.from((await remote.unwrapKey(algorithm, closed)).result), dataKey);
        assert.deepEqual(Buffer.from((await remote.decrypt({ algorithm, ciphertext: closed })).result), dataKey);
      });

      test(`the server opens what the client closed: ${algorithm}`, async () => {
        const dataKey = randomBytes(32);
        const { result: wrapped } = await local.wrapKey(algorithm, dataKey);
        assert.deepEqual(Buffer.from((await local.unwrapKey(algorithm, wrapped)).result), dataKey);
      });
    }

    for (const algorithm of SIGNATURES) {
      const hash = `sha${algorithm.slice(2)}`;
      const digest = createHash(hash).update(MESSAGE).digest();

      test(`the server signs and verifies: ${algorithm}`, async () => {
        const mark = exchanges.length;
        const { result: signature, keyID } = await remote.sign(algorithm, digest);
        assert.equal(keyID, key.id);
        assert.equal((await remote.verify(algorithm, digest, signature)).result, true);
        assert.equal((await remote.verify(algorithm, digest.toReversed(), signature)).result, false);
        assert.deepEqual(operationsSince(mark), ["sign", "verify", "verify"]);
      });

      test(`others verify what the server signed: ${algorithm}`, async () => {
        const { result: signature } = await remote.signData(algorithm, MESSAGE);
        const scheme = algorithm.startsWith("RS")
          ? { padding: constants.RSA_PKCS1_PADDING }
          : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
        assert.ok(verify(hash, MESSAGE, { key: publicKey, ...scheme }, signature));
        assert.ok(!verify(hash, Buffer.from("other"), { key: publicKey, ...scheme }, signature));
      });
    }
  });
}

test("an old version unwraps what it wrapped", async () => {
  const old = await keys.createRsaKey("rotated");
  const dataKey = randomBytes(32);
  const { result: wrapped } = await new CryptographyClient(old, credential).wrapKey("RSA-OAEP-256", dataKey);
  await keys.createRsaKey("rotated");
  const client = keys.getCryptographyClient("rotated", { keyVersion: old.properties.version });
  assert.deepEqual(Buffer.from((await client.unwrapKey("RSA-OAEP-256", wrapped)).result), dataKey);
  const latest = keys.getCryptographyClient("rotated");
  await assert.rejects(latest.unwrapKey("RSA-OAEP-256", wrapped), { statusCode: 400, code: "BadParameter" });
});
