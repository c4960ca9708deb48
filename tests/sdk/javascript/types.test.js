// EC and symmetric keys, imports and release policies: through the server, and both ways against node:crypto.

import assert from "node:assert/strict";
import {
  createCipheriv, createDecipheriv, createHash, createHmac, createPublicKey, createSecretKey, generateKeyPairSync,
  randomBytes, sign, verify,
} from "node:crypto";
import { before, describe, test } from "node:test";

import { CryptographyClient } from "@azure/keyvault-keys";

import { as, keys, operator } from "./tenant.js";

const CURVES = { "P-256": ["ES256", "sha256"], "P-384": ["ES384", "sha384"], "P-521": ["ES512", "sha512"] };
const MESSAGE = Buffer.from("The quick brown fox jumps over the lazy dog");
const remotely = (key) => new CryptographyClient(key.id, as(operator));
const digest = (hash) => createHash(hash).update(MESSAGE).digest();

for (const [crv, [algorithm, hash]] of Object.entries(CURVES)) {
  for (const hsm of [false, true]) {
    test(`the server signs with ${crv}${hsm ? " of an HSM" : ""}, and others verify`, async () => {
      const key = await keys.createEcKey(`made-${crv}-${hsm}`, { curve: crv, hsm });
      assert.deepEqual([key.keyType, key.key.crv], [hsm ? "EC-HSM" : "EC", crv]);
      const [x, y] = [key.key.x, key.key.y].map((octets) => Buffer.from(octets).toString("base64url"));
      const publicKey = createPublicKey({ key: { kty: "EC", crv, x, y }, format: "jwk" });
      const { result: signature } = await remotely(key).sign(algorithm, digest(hash));
      const form = { key: publicKey, dsaEncoding: "ieee-p1363" };
      assert.ok(verify(hash, MESSAGE, form, signature));
      assert.ok(!verify(hash, Buffer.from("other"), form, signature));
      assert.equal((await remotely(key).verify(algorithm, digest(hash), signature)).result, true);
    });
  }

  test(`the server verifies what others signed with ${crv}`, async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: crv });
    const jwk = privateKey.export({ format: "jwk" });
    const numbers = Object.fromEntries(["d", "x", "y"].map((name) => [name, Buffer.from(jwk[name], "base64url")]));
    const key = await keys.importKey(`imported-${crv}`, { kty: "EC", crv, keyOps: ["sign", "verify"], ...numbers });
    const signature = sign(hash, MESSAGE, { key: privateKey, dsaEncoding: "ieee-p1363" });
    assert.equal((await remotely(key).verify(algorithm, digest(hash), signature)).result, true);
    assert.equal((await remotely(key).verify(algorithm, digest(hash).toReversed(), signature)).result, false);
  });
}

test("the algorithm of another curve is refused", async () => {
  const key = await keys.createEcKey("p-256k", { curve: "P-256K" });
  const { result: signature } = await remotely(key).sign("ES256K", digest("sha256"));
  assert.equal(signature.length, 64);
  await assert.rejects(remotely(key).sign("ES256", digest("sha256")), /uses curve 'P-256K'/);
});

