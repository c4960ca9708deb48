// A key vault of its own for each test. See README.md. It has no dependency, and speaks to the admin API alone: everything
// else is the code under test, unchanged.
"use strict";

const { randomUUID } = require("node:crypto");

const { admin, found, unless } = require("./admin.cjs");
const { DEFAULT_VAULT, SUFFIX, make, urlOf } = require("./vaults.cjs");

// Only a server with a takeover is where production has its vaults.
if (!(process.env.KEYHAVEN_VAULT_URL ?? "").endsWith(SUFFIX)) found("");

/** The vault that the others are copies of. */
const defaultVaultUrl = () => urlOf(DEFAULT_VAULT);

/** A vault for one test, with `secrets` besides what the default one holds; with a `name`, the vault of that name, made anew. */
async function createVault({ secrets = {}, name = process.env.KEYHAVEN_TEST_VAULT } = {}) {
  const vault = await make(name, secrets);
  const faults = [];
  const addFault = async (rule) => {
    faults.push(await createFault({ vault: vault.name, ...rule }));
    return faults.at(-1);
  };
  const end = async () => {
    for (const fault of faults) await unless(404, fault.remove());
    await vault.end();
  };
  return { name: vault.name, url: urlOf(vault.name), addFault, delete: end };
}

/** A rule with a name of its own, so that those of other tests are left alone. */
async function createFault(rule) {
  const path = `/admin/faults/t-${randomUUID()}`;
  await admin("PUT", path, { rules: [rule] });
  return {
    hits: async () => (await admin("GET", path)).rules[0].hits,
    remove: () => admin("DELETE", path),
  };
}

/** Runs `use` with the URL of a vault of its own, which is gone afterwards: withVault(use) or withVault(options, use). */
async function withVault(...given) {
  const use = given.pop();
  const vault = await createVault(...given);
  try {
    return await use(vault.url, vault);
  } finally {
    await vault.delete();
  }
}

/** The client id of an identity. */
async function clientIdOf(name) {
  const { identities } = await admin("GET", "/admin/identities");
  const identity = identities.find((known) => known.name === name);
  if (!identity) throw new Error(`no identity is called '${name}'; there are ${identities.map((known) => known.name).join(", ")}`);
  return identity.clientId;
}

const move = async (how) => new Date((await admin("POST", "/admin/clock", how)).now);

/** The clock that vaults live by. */
const clock = {
  now: async () => new Date((await admin("GET", "/admin/clock")).now),
  advance: (period) => move({ advance: period }),
  set: (moment) => move({ set: moment instanceof Date ? moment.toISOString() : moment }),
  freeze: () => move({ freeze: true }),
  run: () => move({ run: true }),
};

module.exports = { admin, clientIdOf, clock, createVault, defaultVaultUrl, withVault };
