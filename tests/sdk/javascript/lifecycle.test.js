// The life of keys and secrets after their deletion: deleted, recovered, purged, backed up and brought back.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { CryptographyClient, KeyClient } from "@azure/keyvault-keys";
import { SecretClient } from "@azure/keyvault-secrets";

import {
  as, collected, credential, guardedVaultUrl, lifecycleVaultUrl, operator, plainVaultUrl, refusal, slowVaultUrl,
} from "./tenant.js";
import { exchanges } from "./wire.js";

const DAY_MS = 86_400_000;
const INTERVAL = { intervalInMs: 100 };
const DIGEST = Buffer.alloc(32, 7);
const DELETED_BUT_RECOVERABLE = refusal(409, "Conflict", "ObjectIsDeletedButRecoverable");
const BEING_DELETED = refusal(409, "Conflict", "ObjectIsBeingDeleted");
const BEING_RECOVERED = refusal(409, "Conflict", "ObjectIsBeingRecovered");
const MALFORMED = { statusCode: 400, code: "Malformed backup blob" };

/** The secrets of a vault. */
function secretsOf(url) {
  const client = new SecretClient(url, credential);
  const get = (name) => client.getSecret(name);
  return {
    collection: "secrets",
    notFound: { statusCode: 404, code: "SecretNotFound" },
    create: (name) => client.setSecret(name, `value of ${name}`),
    get,
    list: () => client.listPropertiesOfSecrets(),
    versions: (name) => client.listPropertiesOfSecretVersions(name),
    beginDelete: (name) => client.beginDeleteSecret(name, INTERVAL),
    getDeleted: (name) => client.getDeletedSecret(name),
    listDeleted: () => client.listDeletedSecrets(),
    beginRecover: (name) => client.beginRecoverDeletedSecret(name, INTERVAL),
    purge: (name) => client.purgeDeletedSecret(name),
    backup: (name) => client.backupSecret(name),
    restore: async (blob) => (await client.restoreSecretBackup(blob)).version,
    /** A question for later: does it work as it did? */
    proof: async ({ name, value }) => async () => (await get(name)).value === value,
  };
}

/** The keys of a vault. */
function keysOf(url) {
  const client = new KeyClient(url, credential);
  return {
    collection: "keys",
    notFound: { statusCode: 404, code: "KeyNotFound" },
    create: (name) => client.createEcKey(name),
    get: (name) => client.getKey(name),
    list: () => client.listPropertiesOfKeys(),
    versions: (name) => client.listPropertiesOfKeyVersions(name),
    beginDelete: (name) => client.beginDeleteKey(name, INTERVAL),
    getDeleted: (name) => client.getDeletedKey(name),
    listDeleted: () => client.listDeletedKeys(),
    beginRecover: (name) => client.beginRecoverDeletedKey(name, INTERVAL),
    purge: (name) => client.purgeDeletedKey(name),
    backup: (name) => client.backupKey(name),
    restore: async (blob) => (await client.restoreKeyBackup(blob)).properties.version,
    /** A question for later: does it sign, and is what it signs now still its signature? The server must answer. */
    proof: async ({ id }) => {
      const server = new CryptographyClient(id, as(operator));
      const { result: signature } = await server.sign("ES256", DIGEST);
      return async () => {
        const { result: another } = await server.sign("ES256", DIGEST);
        const verified = [signature, another].map((one) => server.verify("ES256", DIGEST, one));
        return (await Promise.all(verified)).every(({ result }) => result);
      };
    },
  };
}

const KINDS = { secrets: secretsOf, keys: keysOf };

/** What was sent since the exchange number `mark`, and answered how. */
const sentSince = (mark) => exchanges.slice(mark).map(({ method, path, status }) => `${method} ${path} ${status}`);
const namesOf = async (list) => (await collected(list)).map((item) => item.name);
const versionsOf = async (objects, name) =>
  (await collected(objects.versions(name))).map(({ version, createdOn }) => [version, createdOn]);

