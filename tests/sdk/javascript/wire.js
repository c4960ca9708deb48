// What the clients really sent and got: every exchange of the process, below the Azure SDK. Loaded before the tests.
//
// No answer may hold a private member of a key. That is checked here, on every raw answer, whatever a test is about.

import http from "node:http";

const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "k", "oth"];

/** Every exchange, in order: `{ method, path, status }`. */
export const exchanges = [];
const leaks = [];

const emit = http.ClientRequest.prototype.emit;

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
    else check(exchange, Buffer.concat(chunks).toString());
    return push.call(this, chunk, ...rest);
  };
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
