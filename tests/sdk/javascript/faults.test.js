// Clients while things go wrong: what they try again, how long they wait, and what they tell their callers.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { secrets } from "./tenant.js";
import { exchanges } from "./wire.js";

afterEach(() => admin("DELETE"));

/** Asks the admin API about faults. */
async function admin(method, body) {
  const headers = { authorization: `Bearer ${process.env.KEYHAVEN_ADMIN_KEY}` };
  const answer = await fetch(`${process.env.KEYHAVEN_ADMIN_URL}/admin/faults`, { method, body, headers });
  assert.ok(answer.ok, `${answer.status} ${answer.statusText}`);
  return answer.status === 204 ? undefined : answer.json();
}

const faults = (...rules) => admin("PUT", JSON.stringify({ seed: 1, rules }));
const hits = async () => (await admin("GET")).rules.map((rule) => rule.hits);

test("a throttled client waits as it is told and tries again", async () => {
  await secrets.setSecret("throttled", "v");
  await faults({ operation: "SecretGet", times: 2, then: { status: 429, retryAfter: 1 } });
  const [began, mark] = [Date.now(), exchanges.length];
  assert.equal((await secrets.getSecret("throttled")).value, "v");
  assert.ok(Date.now() - began >= 1900);
  assert.deepEqual(exchanges.slice(mark).map(({ status }) => status), [429, 429, 200]);
  assert.deepEqual(await hits(), [2]);
});

for (const status of [500, 503]) {
  test(`a ${status} is tried again too`, async () => {
    await faults({ vault: "factory-vault", operation: "SecretSet", times: 1, then: { status } });
    const mark = exchanges.length;
    await secrets.setSecret("failing", "v");
    assert.deepEqual(exchanges.slice(mark).map((one) => one.status), [status, 200]);
  });
}

test("a failure that stays is told", async () => {
  await faults({ operation: "SecretGet", then: { status: 503, retryAfter: 0 } });
  await assert.rejects(secrets.getSecret("any"), { statusCode: 503, code: "ServiceUnavailable" });
  assert.deepEqual(await hits(), [4], "once, and three times again");
});

test("a cut after the work leaves a version more", async () => {
  await secrets.setSecret("cut", "one");
  await faults({ operation: "SecretSet", times: 1, then: { cut: "after" } });
  const after = await secrets.setSecret("cut", "two");
  const versions = [];
  for await (const { version } of secrets.listPropertiesOfSecretVersions("cut")) versions.push(version);
  assert.equal(versions.length, 3);
  assert.equal((await secrets.getSecret("cut")).properties.version, after.properties.version);
});

test("an expired token is answered by signing in again", async () => {
  await secrets.setSecret("expired", "v");
  await faults({ operation: "SecretGet", times: 1, then: { token: "expired" } });
  const mark = exchanges.length;
  const read = () => secrets.getSecret("expired");
  assert.equal((await read().catch(read)).value, "v");
  assert.equal(exchanges[mark].status, 401);
  assert.deepEqual(await hits(), [1]);
});
