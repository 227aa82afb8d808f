import assert from "node:assert/strict";
import { test } from "node:test";

import { stateOf } from "../../../gateway/http/pages/proposals.js";
import { FULL, PROPOSER, SERVER, Topic } from "./topic.mjs";

const SETTLED = { code: -32001, message: "bob was first: the proposal was fulfilled" };

// ---- a proposal from beginning to end

test("a proposal is approved with exactly its params and its result is shown", () => {
  const topic = Topic.withAnn();
  const params = '{"name":"write_file","arguments":{"n":12345678901234567890,"f":1.0}}';
  topic.hearText(`{"protocol":"mcpx/v0.1","id":"p","from":"agent","to":["files"],"kind":"mcp/proposal:tools/call:write_file","payload":{"method":"tools/call","params":${params}}}`);

  const { frame } = topic.approve();
  assert.ok(frame.includes(params));
  const sent = JSON.parse(frame);
  assert.deepEqual([sent.kind, sent.to, sent.correlation_id, sent.payload.jsonrpc], ["mcp/request:tools/call:write_file", ["files"], "p", "2.0"]);
  assert.equal(stateOf(topic.proposal()), "sending");

  topic.hearText(frame);
  assert.equal(stateOf(topic.proposal()), "approved");
  assert.equal(topic.proposal().decidedBy, "ann");
  assert.equal(topic.proposal().fulfillment.isEdited, false);

  topic.answer("files", sent.id, { result: { content: [] } }, { to: ["ann", "agent"], rpcId: sent.payload.id });
  assert.equal(stateOf(topic.proposal()), "executed");
});

test("an answer with an error, or with isError, is a failure", () => {
  for (const outcome of [{ error: { code: -32603, message: "disk full" } }, { result: { isError: true, content: [] } }]) {
    const topic = Topic.withAnn();
    topic.propose();
    topic.answer("files", topic.fulfill("bob"), outcome);
    assert.equal(stateOf(topic.proposal()), "failed");
  }
});

test("a proposal that names nobody is carried out by whom one chooses", () => {
  const topic = Topic.withAnn();
  topic.propose({ to: [] });
  assert.deepEqual(topic.conversation.targets(topic.proposal()).map(({ id }) => id), ["files", "bob"]);
  assert.match(topic.approve("p", { target: "" }).why, /Choose/);
  assert.match(topic.approve("p", { target: "agent" }).why, /Choose/);
  assert.deepEqual(JSON.parse(topic.approve("p", { target: "files" }).frame).to, ["files"]);
});

test("an edit changes arguments and never the tool", () => {
  const topic = Topic.withAnn();
  topic.propose();
  assert.match(topic.approve("p", { target: "files", params: { name: "delete_file", arguments: {} } }).why, /may not change/);

  const { frame } = topic.approve("p", { target: "files", params: { name: "write_file", arguments: { path: "b.txt" } } });
  topic.hearText(frame);
  assert.equal(topic.proposal().fulfillment.isEdited, true);
  assert.equal(topic.proposal().fulfillment.params.arguments.path, "b.txt");
  assert.equal(topic.proposal().params.arguments.path, "a.txt");
});

test("a reject is sent with its reason and settles the proposal when it comes back", () => {
  const topic = Topic.withAnn();
  topic.propose();
  const { frame } = topic.reject("p", { reason: "policy", message: "not on Fridays" });
  assert.equal(JSON.parse(frame).kind, "mcp/reject:tools/call:write_file");
  assert.equal(stateOf(topic.proposal()), "sending");
  topic.hearText(frame);
  assert.deepEqual([stateOf(topic.proposal()), topic.proposal().reason, topic.proposal().message], ["rejected", "policy", "not on Fridays"]);
});

test("a second click sends nothing", () => {
  const topic = Topic.withAnn();
  topic.propose();
  assert.notEqual(topic.approve().frame, null);
  assert.equal(topic.approve().frame, null);
  assert.equal(topic.reject().frame, null);
});

// ---- who may

