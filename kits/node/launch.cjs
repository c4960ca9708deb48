#!/usr/bin/env node
// keyhaven-test COMMAND [ARG...]: runs a command, such as `node --test` or `jest`, where Azure's names lead to a server. Node reads
// which authorities to trust when it starts, so the server has to be there before the tests' own process.
//
// The server is that of `keyhaven run`, of `keyhaven env` or of KEYHAVEN_READY_FILE, else one is started with a clock that can be
// moved. "keyhaven" in package.json may choose: { "config": FILE for the server that is started, "server": "start", "running" (the
// one that keyhaven finds) or a ready FILE, "vault": the NAME of the vault that the code under test has }.
"use strict";

const { spawn, spawnSync } = require("node:child_process");
const { existsSync, readFileSync, realpathSync } = require("node:fs");
const http = require("node:http");
const { constants } = require("node:os");

const binary = process.env.KEYHAVEN_BIN || "keyhaven";
const SUFFIX = ".vault.azure.net";

/** An end with a message of one line. */
class Failure extends Error {}

async function main(command) {
  if (command.length === 0) throw new Failure('say what to run: keyhaven-test node --test (in package.json: "test": "keyhaven-test node --test")');
  const settings = fromPackage();
  if (settings.vault && process.env.KEYHAVEN_TEST_VAULT === settings.vault) return withDefaultVault(settings.vault, command);
  const running = await runningServer(settings.server);
  // The vault is made where the server is: by another launcher, inside.
  const inside = settings.vault ? [process.execPath, __filename, ...command] : command;
  const env = { ...process.env, ...running, ...(settings.vault && { KEYHAVEN_TEST_VAULT: settings.vault }) };
  if (running) {
    await compare(settings.config, env.KEYHAVEN_ADMIN_URL);
    return started(inside[0], inside.slice(1), env);
  }
  const config = settings.config ? ["--config", settings.config] : [];
  return started(binary, ["run", "--clock", "virtual", ...config, "--", ...inside], env);
}

/** Runs a command with the vault of this name as the default one: a copy of the former one, unless there is one of the name. */
async function withDefaultVault(name, command) {
  const { admin } = require("./admin.cjs");
  const { DEFAULT_VAULT, variablesOf } = require("./vaults.cjs");
  const refused = (error) => {
    throw new Failure(error.message);
  };
  const isThere = (await admin("GET", "/admin/vaults").catch(refused)).vaults.some((vault) => vault.name === name.toLowerCase());
  if (!isThere) await admin("PUT", `/admin/vaults/${name}`, { copyOf: DEFAULT_VAULT }).catch(refused);
  const status = await started(command[0], command.slice(1), { ...process.env, ...variablesOf(name.toLowerCase()) });
  if (!isThere) await admin("DELETE", `/admin/vaults/${name}`);
  return status;
}

/** Says so when the server that runs already was not started with the configuration of the tests. */
async function compare(config, adminUrl) {
  if (!config) return;
  const served = JSON.parse(await answers(adminUrl)).configuration;
  const real = (file) => (existsSync(file) ? realpathSync(file) : file);
  if (served && real(served) === real(config)) return;
  const has = served ? `the configuration ${served}` : "no configuration's file";
  say(`the server that runs already has ${has}, the tests want ${config}; start it with: keyhaven serve --config ${config} --clock virtual --ephemeral --ready-file ready.json, or start one for the tests: "server": "start"`);
}

/** The settings of the package whose tests are run: npm runs scripts in its directory. */
function fromPackage() {
  if (!existsSync("package.json")) return {};
  const { keyhaven: settings = {} } = JSON.parse(readFileSync("package.json", "utf8"));
  const unknown = Object.keys(settings).find((name) => !["config", "server", "vault"].includes(name));
  if (unknown) throw new Failure(`package.json: keyhaven.${unknown}: unknown; there are config, server and vault`);
  const { server, vault } = settings;
  if (vault?.includes("://")) {
    throw new Failure(`package.json: keyhaven.vault: '${vault}' is a URL; give the name, ${vault.split("://")[1].split(".")[0]}`);
  }
  if (server && !["start", "running"].includes(server) && !existsSync(server)) {
    throw new Failure(`package.json: keyhaven.server: there is no file '${server}'; give start, running, or the ready file of a server that runs`);
  }
  return settings;
}

/** The variables of the server that runs already; none when one is to be started. */
async function runningServer(which) {
  if (which === "start") return undefined;
  if (which) return variablesOf(which === "running" ? undefined : which);
  try {
    if ((process.env.KEYHAVEN_VAULT_URL ?? "").endsWith(SUFFIX)) {
      await answers(process.env.KEYHAVEN_ADMIN_URL);
      return {};
    }
    return process.env.KEYHAVEN_READY_FILE ? variablesOf(process.env.KEYHAVEN_READY_FILE) : undefined;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    say(`the server of this environment is not used, and another one is started: ${error.message}`);
    return undefined;
  }
}

/** What `keyhaven env` prints for a running server: that of a ready file, or the one that it finds. */
function variablesOf(readyFile) {
  const file = readyFile ? ["--ready-file", readyFile] : [];
  // A vault of the user's own would stay in the variables, and tests would share it.
  const { VAULT_URL, AZURE_KEYVAULT_URL, KEY_VAULT_NAME, ...env } = process.env;
  // A file that the environment names too would give way to another server's, were its own gone.
  if (readyFile) delete env.KEYHAVEN_READY_FILE;
  const done = spawnSync(binary, ["env", "--format", "json", ...file], { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  if (done.error) throw noBinary(done.error);
  if (done.status !== 0) throw new Failure(done.stderr.trim().replace(/^keyhaven: /, ""));
  process.stderr.write(done.stderr);
  const variables = JSON.parse(done.stdout);
  if (!(variables.KEYHAVEN_VAULT_URL ?? "").endsWith(SUFFIX)) {
    throw new Failure("the running server has no takeover proxy; start it with --proxy-listen 127.0.0.1:8082");
  }
  return variables;
}

/** The status that the server of this admin API answers. */
function answers(url) {
  const gone = (error) => new Failure(`no server answers at ${url} (${error.code ?? error.message})`);
  return new Promise((resolve, reject) => {
    if (!url) return reject(new Failure("KEYHAVEN_ADMIN_URL is not set"));
    const request = http.get(`${url}/admin/status`, async (answer) => {
      try {
        resolve(Buffer.concat(await answer.toArray()).toString());
      } catch (error) {
        reject(gone(error));
      }
    });
    request.on("error", (error) => reject(gone(error)));
  });
}

/** Runs a program to its end, with signals passed on; answers its exit status, as a shell has it. */
function started(program, args, env) {
  const child = spawn(program, args, { env, stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  process.on("SIGINT", () => {}); // a terminal sends it to both
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(program === binary ? noBinary(error) : new Failure(`${program} cannot be started: ${error.message}`)));
    child.on("exit", (status, signal) => resolve(status ?? 128 + constants.signals[signal]));
  });
}

function noBinary(error) {
  if (error.code !== "ENOENT") return new Failure(`${binary} cannot be started: ${error.message}`);
  return Object.assign(new Failure(`there is no '${binary}'; put keyhaven on the PATH, or set KEYHAVEN_BIN`), { status: 2 });
}

function say(text) {
  process.stderr.write(`keyhaven-test: ${text}\n`);
}

main(process.argv.slice(2)).then(
  (status) => { process.exitCode = status; },
  (error) => {
    if (!(error instanceof Failure)) throw error;
    say(error.message);
    process.exitCode = error.status ?? 2;
  },
);