async function remove(objects, name) {
  const made = await objects.create(name);
  await (await objects.beginDelete(name)).pollUntilDone();
  return made;
}

// A vault that takes its time. Everything is begun side by side, and the tests of the other vaults run meanwhile, so that
// the suite waits once for deletions and once for recoveries.
const begun = Object.values(KINDS).flatMap((of) => {
  const objects = of(slowVaultUrl);
  return ["to-recover", "to-purge"].map((name) => ({ objects, name }));
});
const [recovered, purged] = ["to-recover", "to-purge"].map((wanted) => begun.filter(({ name }) => name === wanted));

before(async () => {
  for (const one of begun) {
    one.made = await one.objects.create(one.name);
    one.works = await one.objects.proof(one.made);
  }
  for (const one of begun) {
    one.mark = exchanges.length;
    one.deletion = await one.objects.beginDelete(one.name);
  }
});

/** How the looks at an object were answered since something was begun with it. */
function looksAt({ objects: { collection }, name, mark }) {
  const looks = [`/${collection}/${name}/`, `/deleted${collection}/${name}`];
  const since = exchanges.slice(mark).filter(({ method, path }) => method === "GET" && looks.includes(path));
  return since.map(({ status }) => status);
}

test("what is being deleted is nowhere, and its name is taken", async () => {
  for (const { objects, name, deletion } of begun) {
    assert.equal(deletion.isDone(), false);
    await assert.rejects(objects.get(name), objects.notFound);
    await assert.rejects(objects.getDeleted(name), objects.notFound);
    for (const call of [objects.create, objects.beginRecover, objects.purge]) {
      await assert.rejects(call(name), BEING_DELETED);
    }
  }
});

