// Vaults of tests: new ones, and those of a name that the code under test has. The environment names the newest.
"use strict";

const { createHash, randomUUID } = require("node:crypto");

const { admin, found, unless } = require("./admin.cjs");
const { endedBySignals } = require("./interruption.cjs");

const SUFFIX = ".vault.azure.net";
const URL_VARIABLES = ["KEYHAVEN_VAULT_URL", "AZURE_KEYVAULT_URL", "VAULT_URL"];

const urlOf = (vault) => `https://${vault}${SUFFIX}`;
const pathOf = (vault) => `/admin/vaults/${vault}`;

/** The variables that name a vault. */
const variablesOf = (vault) => ({ ...Object.fromEntries(URL_VARIABLES.map((name) => [name, urlOf(vault)])), KEY_VAULT_NAME: vault });

/**
 * The vault that the others are copies of, read once: a test's own vault takes its place in the environment. The other variables may
 * be the user's own.
 */
const DEFAULT_VAULT = found("KEYHAVEN_VAULT_URL").replace("https://", "").split(".")[0].toLowerCase();
const BEFORE = Object.fromEntries([...URL_VARIABLES, "KEY_VAULT_NAME"].map((name) => [name, process.env[name]]));

// The vaults that tests have now, the newest last.
const current = [];

/** The environment names the newest vault; without one, what it named before. */
function showNewest() {
  const variables = current.length > 0 ? variablesOf(current.at(-1)) : BEFORE;
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

/** Makes a vault with these secrets; answers its name and what takes it away again. */
async function make(name, secrets) {
  const seeds = Object.entries(secrets).map(([secret, value]) => ({ name: secret, value }));
  const made = name ? await makeNamed(name.toLowerCase(), seeds) : await makeNew(seeds);
  current.push(made.name);
  showNewest();
  const end = async () => {
    if (current.includes(made.name)) current.splice(current.lastIndexOf(made.name), 1);
    showNewest();
    await made.end();
  };
  return { name: made.name, end };
}

async function makeNew(seeds) {
  await given();
  const name = `t-${randomUUID().replaceAll("-", "").slice(0, 20)}`;
  await admin("PUT", pathOf(name), { copyOf: DEFAULT_VAULT, secrets: seeds });
  return { name, end: () => remove(name) };
}

/** The vault of a name: as it was when there was one before the first test, and it is put back; else a copy of the default one. */
async function makeNamed(name, seeds) {
  const isGiven = (await given()).has(name);
  const kept = `t-${createHash("sha256").update(name).digest("hex").slice(0, 20)}`;
  const asItWas = await keep(isGiven ? name : DEFAULT_VAULT, name, kept);
  const end = endedBySignals(async () => {
    await (isGiven ? replace(name, asItWas) : remove(name));
    await remove(kept);
  });
  try {
    await replace(name, { ...asItWas, secrets: seeds });
  } catch (error) {
    await end();
    throw error;
  }
  return { name, end };
}

/** Copies `source`; answers what the vault called `name` is made from. Only one at a time can hold the copy. */
async function keep(source, name, kept) {
  try {
    await admin("PUT", pathOf(kept), { copyOf: source });
  } catch (error) {
    throw error.status === 409 ? new Error(inUse(name, kept)) : error;
  }
  const aliases = source === name ? (await admin("GET", pathOf(source))).aliases : [];
  return { copyOf: kept, aliases };
}

async function replace(name, entry) {
  await remove(name);
  await admin("PUT", pathOf(name), entry);
}

/** Deletes a vault, unless the test has done so. */
const remove = (name) => unless(404, admin("DELETE", pathOf(name)));

let givenVaults;

/** The names of the vaults that were there before the first test of this process. */
function given() {
  givenVaults ??= listed();
  return givenVaults;
}

async function listed() {
  const names = new Set((await admin("GET", "/admin/vaults")).vaults.map((vault) => vault.name));
  // It would be made on demand, and can only be copied when it is there. Another file's tests may do so at the same time.
  if (!names.has(DEFAULT_VAULT)) await unless(409, admin("PUT", pathOf(DEFAULT_VAULT), {}));
  return names.add(DEFAULT_VAULT);
}

const inUse = (name, kept) =>
  `the vault '${name}' is another test's now: on one server a name is one vault, so tests that name it run one after another, their files too ` +
  `(node --test --test-concurrency=1, jest --runInBand); when no test runs, one was killed: ${kept} holds the vault as it was before that test; ` +
  `put it back: keyhaven vault delete ${name} && keyhaven vault copy ${kept} ${name} && keyhaven vault delete ${kept}`;

module.exports = { DEFAULT_VAULT, SUFFIX, make, urlOf, variablesOf };
