// What must be in no log and no audit: every secret value, private member, plaintext, credential and token that the suite sent or
// got, in each form that a program prints bytes in. Each process of the suite adds what it used to one file; at the end the files of
// the server are searched for all of it.
//
// What has fewer than LEAST bytes is left out, and one byte repeated: a log may have it by chance.

import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";

const LEAST = 8;
/** The members of a JWK that are private (RFC 7518 section 6). */
export const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "k", "oth"];
/** The operations whose plaintext is in the request, and those whose plaintext is in the answer. */
const FROM_PLAINTEXT = ["encrypt", "wrapkey"];
const TO_PLAINTEXT = ["decrypt", "unwrapkey"];

/** The secrets in an exchange, as buffers. */
export function secretsOf({ path, headers, sent, got }) {
  const [asked, answered] = [object(sent), object(got)];
  const operation = path.split("/").filter(Boolean).at(-1)?.toLowerCase() ?? "";
  const credentials = [headers.authorization?.replace(/^Bearer /, ""), headers["x-identity-header"], answered.access_token];
  if (operation === "token") {
    const form = new URLSearchParams(sent);
    credentials.push(...form.getAll("client_secret"), ...form.getAll("client_assertion"));
  }
  const members = [asked, asked.key ?? {}].flatMap((from) => PRIVATE_MEMBERS.map((name) => from[name]));
  const values = path.startsWith("/secrets/") || ["backup", "restore"].includes(operation) ? [asked.value, answered.value] : [];
  if (FROM_PLAINTEXT.includes(operation)) members.push(asked.value);
  if (TO_PLAINTEXT.includes(operation)) members.push(answered.value);
  const decoded = members.filter(isText).map((text) => Buffer.from(text, "base64url"));
  return [...[...credentials, ...values].filter(isText).map((text) => Buffer.from(text)), ...decoded];
}

/** Adds `secrets` to `file`, one a line in base64. */
export function keep(file, secrets) {
  appendFileSync(file, secrets.map((secret) => `${secret.toString("base64")}\n`).join(""));
}

/** What `files` hold of the secrets in `file` and of `others`: lines of `FILE:TEXT`. */
export function foundIn(files, file, others) {
  const kept = existsSync(file) ? readFileSync(file, "utf8").split("\n").map((line) => Buffer.from(line, "base64")) : [];
  const used = [...kept, ...others].filter((secret) => secret.length >= LEAST && new Set(secret).size > 1);
  if (used.length === 0) throw new Error("the suite used no secret: nothing could be found");
  const patterns = `${file}.patterns`;
  writeFileSync(patterns, `${[...new Set(used.flatMap(forms))].join("\n")}\n`, { mode: 0o600 });
  const options = ["--fixed-strings", "--only-matching", "--text", "--with-filename", "--file", patterns, "--"];
  const done = spawnSync("grep", [...options, ...files], { env: { LC_ALL: "C" }, encoding: "latin1", maxBuffer: 2 ** 28 });
  if (done.status !== 0 && done.status !== 1) throw new Error(`grep: ${done.stderr}`);
  return [...new Set(done.stdout.split("\n").filter(Boolean))];
}

/** As text, in JSON, in base64url, base64 and hex, and as Rust's `Debug` has bytes. */
export function forms(secret) {
  const [text, hex] = [secret.toString("utf8"), secret.toString("hex")];
  const lines = [JSON.stringify(text).slice(1, -1), ...text.split("\n")].filter((line) => line.length >= LEAST);
  const bytes = [secret.toString("base64url"), secret.toString("base64").replace(/=+$/, ""), hex, hex.toUpperCase()];
  const isUtf8 = Buffer.from(text).equals(secret);
  return [...bytes, [...secret.subarray(0, 32)].join(", "), ...(isUtf8 ? lines : [])];
}

const isText = (value) => typeof value === "string" && value !== "";

function object(body) {
  try {
    return Object(JSON.parse(body));
  } catch {
    return {};
  }
}
