// The admin API of the server that the environment names.
"use strict";

const http = require("node:http");

/** What the server has set. */
function found(name) {
  const value = process.env[name];
  if (!value) throw new Error("there is no Keyhaven here; start the tests with: npx keyhaven-test COMMAND, or keyhaven run --clock virtual -- COMMAND");
  return value;
}

/** One request to the admin API; an error says what the server says, and has its `status`. */
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
        else reject(Object.assign(new Error(`${method} ${path}: ${value?.error?.message ?? answer.statusCode}`), { status: answer.statusCode }));
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

/** `promise`, as long as it does not fail with this status of the server. */
const unless = (status, promise) =>
  promise.catch((error) => {
    if (error.status !== status) throw error;
  });

module.exports = { admin, found, unless };
