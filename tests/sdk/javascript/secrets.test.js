// Secrets: set, read, changed and listed.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { SecretClient } from "@azure/keyvault-secrets";

import { collected, credential, pagingVaultUrl, refusal, secrets, vaultUrl } from "./tenant.js";

const PAGE = 25;
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

test("an update changes what it names and nothing else", async () => {
  const { properties } = await secrets.setSecret("updated", "kept", { contentType: "text/old", tags: { old: "1" } });
  const [notBefore, expiresOn] = [days(-1), days(1)];
  await secrets.updateSecretProperties("updated", properties.version, { notBefore, expiresOn });
  await secrets.updateSecretProperties("updated", properties.version, { tags: { new: "2" } });
  const changed = await secrets.updateSecretProperties("updated", properties.version, { contentType: "text/new" });
  const read = await secrets.getSecret("updated");
  assert.equal(read.value, "kept");
  for (const one of [changed, read.properties]) {
    assert.deepEqual([one.id, one.contentType, one.enabled], [properties.id, "text/new", true]);
    assert.deepEqual([one.notBefore, one.expiresOn, one.createdOn], [notBefore, expiresOn, properties.createdOn]);
    assert.deepEqual({ ...one.tags }, { new: "2" });
  }
});

test("an update by version leaves the others alone", async () => {
  const { properties: old } = await secrets.setSecret("updated-version", "old");
  await secrets.setSecret("updated-version", "new");
  await secrets.updateSecretProperties("updated-version", old.version, { enabled: false });
  const hidden = secrets.getSecret("updated-version", { version: old.version });
  await assert.rejects(hidden, refusal(403, "Forbidden", "SecretDisabled"));
  assert.equal((await secrets.getSecret("updated-version")).value, "new");
  await secrets.updateSecretProperties("updated-version", old.version, { enabled: true });
  assert.equal((await secrets.getSecret("updated-version", { version: old.version })).value, "old");
});

test("an update of an unknown secret is not found", async () => {
  const unknown = secrets.updateSecretProperties("never-set", "0".repeat(32), { enabled: false });
  await assert.rejects(unknown, { statusCode: 404, code: "SecretNotFound" });
});

describe("lists take more than one page", () => {
  const client = new SecretClient(pagingVaultUrl, credential);
  // In the order of a list, which is not that of their bytes.
  const names = (prefix, count) => Array.from({ length: count }, (_, number) =>
    `${"aBcD"[Math.floor((number * 4) / count)]}-${prefix}-${String(number).padStart(2, "0")}`);
  const [NAMES, DELETED, VERSIONS] = [names("secret", 60), names("deleted", 30), 30];
  const LISTS = {
    secrets: [() => client.listPropertiesOfSecrets(), NAMES],
    "deleted secrets": [() => client.listDeletedSecrets(), DELETED],
  };
  const lengths = (count, size) =>
    Array.from({ length: Math.ceil(count / size) }, (_, page) => Math.min(size, count - page * size));
  let versions;

  before(async () => {
    const set = (name) => client.setSecret(name, "listed", { tags: { n: name } });
    versions = [await set(NAMES[0])]; // alone: see keys.test.js
    await Promise.all([...NAMES.slice(1), ...DELETED].map(set));
    versions.push(...await Promise.all(Array.from({ length: VERSIONS - 1 }, () => set(NAMES[0]))));
    await Promise.all(DELETED.map((name) => client.beginDeleteSecret(name)));
  });

  for (const [name, [listed, expected]] of Object.entries(LISTS)) {
    test(`${name}: everything once, in order and without values`, async () => {
      const all = await collected(listed());
      assert.deepEqual(all.map((item) => item.name), expected);
      assert.notDeepEqual(expected, expected.toSorted());
      assert.ok(all.every((item) => item.value === undefined && item.version === undefined));
      assert.deepEqual(all.map((item) => (item.properties ?? item).tags.n), expected);
    });

    for (const size of [PAGE, 7]) {
      test(`${name}: pages of ${size}`, async () => {
        const pages = await collected(listed().byPage(size === PAGE ? {} : { maxPageSize: size }));
        assert.deepEqual(pages.map((page) => page.length), lengths(expected.length, size));
        assert.deepEqual(pages.flat().map((item) => item.name), expected);
      });
    }
  }

  test("versions", async () => {
    for (const size of [PAGE, 7]) {
      const listed = client.listPropertiesOfSecretVersions(NAMES[0]);
      const pages = await collected(listed.byPage(size === PAGE ? {} : { maxPageSize: size }));
      assert.deepEqual(pages.map((page) => page.length), lengths(VERSIONS, size));
      const found = pages.flat().map((version) => version.id);
      assert.deepEqual(found.toSorted(), versions.map((version) => version.properties.id).toSorted());
    }
  });

  test("more than 25 are not given", async () => {
    const page = client.listPropertiesOfSecrets().byPage({ maxPageSize: PAGE + 1 }).next();
    await assert.rejects(page, { statusCode: 400, code: "BadParameter" });
  });
});
