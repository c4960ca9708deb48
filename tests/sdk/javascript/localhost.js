// Resolves `*.localhost` to loopback (RFC 6761), which glibc alone does not. Loaded before the tests.

import dns from "node:dns";

const lookup = dns.lookup;

dns.lookup = (host, ...rest) => lookup(/\.localhost$/i.test(host) ? "127.0.0.1" : host, ...rest);
