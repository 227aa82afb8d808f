/** A topic for tests of the conversation: a clock that stands still, and envelopes said in one line. */

import { Conversation } from "../../../gateway/http/pages/conversation.js";

export const FULL = ["mcp/*", "chat"];
export const PROPOSER = ["mcp/proposal:*", "chat"];
export const SERVER = ["mcp/response:*", "mcp/request:notifications/*", "chat"];

export class Topic {
  conversation = new Conversation();
  now = Date.parse("2025-08-26T14:00:00Z");
  notices = [];
  #numbers = 0;

  /** A topic in which ann has her seat, beside an agent that proposes and a server. */
  static withAnn(capabilities = FULL) {
    const topic = new Topic();
    topic.welcome("ann", capabilities, { agent: PROPOSER, files: SERVER, bob: FULL });
    return topic;
  }

  /** Let the seat hear an envelope; returns its id. */
  hear(from, kind, payload, { id = `env-${(this.#numbers += 1)}`, to, correlation, ...more } = {}) {
    const envelope = { protocol: "mcpx/v0.1", id, from, kind, payload, ...more };
    if (to) envelope.to = to;
    if (correlation) envelope.correlation_id = correlation;
    this.hearText(JSON.stringify(envelope));
    return id;
  }

  hearText(text) {
    this.note(this.conversation.receive(text, this.now));
  }

  note(changes) {
    this.notices.push(...changes.filter(({ what }) => what === "notice").map(({ text }) => text));
    return changes;
  }

  welcome(me, capabilities, others) {
    const participants = Object.entries(others).map(([id, held]) => ({ id, capabilities: held }));
    return this.hear("system:gateway", "system/welcome", { you: { id: me, capabilities }, participants }, { to: [me] });
  }

  /** The agent proposes to write a file; returns the proposal's id. */
  propose({ id = "p", to = ["files"], params = { name: "write_file", arguments: { path: "a.txt" } }, expiresAt = null, from = "agent" } = {}) {
    return this.hear(from, "mcp/proposal:tools/call:write_file", { method: "tools/call", params, expiresAt }, { id, to });
  }

  /** Somebody fulfills a proposal; returns the request's id. */
  fulfill(from, { proposal = "p", to = ["files"], params = { name: "write_file", arguments: { path: "a.txt" } }, kind = "mcp/request:tools/call:write_file", id } = {}) {
    return this.hear(from, kind, { jsonrpc: "2.0", id: 1, method: "tools/call", params }, { id, to, correlation: proposal });
  }

  /** Somebody answers a request. */
  answer(from, request, outcome = { result: { content: [] } }, { to = ["bob", "agent"], rpcId = 1, kind = "mcp/response:tools/call:write_file" } = {}) {
    return this.hear(from, kind, { jsonrpc: "2.0", id: rpcId, ...outcome }, { to, correlation: request });
  }

  stamp(id = `own-${(this.#numbers += 1)}`) {
    return { id, ts: new Date(this.now).toISOString(), now: this.now };
  }

  approve(id = "p", choice = { target: "files" }, stamp = this.stamp()) {
    const outcome = this.conversation.approve(id, choice, stamp);
    this.note(outcome.changes);
    return outcome;
  }

  reject(id = "p", choice = { reason: "denied", message: "no" }, stamp = this.stamp()) {
    const outcome = this.conversation.reject(id, choice, stamp);
    this.note(outcome.changes);
    return outcome;
  }

  proposal(id = "p") {
    return this.conversation.proposal(id);
  }

  get ignored() {
    return this.conversation.entries.filter(({ type }) => type === "ignored").map(({ from, why }) => `${from}: ${why}`);
  }
}
