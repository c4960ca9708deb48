// What the clients really sent and got: every exchange of the process, below the Azure SDK. Loaded before the tests.
//
// No answer may hold a private member of a key. That is checked here, on every raw answer, whatever a test is about. What each
// exchange held that is secret is kept for the end of the suite (secrecy.js).

import http from "node:http";

import { PRIVATE_MEMBERS, keep, secretsOf } from "./secrecy.js";

/** Every exchange, in order: `{ method, path, status }`. */
export const exchanges = [];
const leaks = [];

const { emit, write, end } = http.ClientRequest.prototype;
const sent = new WeakMap();

for (const [name, original] of Object.entries({ write, end })) {
  http.ClientRequest.prototype[name] = function (chunk, ...rest) {
    if (typeof chunk === "string" || chunk instanceof Uint8Array) sent.set(this, [...(sent.get(this) ?? []), Buffer.from(chunk)]);
    return original.call(this, chunk, ...rest);
  };
}

http.ClientRequest.prototype.emit = function (event, response, ...rest) {
  if (event === "response") record(this, response);
  return emit.call(this, event, response, ...rest);
};

function record(request, response) {
  const exchange = { method: request.method, path: request.path.split("?")[0], status: response.statusCode };
  exchanges.push(exchange);
  const chunks = [];
  const push = response.push;
  response.push = function (chunk, ...rest) {
    if (chunk) chunks.push(chunk);
    else ended(request, exchange, Buffer.concat(chunks).toString());
    return push.call(this, chunk, ...rest);
  };
}

function ended(request, exchange, body) {
  check(exchange, body);
  const bodies = { sent: Buffer.concat(sent.get(request) ?? []).toString(), got: body };
  keep(process.env.SECRETS_USED, secretsOf({ ...exchange, headers: request.getHeaders(), ...bodies }));
}

function check({ method, path }, body) {
  if (body === "") return;
  JSON.parse(body, (name, value) => {
    if (PRIVATE_MEMBERS.includes(name)) leaks.push(`${method} ${path} answered the private member '${name}'`);
    return value;
  });
}

// The file fails, whatever its tests say.
process.on("exit", () => {
  for (const leak of leaks) console.error(leak);
  if (leaks.length > 0) process.exitCode = 1;
});

/** The operations on keys that the server has done since the exchange number `mark`. */
export function operationsSince(mark) {
  const done = exchanges.slice(mark).filter(({ method, status }) => method === "POST" && status === 200);
  return done.map(({ path }) => path.split("/").at(-1).toLowerCase());
}