for (const size of [128, 192, 256]) {
  describe(`oct-HSM ${size}`, () => {
    const secret = randomBytes(size / 8);
    let client;

    before(async () => {
      const keyOps = ["encrypt", "decrypt", "wrapKey", "unwrapKey", "sign", "verify"];
      const key = await keys.importKey(`oct-${size}`, { kty: "oct-HSM", k: secret, keyOps }, { hardwareProtected: true });
      assert.deepEqual([key.keyType, key.key.k], ["oct-HSM", undefined]);
      client = remotely(key);
    });

    test("GCM", async () => {
      const [algorithm, name] = [`A${size}GCM`, `aes-${size}-gcm`];
      const additionalAuthenticatedData = Buffer.from("about");
      const sealed = await client.encrypt({ algorithm, plaintext: MESSAGE, additionalAuthenticatedData });
      const decipher = createDecipheriv(name, secret, sealed.iv).setAAD(additionalAuthenticatedData);
      decipher.setAuthTag(sealed.authenticationTag);
      assert.deepEqual(Buffer.concat([decipher.update(sealed.result), decipher.final()]), MESSAGE);

      const iv = randomBytes(12);
      const cipher = createCipheriv(name, secret, iv).setAAD(additionalAuthenticatedData);
      const ciphertext = Buffer.concat([cipher.update(MESSAGE), cipher.final()]);
      const theirs = { algorithm, ciphertext, iv, additionalAuthenticatedData, authenticationTag: cipher.getAuthTag() };
      assert.deepEqual(Buffer.from((await client.decrypt(theirs)).result), MESSAGE);
    });

    test("CBC with padding", async () => {
      const [algorithm, iv] = [`A${size}CBCPAD`, randomBytes(16)];
      const { result: sealed } = await client.encrypt({ algorithm, plaintext: MESSAGE, iv });
      const cipher = createCipheriv(`aes-${size}-cbc`, secret, iv);
      const theirs = Buffer.concat([cipher.update(MESSAGE), cipher.final()]);
      assert.deepEqual(Buffer.from(sealed), theirs);
      assert.deepEqual(Buffer.from((await client.decrypt({ algorithm, ciphertext: theirs, iv })).result), MESSAGE);
    });

    test("key wrap", async () => {
      const [algorithm, dataKey] = [`A${size}KW`, randomBytes(32)];
      const { result: wrapped } = await client.wrapKey(algorithm, dataKey);
      const decipher = createDecipheriv(`id-aes${size}-wrap`, secret, Buffer.alloc(8, 0xa6));
      assert.deepEqual(Buffer.concat([decipher.update(wrapped), decipher.final()]), dataKey);
      assert.deepEqual(Buffer.from((await client.unwrapKey(algorithm, wrapped)).result), dataKey);
    });

    test("HMAC", async () => {
      for (const bits of [256, 384, 512]) {
        const value = digest(`sha${bits}`);
        const code = createHmac(`sha${bits}`, createSecretKey(secret)).update(value).digest();
        assert.deepEqual(Buffer.from((await client.sign(`HS${bits}`, value)).result), code);
        assert.equal((await client.verify(`HS${bits}`, value, code)).result, true);
        assert.equal((await client.verify(`HS${bits}`, value, code.toReversed())).result, false);
      }
    });
  });
}

test("a symmetric key is made by the server", async () => {
  const key = await keys.createOctKey("made-oct", { keySize: 256, hsm: true });
  assert.deepEqual([key.keyType, key.key.k], ["oct-HSM", undefined]);
  await assert.rejects(keys.createOctKey("soft", { keySize: 256 }), { statusCode: 400, code: "BadParameter" });
});

test("an RSA key is imported whole", async () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = privateKey.export({ format: "jwk" });
  const numbers = Object.entries(jwk).filter(([name]) => name !== "kty");
  const octets = Object.fromEntries(numbers.map(([name, text]) => [name, Buffer.from(text, "base64url")]));
  const key = await keys.importKey("imported-rsa", { kty: "RSA", ...octets }, { hardwareProtected: true });
  assert.deepEqual([key.keyType, Buffer.from(key.key.n)], ["RSA-HSM", octets.n]);
  const { result: signature } = await remotely(key).sign("RS256", digest("sha256"));
  assert.ok(verify("sha256", MESSAGE, createPublicKey(privateKey), signature));
});

test("a release policy is kept until it is immutable", async () => {
  const policy = (claim, immutable) => ({
    encodedPolicy: Buffer.from(JSON.stringify({
      anyOf: [{ anyOf: [{ claim, equals: "true" }], authority: "https://a.example" }], version: "1.0.0",
    })),
    immutable,
  });
  const key = await keys.createEcKey("released", { hsm: true, exportable: true, releasePolicy: policy("a", false) });
  assert.equal(key.properties.exportable, true);
  const kept = JSON.parse(Buffer.from(key.properties.releasePolicy.encodedPolicy).toString());
  assert.deepEqual(Object.keys(kept), ["version", "anyOf"]);
  await keys.updateKeyProperties("released", { releasePolicy: policy("b", true) });
  const again = keys.updateKeyProperties("released", { releasePolicy: policy("c", true) });
  await assert.rejects(again, { statusCode: 400, message: /AKV.SKR.1020/ });
});