test("who lacks the capability is told which one", () => {
  const topic = Topic.withAnn(["mcp/request:tools/list", "chat"]);
  topic.propose();
  const { approve, reject, missing } = topic.conversation.obstacles(topic.proposal(), topic.now);
  assert.equal(missing, "mcp/request:tools/call:write_file");
  assert.match(approve, /mcp\/request:tools\/call:write_file/);
  assert.match(reject, /mcp\/request:tools\/call:write_file/);
  assert.equal(topic.approve().frame, null);
});

test("nobody approves a proposal of their own", () => {
  const topic = Topic.withAnn();
  topic.propose({ from: "ann" });
  assert.match(topic.approve().why, /somebody else/);
});

test("a proposal to one who is not here waits until they are", () => {
  const topic = Topic.withAnn();
  topic.hear("system:gateway", "system/presence", { event: "leave", participant: { id: "files" } });
  topic.propose();
  assert.match(topic.approve().why, /not here/);
  topic.hear("system:gateway", "system/presence", { event: "join", participant: { id: "files", capabilities: SERVER } });
  assert.notEqual(topic.approve().frame, null);
});

test("a fresh welcome changes what one may do at once", () => {
  const topic = Topic.withAnn(["chat"]);
  topic.propose();
  assert.equal(topic.approve().frame, null);
  topic.welcome("ann", FULL, { agent: PROPOSER, files: SERVER });
  assert.deepEqual(topic.notices, ["Your capabilities have changed."]);
  assert.notEqual(topic.approve().frame, null);
});

// ---- what counts

test("a bystander's answer does not count", () => {
  const topic = Topic.withAnn();
  topic.propose();
  const request = topic.fulfill("bob");
  topic.answer("agent", request);
  topic.answer("files", request, { result: {} }, { rpcId: 2 });
  topic.answer("files", request, { result: {} }, { rpcId: "1" });
  topic.answer("files", request, { result: {} }, { to: ["agent"] });
  topic.answer("files", request, { result: {} }, { kind: "mcp/response:tools/call" });
  assert.equal(stateOf(topic.proposal()), "approved");
  assert.equal(topic.ignored.length, 4);

  topic.answer("files", request);
  topic.answer("files", request, { error: { code: 1, message: "second" } });
  assert.equal(stateOf(topic.proposal()), "executed");
});

test("what only looks like a fulfillment approves nothing", () => {
  const attempts = [
    ["agent", {}],
    ["bob", { to: ["agent"] }],
    ["bob", { to: [] }],
    ["bob", { to: ["files", "agent"] }],
    ["bob", { kind: "mcp/request:tools/call" }],
    ["bob", { kind: "mcp/request:tools/call:delete_file", params: { name: "delete_file", arguments: {} } }],
  ];
  for (const [from, fulfillment] of attempts) {
    const topic = Topic.withAnn();
    topic.propose();
    topic.fulfill(from, fulfillment);
    assert.equal(stateOf(topic.proposal()), "pending", JSON.stringify(fulfillment));
    assert.equal(topic.ignored.length, 1);
  }
});

test("where the kind cannot name the tool, the payload still has to name the same", () => {
  const topic = Topic.withAnn();
  const proposed = { name: "wri te", arguments: {} };
  topic.hear("agent", "mcp/proposal:tools/call", { method: "tools/call", params: proposed, expiresAt: null }, { id: "p", to: ["files"] });
  topic.fulfill("bob", { kind: "mcp/request:tools/call", params: { name: "de lete", arguments: {} } });
  assert.equal(stateOf(topic.proposal()), "pending");
  topic.fulfill("bob", { kind: "mcp/request:tools/call", params: proposed });
  assert.equal(stateOf(topic.proposal()), "approved");
});

