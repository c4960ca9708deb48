// The launcher, by itself: which server a command gets, and what is said when there is none.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const launcher = join(fileURLToPath(import.meta.resolve("keyhaven-test")), "../launch.cjs");
const home = mkdtempSync(join(tmpdir(), "keyhaven-"));
after(() => rmSync(home, { recursive: true }));

// A shell in which nothing is set but what finds the program.
const { PATH, KEYHAVEN_BIN } = process.env;
const shell = { PATH, KEYHAVEN_BIN, HOME: home };

/** Runs a shell's command by the launcher, in a package with these settings; answers its status and what it printed. */
function launch(settings, script, env = {}) {
  writeFileSync(join(home, "package.json"), JSON.stringify({ keyhaven: settings }));
  const command = script === undefined ? [] : ["sh", "-c", script];
  const { status, stdout, stderr } = spawnSync(process.execPath, [launcher, ...command], { cwd: home, env: { ...shell, ...env }, encoding: "utf8" });
  return { status, stdout: stdout.trim(), stderr };
}

writeFileSync(join(home, "shop.json"), JSON.stringify({ vaults: [{ name: "shop" }] }));
writeFileSync(join(home, "wrong.json"), JSON.stringify({ vaults: [{ name: "a" }] }));

test("a server is started with the package's configuration, and used by a launcher inside", () => {
  const show = "echo $KEY_VAULT_NAME $KEYHAVEN_ADMIN_URL";
  const { status, stdout } = launch({ config: "shop.json" }, `${show}; "${process.execPath}" "${launcher}" sh -c '${show}; exit 3'`);
  const [outer, inner] = stdout.split("\n");
  assert.match(outer, /^shop http:/);
  assert.deepEqual([inner, status], [outer, 3]);
});

test("the vault that the code names is the default one", () => {
  writeFileSync(join(home, "seeded.json"), JSON.stringify({ vaults: [{ name: "other" }, { name: "shop-vault", secrets: { kept: "of the file" } }] }));
  const show = "echo $KEY_VAULT_NAME $VAULT_URL";
  for (const config of ["seeded.json", "shop.json"]) {
    const { status, stdout } = launch({ config, vault: "shop-vault" }, `${show}; "${process.execPath}" "${launcher}" sh -c '${show}; exit 3'`);
    const line = "shop-vault https://shop-vault.vault.azure.net";
    assert.deepEqual([status, stdout], [3, `${line}\n${line}`]);
  }
  const wrong = launch({ vault: "no_name" }, "true");
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /^keyhaven-test: PUT \/admin\/vaults\/no_name: name: must be 3 to 24 letters/);
});

test("moments are dates", () => {
  const script = `const { clock } = require(process.argv[1]);
    (async () => {
      const [now, later] = [await clock.freeze(), await clock.advance("1 day")];
      const set = await clock.set(new Date(later.getTime() + 1000));
      await clock.run();
      console.log(now instanceof Date, later - now, set - later, (await clock.now()) >= set);
    })();`;
  const { stdout, stderr } = launch({}, `"${process.execPath}" -e '${script}' "${join(launcher, "../index.cjs")}"`);
  assert.equal(stdout, "true 86400000 1000 true", stderr);
});

test("a vault of the user's own is not the one that others are copies of", () => {
  const script = `const { createVault, defaultVaultUrl } = require(process.argv[1]);
    createVault().then(() => console.log(defaultVaultUrl()));`;
  const own = { KEY_VAULT_NAME: "contoso", VAULT_URL: "https://contoso.vault.azure.net" };
  const { stdout, stderr } = launch({ config: "shop.json" }, `"${process.execPath}" -e '${script}' "${join(launcher, "../index.cjs")}"`, own);
  assert.equal(stdout, "https://shop.vault.azure.net", stderr);
});

test("a server of another process is used, and noticed when it is gone", async () => {
  const file = join(home, "ready.json");
  const listen = ["--listen", "--identity-listen", "--admin-listen", "--proxy-listen"].flatMap((name) => [name, "127.0.0.1:0"]);
  const options = ["serve", "--ephemeral", "--config", "shop.json", "--ready-file", file, ...listen];
  const server = spawn(KEYHAVEN_BIN, options, { cwd: home, env: shell, stdio: "ignore" });
  while (!existsSync(file)) await setTimeout(10);
  const named = { status: 0, stdout: "shop", stderr: "" };
  const own = { KEY_VAULT_NAME: "contoso", VAULT_URL: "https://contoso.vault.azure.net" };
  assert.deepEqual(launch({ server: "ready.json" }, "echo $KEY_VAULT_NAME", own), named);
  assert.deepEqual(launch({}, "echo $KEY_VAULT_NAME", { KEYHAVEN_READY_FILE: file }), named);
  assert.deepEqual(launch({ server: "ready.json", config: "shop.json" }, "echo $KEY_VAULT_NAME"), named, "it has that very file");
  assert.match(launch({ server: "ready.json", config: "wrong.json" }, "true").stderr, /the server that runs already has the configuration \S+shop\.json, the tests want wrong\.json; start it with: keyhaven serve --config wrong\.json --clock virtual --ephemeral --ready-file ready\.json, /);

  server.kill("SIGKILL");
  await once(server, "exit");
  const refused = launch({ server: "ready.json" }, "echo $KEY_VAULT_NAME");
  assert.deepEqual([refused.status, refused.stdout], [2, ""]);
  assert.match(refused.stderr, /^keyhaven-test: ready\.json: the server of this ready file is gone; /);
  const another = launch({}, "echo $KEY_VAULT_NAME", { KEYHAVEN_READY_FILE: file });
  assert.equal(another.stdout, "local");
  assert.match(another.stderr, /the server of this environment is not used, and another one is started: .*ready\.json: .* is gone/);
});

test("without a server the helper says how one is started", () => {
  const alone = spawnSync(process.execPath, ["-e", "require('keyhaven-test')"], { env: shell, encoding: "utf8" });
  assert.match(alone.stderr, /there is no Keyhaven here; start the tests with: npx keyhaven-test/);
});

test("what is wrong is said", () => {
  const wrong = launch({ config: "wrong.json" }, "true");
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /wrong\.json: vaults\[0\]\.name: must be 3 to 24/);
  for (const [settings, script, env, text] of [
    [{}, undefined, {}, "say what to run: keyhaven-test node --test"],
    [{ clock: "real" }, "true", {}, "package.json: keyhaven.clock: unknown; there are config, server and vault"],
    [{ server: "runing" }, "true", {}, "package.json: keyhaven.server: there is no file 'runing'; give start, running, or the ready file of a server that runs"],
    [{ vault: "https://shop-vault.vault.azure.net" }, "true", {}, "package.json: keyhaven.vault: 'https://shop-vault.vault.azure.net' is a URL; give the name, shop-vault"],
    [{}, "true", { KEYHAVEN_BIN: "no-such-program" }, "there is no 'no-such-program'; put keyhaven on the PATH, or set KEYHAVEN_BIN"],
  ]) {
    const { status, stderr } = launch(settings, script, env);
    assert.equal(status, 2);
    assert.ok(stderr.startsWith(`keyhaven-test: ${text}`), stderr);
  }
});
