import assert from "node:assert/strict";
import { test } from "node:test";

import { Liveness } from "../../../gateway/http/pages/liveness.js";

/** Look each second from `from` to `to`; return what was seen, but for "alive", with its second. */
function seen(liveness, from, to, waiting = () => 0) {
  const found = [];
  for (let second = from; second <= to; second += 1) {
    const what = liveness.look(second * 1000, waiting(second));
    if (what !== "alive") found.push([second, what]);
    if (what === "dead") break;
  }
  return found;
}

test("a silence is asked about, and again while it lasts", () => {
  const liveness = new Liveness(0);
  assert.deepEqual(seen(liveness, 1, 45), [[20, "silent"], [40, "silent"]]);
  liveness.heard(45_500);
  assert.deepEqual(seen(liveness, 46, 65), []);
});

test("what is sent is followed by a word, or the line is dead", () => {
  const liveness = new Liveness(0);
  liveness.sent(1_000, 0);
  liveness.sent(9_000, 0); // a second one does not put it off
  assert.deepEqual(seen(liveness, 1, 30), [[11, "dead"]]);
});

test("any word will do", () => {
  const liveness = new Liveness(0);
  liveness.sent(1_000, 0);
  liveness.heard(5_000);
  assert.deepEqual(seen(liveness, 1, 24), []);
});

test("a slow line is alive for as long as bytes leave", () => {
  const liveness = new Liveness(0);
  liveness.sent(0, 1_000_000);
  const waiting = (second) => Math.max(0, 1_000_000 - 50_000 * second);
  assert.deepEqual(seen(liveness, 1, 19, waiting), []);
  const still = new Liveness(0);
  still.sent(0, 1_000_000);
  assert.deepEqual(seen(still, 1, 30, () => 1_000_000), [[10, "dead"]]);
});

test("a machine that slept has lost its connection, a page in the background has not", () => {
  const liveness = new Liveness(0);
  assert.equal(liveness.look(60_000, 0), "silent");
  assert.equal(liveness.look(120_000, 0), "silent");
  assert.equal(liveness.look(220_000, 0), "dead");
});