test("a reject counts from one who could have approved, a withdraw from the proposer", () => {
  const say = (topic, from, family, reason, kind = "tools/call:write_file") => topic.hear(from, `mcp/${family}:${kind}`, { reason, message: "" }, { correlation: "p" });
  const topic = Topic.withAnn();
  topic.propose();
  say(topic, "files", "reject", "denied");
  say(topic, "stranger", "reject", "denied");
  say(topic, "bob", "withdraw", "superseded");
  say(topic, "bob", "reject", "denied", "tools/call:delete_file");
  assert.equal(stateOf(topic.proposal()), "pending");
  assert.equal(topic.ignored.length, 4);

  say(topic, "agent", "withdraw", "no_longer_needed");
  assert.equal(stateOf(topic.proposal()), "withdrawn");
  say(topic, "bob", "reject", "denied");
  assert.equal(stateOf(topic.proposal()), "withdrawn");
});

test("a kind that lies about its payload is counted and never shown as true", () => {
  const topic = Topic.withAnn();
  topic.hear("agent", "mcp/proposal:tools/call:read_file", { method: "tools/call", params: { name: "delete_file" } });
  topic.hear("agent", "mcp/proposal:tools/call:read_file", { method: "tools/call", params: { name: "delete_file" } });
  assert.equal(topic.conversation.pending.length, 0);
  assert.equal(topic.conversation.entries[0].times, 2);
});

test("the first envelope of an id stands", () => {
  const topic = Topic.withAnn();
  topic.propose({ params: { name: "write_file", arguments: { path: "good" } } });
  topic.propose({ params: { name: "write_file", arguments: { path: "evil" } } });
  topic.hear("bob", "chat", { text: "hello" }, { id: "p" });
  assert.equal(topic.proposal().params.arguments.path, "good");
  assert.equal(topic.ignored.length, 2);
});

test("an id that somebody else used does not silence the gateway", () => {
  const topic = Topic.withAnn();
  topic.hear("bob", "chat", { text: "x" }, { id: "gw-1" });
  topic.hear("system:gateway", "system/presence", { event: "leave", participant: { id: "files" } }, { id: "gw-1" });
  assert.equal(topic.conversation.roster.has("files"), false);
});

// ---- once

test("of two who approve at once the loser hears who was first", () => {
  const topic = Topic.withAnn();
  topic.propose();
  const { frame } = topic.approve();
  topic.fulfill("bob");
  assert.deepEqual(topic.notices, ["bob approved first."]);
  topic.hearText(frame);
  assert.equal(topic.proposal().decidedBy, "bob");
  assert.deepEqual(topic.proposal().late.map(({ from }) => from), ["ann"]);

  const sent = JSON.parse(frame);
  topic.answer("files", sent.id, { error: SETTLED }, { to: ["ann", "agent"], rpcId: sent.payload.id });
  assert.equal(stateOf(topic.proposal()), "approved", "the first fulfillment still runs");
  assert.equal(topic.notices.length, 1);
});

test("a target that does not run the fulfillment is heard kindly", () => {
  const topic = Topic.withAnn();
  topic.propose();
  const { frame } = topic.approve();
  topic.hearText(frame);
  const sent = JSON.parse(frame);
  topic.answer("files", sent.id, { error: { code: -32001, message: "The proposal expired" } }, { to: ["ann", "agent"], rpcId: sent.payload.id });
  assert.deepEqual(topic.notices, ["files did not run it: The proposal expired"]);
  assert.equal(stateOf(topic.proposal()), "failed");
});

test("an expired proposal cannot be approved, and a late fulfillment is still followed", () => {
  const topic = Topic.withAnn();
  topic.propose({ expiresAt: "2025-08-26T14:01:00Z" });
  topic.now += 60_000;
  assert.match(topic.approve().why, /expired/);
  topic.note(topic.conversation.tick(topic.now));
  assert.equal(stateOf(topic.proposal()), "expired");
  assert.equal(topic.conversation.pending.length, 0);
  // This page's clock may be wrong: the target decides.
  topic.answer("files", topic.fulfill("bob"));
  assert.equal(stateOf(topic.proposal()), "executed");
});

test("a proposal that does not say when it expires stands for five minutes, and null means never", () => {
  const topic = Topic.withAnn();
  topic.hear("agent", "mcp/proposal:tools/list", { method: "tools/list" }, { id: "a", ts: "2025-08-26T13:58:00Z" });
  topic.hear("agent", "mcp/proposal:tools/list", { method: "tools/list", expiresAt: null }, { id: "b" });
  assert.equal(topic.proposal("a").expiresAt, Date.parse("2025-08-26T14:03:00Z"));
  assert.equal(topic.proposal("b").expiresAt, null);
});

