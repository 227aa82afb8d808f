import assert from "node:assert/strict";
import { test } from "node:test";

import { grants, patternGrants } from "../../../gateway/http/pages/capabilities.js";

const yes = (pattern, kind) => assert.ok(patternGrants(pattern, kind), `${pattern} grants ${kind}`);
const no = (pattern, kind) => assert.ok(!patternGrants(pattern, kind), `${pattern} does not grant ${kind}`);

test("a star at the end matches any remainder", () => {
  for (const pattern of ["mcp/*", "mcp/request:*", "mcp/request:tools/*", "mcp/request:tools/call", "mcp/request:tools/call:*"]) {
    yes(pattern, "mcp/request:tools/call:x");
  }
  yes("mcp/*", "mcp/request:tools/call:x:y");
  no("mcp/request:*", "mcp/response:tools/call");
});

test("a star elsewhere never crosses a colon", () => {
  yes("mcp/request:*/list", "mcp/request:tools/list");
  yes("mcp/request:*/list", "mcp/request:resources/templates/list");
  no("mcp/request:*/list", "mcp/request:tools/call:x/list");
  no("mcp/request:resources/read:file:*/x", "mcp/request:resources/read:file:a:b/x");
  yes("mcp/request:resources/read:file://*/x", "mcp/request:resources/read:file://a/b/x");
});

test("a method grants its contexts, a context never the method alone", () => {
  yes("mcp/request:tools/call", "mcp/request:tools/call:x:y");
  no("mcp/request:tools/call:x", "mcp/request:tools/call");
  no("mcp/request:tools/call:*", "mcp/request:tools/call");
  no("mcp/request", "mcp/request:tools/call");
});

test("chat is granted by chat alone", () => {
  yes("chat", "chat");
  no("c*", "chat");
  no("chat*", "chat");
});

test("nothing grants what is the gateway's", () => {
  for (const kind of ["system/presence", "System/x", "presence", "SYSTEM:y"]) for (const pattern of ["*", "s*", "system/*", kind]) no(pattern, kind);
});

test("who may propose may withdraw, and who may request may reject", () => {
  assert.ok(grants(["mcp/proposal:*"], "mcp/withdraw:tools/call:x"));
  assert.ok(grants(["mcp/request:tools/call:x"], "mcp/reject:tools/call:x"));
  assert.ok(!grants(["mcp/request:tools/call:x"], "mcp/reject:tools/call:y"));
  assert.ok(!grants(["mcp/proposal:*"], "mcp/reject:tools/call:x"));
  assert.ok(!grants(["mcp/response:*"], "mcp/request:tools/call:x"));
});