for (const [kind, of] of Object.entries(KINDS)) {
  describe(`the ${kind} of a vault that is done at once`, () => {
    const objects = of(lifecycleVaultUrl);

    test("a deletion is seen at the first look", async () => {
      await objects.create("seen");
      const mark = exchanges.length;
      const poller = await objects.beginDelete("seen");
      assert.equal(poller.isDone(), true);
      assert.equal((await poller.pollUntilDone()).name, "seen");
      assert.deepEqual(sentSince(mark), [`DELETE /${kind}/seen 200`, `GET /deleted${kind}/seen 200`]);
    });

    test("a recovery is seen at the first look", async () => {
      const made = await remove(objects, "seen-again");
      const mark = exchanges.length;
      const poller = await objects.beginRecover("seen-again");
      assert.equal(poller.isDone(), true);
      const found = await poller.pollUntilDone();
      assert.equal((found.properties ?? found).version, made.properties.version);
      // The SDK looks first whether there is anything to recover.
      const looks = sentSince(mark).map((line) => line.replace(/ .* /, " "));
      assert.deepEqual(looks, ["GET 404", "POST 200", "GET 200"]);
    });

    test("a deleted object tells when it was deleted and when it goes", async () => {
      const started = Math.floor(Date.now() / 1000) * 1000;
      const made = await objects.create("dated");
      const answered = (await objects.beginDelete("dated")).getResult();
      const listed = (await collected(objects.listDeleted())).find(({ name }) => name === "dated");
      for (const deleted of [answered, await objects.getDeleted("dated"), listed]) {
        const about = { ...deleted, ...deleted.properties };
        assert.equal(about.recoveryId, `${lifecycleVaultUrl}/deleted${kind}/dated`);
        assert.ok(started <= +about.deletedOn && +about.deletedOn <= Date.now());
        assert.equal(about.scheduledPurgeDate - about.deletedOn, 7 * DAY_MS);
        assert.deepEqual([about.recoveryLevel, about.recoverableDays], ["CustomizedRecoverable+Purgeable", 7]);
        assert.deepEqual([about.createdOn, deleted.value], [made.properties.createdOn, undefined]);
      }
    });

    test("a deleted object is out of sight", async () => {
      const works = await objects.proof(await objects.create("gone"));
      await (await objects.beginDelete("gone")).pollUntilDone();
      await assert.rejects(objects.get("gone"), objects.notFound);
      await assert.rejects(objects.beginDelete("gone"), objects.notFound);
      await assert.rejects(works(), objects.notFound);
      assert.ok(!(await namesOf(objects.list())).includes("gone"));
      assert.deepEqual(await collected(objects.versions("gone")), []);
      assert.equal((await namesOf(objects.listDeleted())).filter((name) => name === "gone").length, 1);
    });

    test("a recovered object works as before, with every version", async () => {
      const proofs = [];
      for (let n = 0; n < 3; n += 1) proofs.push(await objects.proof(await objects.create("back")));
      const before = await versionsOf(objects, "back");
      assert.equal(before.length, 3);
      await (await objects.beginDelete("back")).pollUntilDone();
      await (await objects.beginRecover("back")).pollUntilDone();
      assert.deepEqual(await versionsOf(objects, "back"), before);
      for (const works of proofs) assert.equal(await works(), true);
      await assert.rejects(objects.getDeleted("back"), objects.notFound);
    });

    test("a deleted name is taken until it is purged", async () => {
      const former = await remove(objects, "purged");
      await assert.rejects(objects.create("purged"), DELETED_BUT_RECOVERABLE);
      await objects.purge("purged");
      await assert.rejects(objects.getDeleted("purged"), objects.notFound);
      await assert.rejects(objects.beginRecover("purged"), objects.notFound);
      await assert.rejects(objects.purge("purged"), objects.notFound);
      const made = await objects.create("purged");
      assert.notEqual(made.properties.version, former.properties.version);
      assert.equal((await collected(objects.versions("purged"))).length, 1);
    });

    test("there is nothing to recover of what is not deleted", async () => {
      const made = await objects.create("alive");
      const mark = exchanges.length;
      const found = await (await objects.beginRecover("alive")).pollUntilDone();
      assert.equal((found.properties ?? found).version, made.properties.version);
      assert.deepEqual(sentSince(mark).map((line) => line.replace(/ .* /, " ")), ["GET 200"]);
      await assert.rejects(objects.purge("alive"), objects.notFound);
    });

    test("a backup is restored in place of what was purged", async () => {
      const [, latest] = [await objects.create("insured"), await objects.create("insured")];
      const [works, before] = [await objects.proof(latest), await versionsOf(objects, "insured")];
      assert.equal(before.length, 2);
      const blob = await objects.backup("insured");
      await (await objects.beginDelete("insured")).pollUntilDone();
      await assert.rejects(objects.restore(blob), DELETED_BUT_RECOVERABLE);
      await objects.purge("insured");
      assert.equal(await objects.restore(blob), latest.properties.version);
      assert.equal(await works(), true);
      assert.deepEqual(await versionsOf(objects, "insured"), before);
    });

    test("a backup is restored into another vault", async () => {
      const elsewhere = of(guardedVaultUrl);
      const made = await objects.create("moved");
      assert.equal(await elsewhere.restore(await objects.backup("moved")), made.properties.version);
      const found = await elsewhere.get("moved");
      assert.deepEqual([found.value, found.key?.x], [made.value, made.key?.x]);
    });

    test("a taken name is a conflict", async () => {
      await objects.create("taken");
      const blob = await objects.backup("taken");
      await assert.rejects(objects.restore(blob), refusal(409, "Conflict", undefined));
    });

    test("a damaged backup is refused, and one of the other kind", async () => {
      await remove(objects, "not-there");
      await assert.rejects(objects.backup("not-there"), objects.notFound);
      await objects.create("damaged");
      const blob = await objects.backup("damaged");
      for (const at of [0, blob.length >> 1, blob.length - 1]) {
        const damaged = Uint8Array.from(blob);
        damaged[at] ^= 1;
        await assert.rejects(objects.restore(damaged), MALFORMED);
      }
      await assert.rejects(objects.restore(blob.slice(0, -1)), MALFORMED);
      const other = KINDS[kind === "keys" ? "secrets" : "keys"](lifecycleVaultUrl);
      await assert.rejects(other.restore(blob), MALFORMED);
    });
  });

  test(`purge protection leaves recovery alone: ${kind}`, async () => {
    const objects = of(guardedVaultUrl);
    const works = await objects.proof(await objects.create("protected"));
    const deleted = await (await objects.beginDelete("protected")).pollUntilDone();
    const { recoveryLevel, recoverableDays, scheduledPurgeDate, deletedOn } = deleted.properties;
    assert.deepEqual([recoveryLevel, recoverableDays], ["Recoverable", 90]);
    assert.equal(scheduledPurgeDate - deletedOn, 90 * DAY_MS);
    const refused = { statusCode: 403, code: "Forbidden", message: /purge protection is enabled/ };
    await assert.rejects(objects.purge("protected"), refused);
    await (await objects.beginRecover("protected")).pollUntilDone();
    assert.equal(await works(), true);
  });

  test(`without soft delete there is nothing to wait for: ${kind}`, async () => {
    const objects = of(plainVaultUrl);
    const made = await objects.create("plain");
    const mark = exchanges.length;
    const poller = await objects.beginDelete("plain");
    assert.equal(poller.isDone(), true);
    const { recoveryId, recoveryLevel, deletedOn, scheduledPurgeDate } = (await poller.pollUntilDone()).properties;
    assert.deepEqual(sentSince(mark), [`DELETE /${kind}/plain 200`]);
    assert.deepEqual([recoveryId, deletedOn, scheduledPurgeDate], [undefined, undefined, undefined]);
    assert.equal(recoveryLevel, "Purgeable");
    await assert.rejects(objects.getDeleted("plain"), { statusCode: 400, code: "NotSupported" });
    assert.notEqual((await objects.create("plain")).properties.version, made.properties.version);
    assert.equal((await collected(objects.versions("plain"))).length, 1);
  });
}