// ---- coming late and coming back

test("a proposal that is sent again for a newcomer is pending and can be approved", () => {
  const topic = Topic.withAnn();
  topic.propose({ id: "sent-before-ann-came" });
  assert.notEqual(topic.approve("sent-before-ann-came").frame, null);
});

test("what was decided before the proposal was sent again still counts", () => {
  const topic = Topic.withAnn();
  const request = topic.fulfill("bob");
  topic.answer("files", request);
  topic.propose();
  assert.equal(stateOf(topic.proposal()), "executed");
  assert.equal(topic.conversation.entries.filter(({ type }) => type === "request").length, 0);
});

test("nobody crowds out what was decided before the proposal was sent again", () => {
  const topic = Topic.withAnn();
  for (let i = 0; i < 40; i += 1) {
    topic.hear("agent", "mcp/reject:tools/call:write_file", { reason: "denied" }, { correlation: "p" });
    topic.hear("mallory", "mcp/withdraw:tools/call:write_file", { reason: "timeout" }, { correlation: "p" });
    topic.fulfill("mallory", { to: [] });
  }
  topic.hear("bob", "mcp/reject:tools/call:write_file", { reason: "denied" }, { correlation: "p" });
  topic.propose();
  assert.deepEqual([topic.proposal().status, topic.proposal().decidedBy], ["rejected", "bob"]);
});

test("an early reject counts only from one who could have approved", () => {
  const topic = Topic.withAnn();
  topic.hear("files", "mcp/reject:tools/call:write_file", { reason: "denied" }, { correlation: "p" });
  topic.propose();
  assert.equal(stateOf(topic.proposal()), "pending");
  assert.equal(topic.ignored.length, 1);
});

test("after a loss the gap is named and pending cards are stale until they are seen again", () => {
  const topic = Topic.withAnn();
  topic.propose();
  topic.conversation.lost(topic.now);
  assert.match(topic.approve().why, /offline/);
  topic.now += 9_000;
  topic.welcome("ann", FULL, { agent: PROPOSER, files: SERVER });
  const gap = topic.conversation.entries.find(({ type }) => type === "gap");
  assert.deepEqual([gap.from, gap.until], [topic.now - 9_000, topic.now]);
  assert.equal(topic.proposal().isStale, true);
  topic.propose();
  assert.equal(topic.proposal().isStale, false);
  assert.notEqual(topic.approve().frame, null);
});

test("a decision that was not confirmed is said, and can be taken again", () => {
  const topic = Topic.withAnn();
  topic.propose();
  topic.approve();
  topic.conversation.lost(topic.now);
  assert.equal(topic.proposal().attempt.status, "unconfirmed");
  topic.welcome("ann", FULL, { agent: PROPOSER, files: SERVER });
  assert.notEqual(topic.approve().frame, null);
});

test("a refusal of the gateway stands on the card and lets one try again", () => {
  const topic = Topic.withAnn();
  topic.propose();
  const { frame } = topic.approve();
  topic.hear("system:gateway", "system/error", { error: "rate_limited", message: "Too many envelopes" }, { to: ["ann"], correlation: JSON.parse(frame).id });
  assert.equal(stateOf(topic.proposal()), "pending");
  assert.deepEqual(topic.proposal().attempt.why, "Too many envelopes");
  assert.notEqual(topic.approve().frame, null);
});

// ---- chat, requests, roster

test("chat is shown while it is on its way, and once", () => {
  const topic = Topic.withAnn();
  const { frame } = topic.conversation.say("hello", topic.stamp());
  const chat = () => topic.conversation.entries.filter(({ type }) => type === "chat");
  assert.equal(chat()[0].status, "sending");
  topic.hearText(frame);
  topic.hearText(frame);
  assert.equal(chat().length, 1);
  assert.equal(chat()[0].status, null);
});

