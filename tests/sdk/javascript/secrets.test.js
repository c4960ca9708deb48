// Secrets: set and read.

import assert from "node:assert/strict";
import { test } from "node:test";

import { refusal, secrets, vaultUrl } from "./tenant.js";

const DAY_MS = 86_400_000;
const days = (number) => new Date(Math.floor(Date.now() / 1000) * 1000 + number * DAY_MS);

test("a secret is read as it was set", async () => {
  const value = 'Server=sql;Password=p@ss "quoted" \\ ☃';
  const given = {
    contentType: "application/x-connection-string",
    tags: { owner: "factory", "Ünïcode": "naïve ☃" },
    notBefore: days(-1),
    expiresOn: days(365),
    enabled: true,
  };
  const written = await secrets.setSecret("full", value, given);
  const read = await secrets.getSecret("full");
  for (const secret of [written, read]) {
    const { contentType, tags, notBefore, expiresOn, enabled, id, version } = secret.properties;
    assert.equal(secret.value, value);
    assert.equal(id, `${vaultUrl}/secrets/full/${version}`);
    assert.deepEqual({ contentType, tags: { ...tags }, notBefore, expiresOn, enabled }, given);
  }
  assert.equal(read.properties.version, written.properties.version);
});

test("a secret is read by version and without", async () => {
  const first = await secrets.setSecret("versions", "first", { contentType: "text/plain" });
  await secrets.setSecret("versions", "second");
  const [latest, old] = [
    await secrets.getSecret("versions"),
    await secrets.getSecret("versions", { version: first.properties.version }),
  ];
  assert.deepEqual([latest.value, latest.properties.contentType], ["second", undefined]);
  assert.deepEqual([old.value, old.properties.contentType], ["first", "text/plain"]);
});

test("a disabled secret is forbidden", async () => {
  await secrets.setSecret("disabled", "hidden", { enabled: false });
  await assert.rejects(secrets.getSecret("disabled"), refusal(403, "Forbidden", "SecretDisabled"));
});

test("an unknown secret is not found", async () => {
  await assert.rejects(secrets.getSecret("never-set"), { statusCode: 404, code: "SecretNotFound" });
});
