import assert from "node:assert/strict";
import { test } from "node:test";

import { encodeEnvelope, EnvelopeRefused, momentOf, parseEnvelope, parseKind } from "../../../gateway/http/pages/envelope.js";

const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "read_file", arguments: {} } };
const good = { protocol: "mcpx/v0.1", id: "e1", from: "agent", kind: "mcp/request:tools/call:read_file", to: ["files"], payload: call };

const read = (fields) => parseEnvelope(JSON.stringify(fields));
const refused = (fields, message) => assert.throws(() => read(fields), EnvelopeRefused, message ?? JSON.stringify(fields));

test("a kind is split at its first two colons only", () => {
  const { family, method, context } = parseKind("mcp/request:resources/read:file:///a:b");
  assert.deepEqual([family, method, context], ["mcp/request", "resources/read", "file:///a:b"]);
  assert.equal(parseKind("chat").method, null);
  assert.equal(parseKind("mcp/request:tools/call:*").context, "*");
});

test("a text that is no kind is refused", () => {
  for (const text of ["", ":", "a:", ":b", "a:b:", "a b", "ä", "m*:x", "mcp/request:t*", "a\n", "x".repeat(2049)]) {
    assert.throws(() => parseKind(text), EnvelopeRefused, text);
  }
});

test("an envelope is read with its header and its payload", () => {
  const envelope = read({ ...good, ts: "2025-08-26T14:00:00Z", correlation_id: "p", "x-more": 1 });
  assert.equal(envelope.correlationId, "p");
  assert.equal(envelope.kind.context, "read_file");
  assert.deepEqual([...envelope.to], ["files"]);
});

test("a broken header is refused", () => {
  refused({ ...good, protocol: "mcpx/v0.2" });
  refused({ ...good, id: "" });
  refused({ ...good, id: "x".repeat(129) });
  refused({ ...good, id: 7 });
  refused({ ...good, from: "a b" });
  refused({ ...good, from: "System:gateway" });
  refused({ ...good, to: "files" });
  refused({ ...good, to: [1] });
  refused({ ...good, ts: "yesterday" });
  refused({ ...good, ts: null });
  refused({ ...good, correlation_id: null });
  refused({ ...good, payload: [] });
  refused({ ...good, payload: undefined });
  refused({ ...good, auth: "secret" });
  refused({ ...good, From: "somebody" });
  assert.throws(() => parseEnvelope("[]"), EnvelopeRefused);
  assert.throws(() => parseEnvelope('{"protocol":"mcpx/v0.1","kind":"chat","kind":"chat"}'), EnvelopeRefused);
});

test("a payload with a repeated key is refused", () => {
  const text = JSON.stringify(good).replace('"arguments":{}', '"arguments":{"path":"a","path":"b"}');
  assert.throws(() => parseEnvelope(text), EnvelopeRefused);
});

test("kind and payload name the same method and context", () => {
  refused({ ...good, payload: { ...call, method: "tools/list" } });
  refused({ ...good, payload: { ...call, params: { name: "delete_file" } } });
  refused({ ...good, payload: { ...call, params: undefined } });
  refused({ ...good, kind: "mcp/request:tools/list:read_file", payload: { ...call, method: "tools/list" } });
  refused({ ...good, kind: "mcp/request:resources/read:file:///a", payload: { ...call, method: "resources/read", params: { uri: "file:///b" } } });
  assert.ok(read({ ...good, kind: "mcp/request:tools/call" }), "a kind may leave the context out");
  assert.ok(read({ ...good, kind: "mcp/request:tools/call", payload: { ...call, params: { name: "näme mit raum" } } }));
});

test("a request, a notification and a response keep their shapes apart", () => {
  refused({ ...good, payload: { ...call, jsonrpc: "1.0" } });
  refused({ ...good, payload: { ...call, id: null } });
  refused({ ...good, payload: { ...call, id: 1.5 } });
  refused({ ...good, payload: { ...call, id: undefined } });
  refused({ ...good, payload: { ...call, result: {} } });
  const notification = { jsonrpc: "2.0", method: "notifications/progress", params: {} };
  assert.ok(read({ ...good, kind: "mcp/request:notifications/progress", payload: notification }));
  refused({ ...good, kind: "mcp/request:notifications/progress", payload: { ...notification, id: 1 } });
  const response = { ...good, kind: "mcp/response:tools/call:read_file", correlation_id: "e0", payload: { jsonrpc: "2.0", id: 1, result: {} } };
  assert.ok(read(response));
  refused({ ...response, correlation_id: undefined });
  refused({ ...response, payload: { jsonrpc: "2.0", id: 1 } });
  refused({ ...response, payload: { jsonrpc: "2.0", id: 1, result: {}, error: { code: 1, message: "" } } });
  refused({ ...response, payload: { jsonrpc: "2.0", id: 1, error: { code: "1", message: "" } } });
  refused({ ...response, payload: { jsonrpc: "2.0", id: 1, result: [] } });
});