test("the poller waits until the deletion is done", async () => {
  await Promise.all(begun.map(({ deletion }) => deletion.pollUntilDone()));
  for (const one of begun) {
    const { objects, name, deletion } = one;
    const looks = looksAt(one);
    assert.deepEqual([deletion.isDone(), looks.at(0), looks.indexOf(200)], [true, 404, looks.length - 1]);
    const found = await objects.getDeleted(name);
    assert.deepEqual(found.properties.deletedOn, deletion.getResult().properties.deletedOn);
  }
});

test("what is being purged or recovered is not to be had, and its name is taken", async () => {
  for (const { objects, name } of purged) await objects.purge(name);
  for (const one of recovered) {
    one.mark = exchanges.length;
    one.recovery = await one.objects.beginRecover(one.name);
  }
  for (const { objects, name } of purged) {
    await assert.rejects(objects.create(name), BEING_DELETED);
    await assert.rejects(objects.purge(name), BEING_DELETED);
  }
  for (const { objects, name, recovery } of recovered) {
    assert.equal(recovery.isDone(), false);
    await assert.rejects(objects.get(name), objects.notFound);
    await assert.rejects(objects.getDeleted(name), objects.notFound);
    for (const call of [objects.create, objects.beginDelete, objects.purge]) {
      await assert.rejects(call(name), BEING_RECOVERED);
    }
  }
});

test("the poller waits until the recovery is done", async () => {
  await Promise.all(recovered.map(({ recovery }) => recovery.pollUntilDone()));
  for (const one of recovered) {
    const looks = looksAt(one);
    assert.deepEqual([one.recovery.isDone(), looks.at(0), looks.indexOf(200)], [true, 404, looks.length - 1]);
    assert.equal(await one.works(), true);
  }
});

test("in the end the purged name is free", async () => {
  for (const { objects, name, made } of purged) {
    await assert.rejects(objects.getDeleted(name), objects.notFound);
    assert.notEqual((await objects.create(name)).properties.version, made.properties.version);
  }
});
