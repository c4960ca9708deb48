// Rotation, by hand and by policy.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { CryptographyClient, KeyClient } from "@azure/keyvault-keys";

import { as, collected, keys, operator, refusal } from "./tenant.js";

const DAY_MS = 86_400_000;
const INVALID = refusal(400, "BadParameter", undefined);
const USUAL = { action: "Notify", timeAfterCreate: undefined, timeBeforeExpiry: "P30D" };

/** What a policy says, without its dates. */
const said = ({ lifetimeActions, expiresIn }) => ({ lifetimeActions, expiresIn });

describe("rotating by hand", () => {
  for (const [kind, create] of [
    ["RSA-HSM", (name) => keys.createRsaKey(name, { hsm: true, keySize: 3072, tags: { purpose: "cmk" } })],
    ["EC", (name) => keys.createEcKey(name, { curve: "P-384", tags: { purpose: "cmk" } })],
  ]) {
    test(`makes another version of ${kind}`, async () => {
      const name = `rotated-${kind}`;
      const key = await create(name);
      const rotated = await keys.rotateKey(name);
      assert.notEqual(rotated.properties.version, key.properties.version);
      assert.notDeepEqual([rotated.key.n, rotated.key.x], [key.key.n, key.key.x]);
      assert.deepEqual([rotated.keyType, rotated.keyOperations], [key.keyType, key.keyOperations]);
      assert.equal(rotated.key.n?.length, key.key.n?.length);
      assert.equal(rotated.key.crv, key.key.crv);
      assert.deepEqual(rotated.properties.tags, { purpose: "cmk" });
      assert.equal((await keys.getKey(name)).id, rotated.id);
      assert.equal((await collected(keys.listPropertiesOfKeyVersions(name))).length, 2);
    });
  }

  test("leaves what was wrapped before to the version that wrapped it", async () => {
    const key = await keys.createRsaKey("rotated-wrapping");
    const before = new CryptographyClient(key.id, as(operator));
    const { result: wrapped } = await before.wrapKey("RSA-OAEP-256", Buffer.from("a data key"));
    const rotated = await keys.rotateKey("rotated-wrapping");
    const after = new CryptographyClient(rotated.id, as(operator));
    assert.equal(Buffer.from((await before.unwrapKey("RSA-OAEP-256", wrapped)).result).toString(), "a data key");
    await assert.rejects(after.unwrapKey("RSA-OAEP-256", wrapped), { statusCode: 400 });
  });

  test("needs a key", async () => {
    await assert.rejects(keys.rotateKey("never-made"), refusal(404, "KeyNotFound", undefined));
  });
});

describe("a rotation policy", () => {
  test("is the service's until one is set", async () => {
    await keys.createEcKey("policy-usual");
    const policy = await keys.getKeyRotationPolicy("policy-usual");
    assert.deepEqual(said(policy), { lifetimeActions: [USUAL], expiresIn: undefined });
    assert.deepEqual([policy.id, policy.createdOn, policy.updatedOn], [undefined, undefined, undefined]);
  });

  test("is set and fetched, for a key without an end too", async () => {
    // As the SDK's own test does it.
    await keys.createKey("policy-set", "RSA");
    const lifetimeActions = [{ action: "Rotate", timeBeforeExpiry: "P30D" }];
    const set = await keys.updateKeyRotationPolicy("policy-set", { expiresIn: "P90D", lifetimeActions });
    assert.deepEqual(await keys.getKeyRotationPolicy("policy-set"), set);
    assert.deepEqual(said(set), {
      lifetimeActions: [{ action: "Rotate", timeAfterCreate: undefined, timeBeforeExpiry: "P30D" }, USUAL],
      expiresIn: "P90D",
    });
    assert.match(set.id, /\/keys\/policy-set\/rotationpolicy$/);

    const notice = [{ action: "Notify", timeBeforeExpiry: "P60D" }];
    const updated = await keys.updateKeyRotationPolicy("policy-set", { expiresIn: "P1Y", lifetimeActions: notice });
    assert.deepEqual(said(updated).lifetimeActions, [{ ...USUAL, timeBeforeExpiry: "P60D" }]);
    assert.equal(updated.createdOn.getTime(), set.createdOn.getTime());
  });

  test("gives what is rotated its end", async () => {
    await keys.createEcKey("policy-end");
    const lifetimeActions = [{ action: "Rotate", timeAfterCreate: "P60D" }];
    await keys.updateKeyRotationPolicy("policy-end", { expiresIn: "P90D", lifetimeActions });
    const { properties } = await keys.rotateKey("policy-end");
    assert.equal(properties.expiresOn - properties.createdOn, 90 * DAY_MS);
  });

  for (const [rule, policy] of [
    ["an end before 28 days", { expiresIn: "P27D", lifetimeActions: [] }],
    ["a rotation before 7 days", { lifetimeActions: [{ action: "Rotate", timeAfterCreate: "P6D" }] }],
    ["a rotation before an end that is not there", { lifetimeActions: [{ action: "Rotate", timeBeforeExpiry: "P30D" }] }],
    ["no length of time", { lifetimeActions: [{ action: "Rotate", timeAfterCreate: "often" }] }],
  ]) {
    test(`is refused with ${rule}`, async () => {
      await keys.createEcKey("policy-refused");
      await assert.rejects(keys.updateKeyRotationPolicy("policy-refused", policy), INVALID);
    });
  }

  test("needs permissions of its own", async () => {
    const stranger = new KeyClient(keys.vaultUrl, as(operator));
    for (const call of [
      () => stranger.getKeyRotationPolicy("policy-usual"),
      () => stranger.updateKeyRotationPolicy("policy-usual", { lifetimeActions: [] }),
      () => stranger.rotateKey("policy-usual"),
    ]) {
      await assert.rejects(call(), refusal(403, "Forbidden", "ForbiddenByPolicy"));
    }
  });
});