test("a proposal has no correlation_id, and a moment or nothing as its expiry", () => {
  const proposal = { ...good, kind: "mcp/proposal:tools/call:read_file", payload: { method: "tools/call", params: call.params } };
  assert.ok(read(proposal));
  assert.ok(read({ ...proposal, payload: { ...proposal.payload, expiresAt: null } }));
  assert.ok(read({ ...proposal, payload: { ...proposal.payload, expiresAt: "2025-08-26T14:05:00.25+02:00" } }));
  refused({ ...proposal, correlation_id: "x" });
  refused({ ...proposal, payload: { ...proposal.payload, expiresAt: "soon" } });
  refused({ ...proposal, payload: { ...proposal.payload, expiresAt: 17 } });
});

test("a reject and a withdraw name a proposal and a known reason", () => {
  const reject = { ...good, kind: "mcp/reject:tools/call:read_file", correlation_id: "p", payload: { reason: "denied", message: "no" } };
  assert.ok(read(reject));
  refused({ ...reject, correlation_id: undefined });
  refused({ ...reject, payload: { reason: "because" } });
  refused({ ...reject, kind: "mcp/withdraw:tools/call:read_file" });
  assert.ok(read({ ...reject, kind: "mcp/withdraw:tools/call:read_file", payload: { reason: "timeout" } }));
});

test("only the gateway says what is the gateway's, and it says nothing else", () => {
  const leave = { ...good, to: undefined, kind: "system/presence", payload: { event: "leave", participant: { id: "bob" } } };
  assert.ok(read({ ...leave, from: "system:gateway" }));
  for (const kind of ["system/presence", "System/presence", "SYSTEM", "presence", "system:x"]) refused({ ...leave, kind });
  refused({ ...good, from: "system:gateway" });
  refused({ ...leave, from: "system:gateway", payload: { event: "leave", participant: { id: "system:gateway" } } });
  const you = { id: "ann", capabilities: [] };
  assert.ok(read({ ...leave, from: "system:gateway", kind: "system/welcome", to: ["ann"], payload: { you, participants: [] } }));
  refused({ ...leave, from: "system:gateway", kind: "system/welcome", to: ["bob"], payload: { you, participants: [] } });
});

test("chat is a text, and kinds of others pass as they are", () => {
  const chat = { ...good, kind: "chat", payload: { text: "hello" } };
  assert.ok(read(chat));
  refused({ ...chat, payload: { text: 1 } });
  refused({ ...chat, payload: { text: "x", format: "html" } });
  assert.ok(read({ ...chat, kind: "x-acme/thing:do", payload: {} }));
  refused({ ...chat, kind: "mcp/unknown:x", payload: {} });
});

test("what cannot be trusted still says whose it was, as far as it can be read", () => {
  assert.throws(() => read({ ...good, payload: {} }), { sender: "agent", id: "e1" });
});

test("what is written can be read", () => {
  const text = encodeEnvelope({ id: "x", ts: "2025-08-26T14:00:00Z", from: "ann", to: ["files"], kind: good.kind, correlationId: "p", payload: call });
  assert.equal(parseEnvelope(text).correlationId, "p");
  assert.ok(!encodeEnvelope({ id: "x", ts: "2025-08-26T14:00:00Z", from: "ann", kind: "chat", payload: { text: "" } }).includes('"to"'));
});

test("a moment is one that exists", () => {
  assert.equal(momentOf("2025-08-26T16:00:00+02:00"), Date.UTC(2025, 7, 26, 14));
  assert.equal(momentOf("2024-02-29t23:59:60z"), Date.UTC(2024, 1, 29, 23, 59, 59));
  for (const text of ["2025-02-30T00:00:00Z", "2025-13-01T00:00:00Z", "2025-00-01T00:00:00Z", "2025-01-01T24:00:00Z", "2025-01-01T00:00:00+24:00", "2025-01-01T00:00:00", "0000-01-01T00:00:00Z", "", null, 7]) {
    assert.equal(momentOf(text), null, String(text));
  }
});
