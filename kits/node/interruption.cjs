// What is put back when a signal ends the process in the middle of a test.
"use strict";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

// What ends the tests' vaults that are held now.
const held = new Set();
let isEnding = false;

/** Runs `end` on a signal too, before the process ends; answers what runs it when the test is over. */
function endedBySignals(end) {
  if (held.size === 0) for (const signal of SIGNALS) process.on(signal, interrupt);
  held.add(end);
  return async () => {
    if (!held.delete(end)) return;
    try {
      await end();
    } finally {
      if (held.size === 0 && !isEnding) release();
    }
  };
}

/** `timeout` sends the signal twice; the second one waits for the first one's work. */
async function interrupt(signal) {
  if (isEnding) return;
  isEnding = true;
  const ends = [...held];
  held.clear();
  for (const ended of await Promise.allSettled(ends.map((end) => end()))) {
    if (ended.reason) process.stderr.write(`keyhaven-test: ${ended.reason.message}\n`);
  }
  release();
  // A program that handles the signal itself has been called already.
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}

function release() {
  for (const signal of SIGNALS) process.off(signal, interrupt);
}

module.exports = { endedBySignals };
