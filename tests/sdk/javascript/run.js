// Starts a server and runs the suite against it: all of it with the variables of App Service, signing in with those of the
// metadata service (IMDS) too, and all of it with both when --every-source is given. A wrapper, because node reads
// NODE_EXTRA_CA_CERTS only when it starts. At the end no log at trace, no audit and no answer that shows them may hold what was
// secret in the suite.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { forms, foundIn } from "./secrecy.js";

const SOURCES = {
  "app-service": ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"],
  imds: ["AZURE_POD_IDENTITY_AUTHORITY_HOST"],
};
// What depends on the source of tokens: the rest of the suite is the same once a client has its token.
const SIGNING_IN = ["credentials.test.js"];
const START_TIMEOUT_MS = 60_000;
const TEST_TIMEOUT_MS = 120_000;
const here = fileURLToPath(new URL(".", import.meta.url));

const everySource = process.argv.includes("--every-source");

for (const [number, source] of Object.keys(SOURCES).entries()) {
  const files = everySource || number === 0 ? readdirSync(here).filter((name) => name.endsWith(".test.js")) : SIGNING_IN;
  const home = mkdtempSync(join(tmpdir(), "keyhaven-sdk-"));
  try {
    const { server, ready } = await start(home);
    console.log(`-- with the variables of ${source}: ${files === SIGNING_IN ? "signing in alone" : "everything"}`);
    const used = join(home, "secrets-used");
    const status = await suite(files, { ...clientEnvironment(ready, source), SECRETS_USED: used });
    await keepWhatItShows(home, ready);
    server.kill("SIGTERM");
    const [stopped] = await once(server, "exit");
    if (stopped !== 0) console.error(`the server ended with status ${stopped}`);
    const secret = search(home, used, ready);
    if (secret.length > 0) console.error(`secrets were shown:\n${secret.join("\n")}`);
    if (status !== 0 || stopped !== 0 || secret.length > 0) process.exitCode = 1;
  } finally {
    rmSync(home, { recursive: true });
  }
}

async function start(home) {
  const binary = process.env.KEYHAVEN_BIN;
  if (!binary) throw new Error("set KEYHAVEN_BIN to the keyhaven binary, or use tests/sdk/run javascript");
  const readyFile = join(home, "ready.json");
  const options = ["--data", join(home, "data"), "--certs", join(home, "certs"), "--ready-file", readyFile];
  options.push("--config", join(here, "../config.json"), "--log-level", "trace", "--audit", join(home, "audit.jsonl"));
  options.push("--listen", ":0", "--identity-listen", ":0", "--admin-listen", ":0", "--proxy-listen", "off");
  const server = spawn(binary, ["serve", ...options], { env: without(/^KEYHAVEN_/), stdio: ["ignore", "ignore", openSync(join(home, "log"), "a")] });
  process.on("exit", () => server.kill("SIGKILL"));
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!existsSync(readyFile)) {
    if (server.exitCode !== null) throw new Error(`keyhaven ended before it was ready:\n${readFileSync(join(home, "log"))}`);
    if (Date.now() > deadline) throw new Error("keyhaven was not ready in time");
    await sleep(20);
  }
  return { server, ready: JSON.parse(readFileSync(readyFile, "utf8")) };
}

/** Keeps what the admin API shows of the last requests. */
async function keepWhatItShows(home, { admin, adminKey }) {
  const show = (path) => fetch(`http://${admin}/admin/${path}?limit=1000`, { headers: { authorization: `Bearer ${adminKey}` } });
  const shown = await Promise.all(["log", "audit"].map(async (path) => (await show(path)).text()));
  writeFileSync(join(home, "shown.json"), shown.join("\n"));
}

/** What the log, the audit and what was shown of them hold of the secrets in the file `used`, and of the server's own. */
function search(home, used, { adminKey, env }) {
  const files = ["log", "audit.jsonl", "shown.json"].map((name) => join(home, name));
  const own = [adminKey, env.IDENTITY_HEADER ?? ""].map((text) => Buffer.from(text));
  const planted = join(home, "planted");
  writeFileSync(planted, forms(own[0]).map((form) => `INFO it is '${form}'\n`).join(""));
  const found = foundIn([...files, planted], used, own);
  const isPlanted = (line) => line.startsWith(`${planted}:`);
  if (found.filter(isPlanted).length !== new Set(forms(own[0])).size) throw new Error("what was planted is not found");
  return found.filter((line) => !isPlanted(line));
}

/** What `ready` names, with the variables of one identity source alone, and no proxy and no Azure identity of the user. */
function clientEnvironment(ready, source) {
  const environment = { ...without(/_PROXY$|^(AZURE|IDENTITY|IMDS|MSI)_/i), ...ready.env };
  const others = Object.keys(SOURCES).filter((other) => other !== source);
  for (const name of others.flatMap((other) => SOURCES[other])) delete environment[name];
  return { ...environment, VAULTS: JSON.stringify(ready.vaults) };
}

function without(pattern) {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !pattern.test(name)));
}

async function suite(files, env) {
  const preload = ["--import", "./localhost.js", "--import", "./wire.js"];
  const options = ["--test", "--test-reporter=spec", `--test-timeout=${TEST_TIMEOUT_MS}`];
  const tests = spawn(process.execPath, [...preload, ...options, ...files], { cwd: here, env, stdio: "inherit" });
  const [status] = await once(tests, "exit");
  return status;
}
