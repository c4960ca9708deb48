// A key vault of its own for each test. See README.md. It has no dependency, and speaks to the admin API alone: everything
// else is the code under test, unchanged.
"use strict";

const { randomUUID } = require("node:crypto");
const http = require("node:http");

/** What `keyhaven run` has set. */
function found(name) {
  const value = process.env[name];
  if (!value) throw new Error("there is no Keyhaven here; start the tests with: keyhaven run --clock virtual -- npm test");
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
        const text = Buffer.concat(chunks).toString();
        const value = text === "" ? undefined : JSON.parse(text);
        if (answer.statusCode < 300) resolve(value);
        else reject(new Error(`${method} ${path}: ${value?.error?.message ?? answer.statusCode}`));
      });
    });
    request.on("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

// Only a server with a takeover is where production has its vaults.
if (!(process.env.KEYHAVEN_VAULT_URL ?? "").endsWith(".vault.azure.net")) found("");

const urlOf = (vault) => `https://${vault}.vault.azure.net`;

/** The vault that the others are copies of. */
const defaultVaultUrl = () => urlOf(found("KEY_VAULT_NAME"));

/** A vault for one test: a copy of the default one. */
async function createVault() {
  const name = `t-${randomUUID().replaceAll("-", "").slice(0, 20)}`;
  await admin("PUT", `/admin/vaults/${name}`, { copyOf: found("KEY_VAULT_NAME") });
  return { name, url: urlOf(name), delete: () => admin("DELETE", `/admin/vaults/${name}`) };
}

/** Runs `use` with the URL of a vault of its own, which is gone afterwards. */
async function withVault(use) {
  const vault = await createVault();
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