test("who may not chat is told before writing", () => {
  assert.match(Topic.withAnn(["mcp/*"]).conversation.chatObstacle, /capability chat/);
});

test("progress and logs count from the one who was asked, a cancellation from the one who asked", () => {
  const topic = Topic.withAnn();
  topic.propose();
  const request = topic.fulfill("bob");
  const tell = (from, method, params) => topic.hear(from, `mcp/request:notifications/${method}`, { jsonrpc: "2.0", method: `notifications/${method}`, params }, { correlation: request });
  tell("agent", "progress", { progress: 99 });
  tell("agent", "cancelled", {});
  assert.equal(topic.proposal().fulfillment.progress, null);
  assert.equal(topic.ignored.length, 2);
  tell("files", "progress", { progress: 1, total: 4, message: "reading" });
  tell("files", "message", { data: "opened a.txt" });
  assert.deepEqual(topic.proposal().fulfillment.progress, { done: 1, total: 4, message: "reading" });
  assert.deepEqual(topic.proposal().fulfillment.logs, ["opened a.txt"]);
  tell("bob", "cancelled", { requestId: 1 });
  assert.equal(stateOf(topic.proposal()), "failed");
});

test("everybody may answer what everybody was asked, each once", () => {
  const topic = Topic.withAnn();
  const request = topic.hear("bob", "mcp/request:tools/list", { jsonrpc: "2.0", id: 1, method: "tools/list" });
  const kind = "mcp/response:tools/list";
  topic.answer("files", request, { result: {} }, { kind });
  topic.answer("agent", request, { result: {} }, { kind });
  assert.equal(topic.ignored.length, 0);
  topic.answer("files", request, { result: {} }, { kind });
  assert.equal(topic.ignored.length, 1);
});

test("the roster follows the welcome and every presence", () => {
  const topic = Topic.withAnn();
  topic.hear("system:gateway", "system/presence", { event: "join", participant: { id: "eve", capabilities: ["chat"] } });
  topic.hear("system:gateway", "system/presence", { event: "join", participant: { id: "agent", capabilities: [...PROPOSER, "mcp/request:tools/*"] } });
  topic.hear("system:gateway", "system/presence", { event: "leave", participant: { id: "bob" } });
  assert.deepEqual([...topic.conversation.roster.keys()].sort(), ["agent", "ann", "eve", "files"]);
  const changed = topic.conversation.entries.find(({ event }) => event === "change");
  assert.deepEqual([changed.id, changed.added, changed.removed], ["agent", ["mcp/request:tools/*"], []]);
});

test("one more connection of somebody who is here is no news", () => {
  const topic = Topic.withAnn();
  const before = topic.conversation.entries.length;
  topic.hear("system:gateway", "system/presence", { event: "join", participant: { id: "bob", capabilities: FULL } });
  topic.hear("system:gateway", "system/presence", { event: "join", participant: { id: "ann", capabilities: FULL } });
  assert.equal(topic.conversation.entries.length, before);
  assert.deepEqual(topic.conversation.roster.get("bob").capabilities, FULL);
  assert.deepEqual(topic.notices, []);
});

test("nobody fills the queue, and what had no room is heard when it is sent again", () => {
  const topic = Topic.withAnn();
  for (let i = 0; i < 250; i += 1) topic.propose({ id: `p${i}` });
  topic.propose({ id: "of-bob", from: "bob" });
  assert.equal(topic.conversation.pending.length, 201);
  assert.equal(topic.ignored.length, 1);

  topic.fulfill("bob", { proposal: "p0" });
  topic.propose({ id: "p249" });
  assert.ok(topic.conversation.pending.some(({ id }) => id === "p249"));
});

test("a long day does not fill the memory, and no pending proposal is let go", () => {
  const topic = Topic.withAnn();
  topic.propose();
  for (let i = 0; i < 1_500; i += 1) topic.hear("bob", "chat", { text: String(i) });
  assert.equal(topic.conversation.entries.length, 1_000);
  assert.equal(topic.conversation.pending.length, 1);
});
