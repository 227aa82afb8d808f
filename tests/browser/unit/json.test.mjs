import assert from "node:assert/strict";
import { test } from "node:test";

import { differences, encodeJson, ExactNumber, JsonRefused, parseJson, sameJson } from "../../../gateway/http/pages/json.js";

const plain = (value) => JSON.parse(JSON.stringify(value));

test("every JSON value is read as JSON.parse reads it", () => {
  for (const text of ["null", "true", "false", "0", "-1", "0.5", '""', '"a\\n\\u00e9\\ud83d\\ude00/\\/"', "[]", "[1, [2], {}]", '{"a": {"b": [null]}, "c": ""}', ' {"a" : 1 } ']) {
    assert.deepEqual(plain(parseJson(text)), JSON.parse(text), text);
  }
});

test("a repeated key is refused at any depth, however it is written", () => {
  for (const text of ['{"a":1,"a":2}', '[{"x":{"a":1,"b":2,"a":1}}]', '{"a":1,"\\u0061":2}', '{"__proto__":1,"__proto__":2}']) {
    assert.throws(() => parseJson(text), JsonRefused, text);
  }
});

test("what is no JSON is refused", () => {
  const texts = ["", " ", "{", "}", "[1,]", '{"a":1,}', "{a:1}", "'a'", "01", "1.", ".5", "+1", "NaN", "Infinity", '"\n"', '"\\x41"', '"\\u12"', '"a', "1 2", "tru", "[1", '{"a"', '{"a":', "\ufeff1", "/**/1"];
  for (const text of texts) assert.throws(() => parseJson(text), JsonRefused, JSON.stringify(text));
});

test("half a surrogate pair is refused, since other readers would read something else", () => {
  for (const text of ['"\\ud800"', '{"\\udc00":1}', '"\\ud800x"']) assert.throws(() => parseJson(text), JsonRefused);
});

test("nesting without end is refused and does not end the page", () => {
  assert.throws(() => parseJson("[".repeat(100_000)), JsonRefused);
  assert.throws(() => parseJson('{"a":'.repeat(100_000)), JsonRefused);
});

test("__proto__ is a key like any other", () => {
  const value = parseJson('{"__proto__": {"isAdmin": true}, "constructor": 1}');
  assert.equal(value.isAdmin, undefined);
  assert.equal(encodeJson(value), '{"__proto__":{"isAdmin":true},"constructor":1}');
});

test("a number is written as it was read, also where JavaScript would round it", () => {
  for (const text of ["12345678901234567890", "1.0", "1e3", "-0", "0.1", "9007199254740993", "1e999", "3"]) {
    assert.equal(encodeJson(parseJson(text)), text);
  }
  assert.ok(parseJson("9007199254740993") instanceof ExactNumber);
});

test("what is written is read as the same by every reader", () => {
  const value = parseJson('{"a":[1,2.5,"\\u0000\\u2028</script>"],"b":{"10":1,"9":2},"c":{}}');
  for (const indent of [0, 2]) assert.deepEqual(JSON.parse(encodeJson(value, indent)), plain(value));
});

test("values differ by type and not by the order of keys", () => {
  assert.ok(sameJson(parseJson('{"a":1,"b":[1.50]}'), parseJson('{"b":[1.5],"a":1}')));
  for (const [a, b] of [["1", "1.0"], ["1", '"1"'], ["1", "true"], ["null", "{}"], ["[]", "{}"], ["9007199254740992", "9007199254740993"]]) {
    assert.ok(!sameJson(parseJson(a), parseJson(b)), `${a} ${b}`);
  }
});

test("differences are named by their paths", () => {
  const before = parseJson('{"path":"a","lines":[1,2],"old":1,"same":{"x":1}}');
  const after = parseJson('{"path":"b","lines":[1,3,4],"new":1,"same":{"x":1}}');
  assert.deepEqual(differences(before, after), [
    { path: "path", how: "changed" },
    { path: "lines[1]", how: "changed" },
    { path: "lines[2]", how: "added" },
    { path: "old", how: "removed" },
    { path: "new", how: "added" },
  ]);
});
