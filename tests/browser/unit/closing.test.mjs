import assert from "node:assert/strict";
import { test } from "node:test";

import { backOff, closing, refusal } from "../../../gateway/http/pages/closing.js";

test("an expired token and a revoked one are not tried again, and are forgotten", () => {
  for (const code of [4401, 4403]) {
    assert.equal(closing(code).reconnect, false);
    assert.equal(closing(code).forget, true);
  }
  assert.match(closing(4401).detail, /new invite link/);
});

test("what passes is tried again", () => {
  for (const code of [1001, 1002, 1006, 1009, 1011, 1012, 4408, 4410, 4413, 4429, 4999]) assert.equal(closing(code).reconnect, true, code);
  for (const code of [1000, 1003, 1007]) assert.equal(closing(code).reconnect, false, code);
});

test("a refused handshake is told in the gateway's own words", () => {
  const why = refusal(403, { title: "Forbidden", detail: "The token does not name the topic 'ops'." }, null);
  assert.equal(why.reconnect, false);
  assert.equal(why.title, "Forbidden");
  assert.match(why.detail, /does not name the topic/);
  assert.equal(refusal(401, {}, null).forget, true);
  assert.equal(refusal(400, {}, null).reconnect, false);
});

test("a gateway that is busy says how long to wait", () => {
  assert.equal(refusal(503, {}, "7").atLeast, 7_000);
  assert.equal(refusal(503, {}, "nonsense").atLeast, 0);
  assert.equal(refusal(503, {}, "999999").atLeast, 60_000);
  assert.equal(refusal(426, {}, null).reconnect, true);
  assert.equal(refusal(502, { title: 7 }, null).reconnect, true);
});

test("pauses grow, differ, and end growing", () => {
  assert.ok(backOff(0, 0, 0) >= 100 && backOff(0, 0, 0.999) <= 500);
  assert.ok(backOff(50, 0, 0.999) <= 15_000);
  assert.ok(backOff(3, 0, 0) < backOff(3, 0, 0.5));
  assert.ok(backOff(0, 10_000, 0) >= 10_000);
});
