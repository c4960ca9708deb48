// A key vault of its own for each test. See README.md. It has no dependency, and speaks to the admin API alone: everything
// else is the code under test, unchanged.
"use strict";

const { randomUUID } = require("node:crypto");
const http = require("node:http");

/** What the server has set. */
function found(name) {
  const value = process.env[name];
  if (!value) throw new Error("there is no Keyhaven here; start the tests with: npx keyhaven-test COMMAND, or keyhaven run --clock virtual -- COMMAND");
  return value;
}

/** One request to the admin API; an error says what the server says. */
function admin(method, path, body) {
  const headers = { authorization: `Bearer ${found("KEYHAVEN_ADMIN_KEY")}`, "content-type": "application/json" };
  return new Promise((resolve, reject) => {
    const request = http.request(found("KEYHAVEN_ADMIN_URL") + path, { method, headers }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => {
        const value = parsed(Buffer.concat(chunks).toString());
        if (answer.statusCode < 300) resolve(value);
        else reject(new Error(`${method} ${path}: ${value?.error?.message ?? answer.statusCode}`));
      });
    });
    request.on("error", (error) =>
      reject(new Error(`${method} ${path}: no server answers at ${found("KEYHAVEN_ADMIN_URL")} (${error.code ?? error.message})`, { cause: error })));
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The JSON of an answer; undefined when there is none. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// Only a server with a takeover is where production has its vaults.
if (!(process.env.KEYHAVEN_VAULT_URL ?? "").endsWith(".vault.azure.net")) found("");

// Read once: a test's own vault takes its place in the environment.
const DEFAULT_VAULT = found("KEY_VAULT_NAME");

const urlOf = (vault) => `https://${vault}.vault.azure.net`;

/** The vault that the others are copies of. */
const defaultVaultUrl = () => urlOf(DEFAULT_VAULT);

// The vaults that tests have now. The environment names the newest, and the default one when there is none.
const current = [];

function showNewest() {
  const name = current.at(-1) ?? DEFAULT_VAULT;
  for (const variable of ["KEYHAVEN_VAULT_URL", "AZURE_KEYVAULT_URL", "VAULT_URL"]) process.env[variable] = urlOf(name);
  process.env.KEY_VAULT_NAME = name;
}

/** A vault for one test: a copy of the default one, with `secrets` besides. */
async function createVault({ secrets = {} } = {}) {
  const name = `t-${randomUUID().replaceAll("-", "").slice(0, 20)}`;
  const seeds = Object.entries(secrets).map(([name, value]) => ({ name, value }));
  await admin("PUT", `/admin/vaults/${name}`, { copyOf: DEFAULT_VAULT, secrets: seeds });
  current.push(name);
  showNewest();
  return { name, url: urlOf(name), delete: () => deleteVault(name) };
}

async function deleteVault(name) {
  if (current.includes(name)) current.splice(current.indexOf(name), 1);
  showNewest();
  await admin("DELETE", `/admin/vaults/${name}`);
}

/** Runs `use` with the URL of a vault of its own, which is gone afterwards: withVault(use) or withVault(options, use). */
async function withVault(...given) {
  const use = given.pop();
  const vault = await createVault(...given);
  try {
    return await use(vault.url);
  } finally {
    await vault.delete();
  }
}

const move = async (how) => (await admin("POST", "/admin/clock", how)).now;

/** The clock that vaults live by. */
const clock = {
  now: async () => (await admin("GET", "/admin/clock")).now,
  advance: (period) => move({ advance: period }),
  set: (moment) => move({ set: moment }),
  freeze: () => move({ freeze: true }),
  run: () => move({ run: true }),
};

module.exports = { admin, clock, createVault, defaultVaultUrl, withVault };
