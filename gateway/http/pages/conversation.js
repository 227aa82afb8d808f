/**
 * What a topic looks like from one seat: envelopes in, changes out.
 *
 * No DOM, no WebSocket, no clock and no randomness: the time of each frame,
 * ids and timestamps are arguments. Every method returns the changes that the
 * view should show; the rules for one proposal are in `proposals.js`.
 *
 * A change is `{what, …}`:
 *   added, changed, dropped  {entry}   of the timeline
 *   roster, me, pending                ask `roster`, `me`, `pending` again
 *   notice                   {tone: "good"|"info"|"bad", text}
 */

import { encodeEnvelope, EnvelopeRefused, GATEWAY_ID, kindText, parseEnvelope } from "./envelope.js";
import { isNumber, sameJson } from "./json.js";
import { Log, Memory } from "./log.js";
import { chatObstacle, obstacles, targets, whyNoEdit, whyNoTarget } from "./obstacles.js";
import {
  decide,
  fulfill,
  isNotFulfilled,
  proposalFrom,
  requestFrom,
  whyNoFulfillment,
  whyNoReject,
  whyNoResponse,
  whyNoWithdraw,
} from "./proposals.js";

/** Log lines of one call that are kept. */
const MAX_LOGS = 50;
/** Proposals of one participant that may wait here at once; more cannot be looked at. */
const MAX_PENDING_EACH = 200;
/** Decisions kept about a proposal not heard of yet, and how many of one sender: nobody crowds out the others. */
const MAX_EARLY = 32;
const MAX_EARLY_EACH = 2;

export class Conversation {
  /** Who this page is: {id, capabilities}; null before the first welcome. */
  me = null;
  /** Everybody here, oneself included: id → {id, capabilities}. */
  roster = new Map();
  isOnline = false;

  #log = new Log((proposal) => this.#proposals.delete(proposal.id));
  #proposals = new Map();
  #requests = new Memory(10_000);
  /** Who used an id first. */
  #ids = new Memory(32_768);
  /** Decisions about proposals not heard of yet, by the proposal's id. */
  #early = new Memory(1_000);
  /** What this page sent and has not heard back: envelope id → proposal or chat entry. */
  #sent = new Map();
  #lostSince = null;
  #nextRpcId = 1;

  /** The timeline, oldest first. */
  get entries() {
    return this.#log.entries;
  }

  /** Pending proposals, oldest first. */
  get pending() {
    return [...this.#proposals.values()].filter((proposal) => proposal.status === "pending");
  }

  proposal(id) {
    return this.#proposals.get(id) ?? null;
  }

  // ---- what is heard

  /**
   * Take one frame.
   *
   * @param {string} text
   * @param {number} now  milliseconds since 1970
   * @returns {object[]} changes
   */
  receive(text, now) {
    let envelope;
    try {
      envelope = parseEnvelope(text);
    } catch (error) {
      if (!(error instanceof EnvelopeRefused)) throw error;
      if (error.id !== null && error.sender !== null && !this.#ids.has(error.id)) this.#ids.set(error.id, error.sender);
      this.#log.ignore(error.sender ?? "somebody", error.message, now);
      return this.#log.flush();
    }
    // The gateway's envelopes are outside the rule of ids: else whoever guesses
    // the id of the next presence could make everybody drop it.
    if (envelope.kind.family.startsWith("system/")) {
      this.#hearGateway(envelope, now);
    } else if (this.#ids.has(envelope.id) || this.#proposals.has(envelope.id)) {
      this.#hearAgain(envelope, now);
    } else {
      this.#ids.set(envelope.id, envelope.from);
      this.#hear(envelope, now);
    }
    return this.#log.flush();
  }

  #hear(envelope, now) {
    switch (envelope.kind.family) {
      case "chat": return this.#hearChat(envelope, now);
      case "mcp/proposal": return this.#hearProposal(envelope, now);
      case "mcp/request": return this.#hearRequest(envelope, now);
      case "mcp/response": return this.#hearResponse(envelope, now);
      case "mcp/reject":
      case "mcp/withdraw": return this.#hearDecision(envelope, now, this.#capabilitiesOf(envelope.from));
      default: return this.#log.add({ type: "other", ...header(envelope, now) });
    }
  }

  #hearGateway(envelope, now) {
    const { kind, payload } = envelope;
    if (kind.text === "system/welcome") this.#hearWelcome(payload, now);
    else if (kind.text === "system/presence") this.#hearPresence(payload, now);
    else if (kind.text === "system/error") this.#hearError(envelope, now);
  }

  /** A welcome begins a connection, or says that one's capabilities have changed (MCPx 3.5.1). */
  #hearWelcome({ you, participants }, now) {
    const before = this.isOnline ? this.me : null;
    if (this.me !== null && this.me.id !== you.id) {
      this.#log.ignore(GATEWAY_ID, "its welcome is for another", now);
      return;
    }
    const peer = ({ id, capabilities = [] }) => ({ id, capabilities: [...capabilities] });
    this.me = peer(you);
    this.roster = new Map(participants.map((other) => [other.id, peer(other)]));
    this.roster.set(you.id, { ...this.me });
    this.isOnline = true;
    if (this.#lostSince !== null) {
      this.#log.add({ type: "gap", key: `gap-${now}`, from: this.#lostSince, until: now, heardAt: now });
      this.#lostSince = null;
    }
    if (before !== null) this.#tellChange(you.id, before.capabilities, this.me.capabilities, now);
    this.#log.tell({ what: "me" }, { what: "roster" });
    for (const proposal of this.pending) this.#log.tell({ what: "changed", entry: proposal });
  }

  #hearPresence({ event, participant }, now) {
    const { id, capabilities = [] } = participant;
    const before = this.roster.get(id);
    if (event === "leave") {
      if (before === undefined) return;
      this.roster.delete(id);
      this.#log.add({ type: "presence", key: `leave-${id}-${now}`, event, id, heardAt: now });
    } else {
      this.roster.set(id, { id, capabilities: [...capabilities] });
      if (before === undefined) this.#log.add({ type: "presence", key: `join-${id}-${now}`, event, id, capabilities, heardAt: now });
      else this.#tellChange(id, before.capabilities, capabilities, now);
    }
    this.#log.tell({ what: "roster" });
    for (const proposal of this.pending) this.#log.tell({ what: "changed", entry: proposal });
  }

  #tellChange(id, before, after, now) {
    const added = after.filter((pattern) => !before.includes(pattern));
    const removed = before.filter((pattern) => !after.includes(pattern));
    if (added.length + removed.length === 0) return;
    this.#log.add({ type: "presence", key: `change-${id}-${now}`, event: "change", id, added, removed, heardAt: now });
    if (id === this.me.id) this.#log.notice("info", "Your capabilities have changed.");
  }

  /** A refusal of something that this page sent (MCPx 3.5.2). */
  #hearError({ correlationId, payload }, now) {
    const why = typeof payload.message === "string" && payload.message !== "" ? payload.message : payload.error;
    const subject = correlationId === null ? undefined : this.#sent.get(correlationId);
    if (subject === undefined) {
      this.#log.notice("bad", `The gateway refused something: ${why}`);
      return;
    }
    this.#sent.delete(correlationId);
    if (subject.type === "chat") subject.status = "refused";
    if (subject.type === "proposal" && subject.attempt?.envelopeId === correlationId) {
      subject.attempt = { ...subject.attempt, status: "refused", why };
    }
    subject.why = why;
    this.#log.tell({ what: "changed", entry: subject });
    this.#log.notice("bad", `Not sent: ${why}`);
  }

  #hearChat(envelope, now) {
    const mine = this.#sent.get(envelope.id);
    if (mine?.type === "chat" && envelope.from === this.me?.id) {
      this.#sent.delete(envelope.id);
      mine.status = null;
      this.#log.tell({ what: "changed", entry: mine });
      return;
    }
    const { text, format = "plain" } = envelope.payload;
    this.#log.add({ type: "chat", ...header(envelope, now), said: text, format, status: null, why: "" });
  }

  #hearProposal(envelope, now) {
    const proposal = proposalFrom(envelope, now);
    if (this.pending.filter(({ from }) => from === proposal.from).length >= MAX_PENDING_EACH) {
      this.#ids.delete(proposal.id); // sent again when there is room, it is heard
      this.#log.ignore(proposal.from, `${MAX_PENDING_EACH} of its proposals wait already`, now);
      return;
    }
    this.#proposals.set(proposal.id, proposal);
    this.#log.add(proposal);
    this.#log.tell({ what: "pending" });
    // Heard late, by being sent again: what was decided meanwhile came before it.
    const early = this.#early.get(proposal.id) ?? [];
    this.#early.delete(proposal.id);
    for (const { request, envelope: decision, capabilities } of early) {
      if (request !== undefined) this.#takeFulfillment(proposal, request, now);
      else this.#decideBy(proposal, decision, now, capabilities);
    }
    this.#expire(proposal, now);
  }

  /** An id that was heard before: of interest only if a proposer says that its proposal still stands. */
  #hearAgain(envelope, now) {
    const proposal = this.#proposals.get(envelope.id);
    const first = proposal?.from ?? this.#ids.get(envelope.id); // proposals are remembered longer than ids
    if (first !== envelope.from) {
      this.#log.ignore(envelope.from, `it used the id of an envelope of ${first}`, now);
      return;
    }
    if (proposal === undefined || envelope.kind.family !== "mcp/proposal") return;
    const again = proposalFrom(envelope, now);
    const isSame =
      again.method === proposal.method &&
      again.context === proposal.context &&
      sameJson(again.to, proposal.to) &&
      sameJson(again.params ?? null, proposal.params ?? null);
    if (!isSame) {
      this.#log.ignore(envelope.from, "it sent another proposal under an id that it had used", now);
      return;
    }
    if (proposal.status !== "pending") return;
    proposal.isStale = false;
    if (proposal.attempt?.status === "unconfirmed") proposal.attempt = null;
    this.#log.tell({ what: "changed", entry: proposal });
  }

  #hearRequest(envelope, now) {
    const { kind, correlationId } = envelope;
    if (kind.method.startsWith("notifications/")) {
      this.#hearNotification(envelope, now);
      return;
    }
    this.#sent.delete(envelope.id);
    const request = requestFrom(envelope, now);
    const proposal = this.#proposals.get(correlationId);
    const why = proposal === undefined ? null : whyNoFulfillment(proposal, request);
    if (why !== null) {
      // Its target will not act on it either.
      this.#log.ignore(request.from, `its request does not approve the proposal it names: ${why}`, now);
      return;
    }
    this.#requests.set(request.id, request);
    if (proposal !== undefined) {
      this.#takeFulfillment(proposal, request, now);
      return;
    }
    if (correlationId !== null) this.#keepEarly(correlationId, request.from, { request });
    this.#log.add(request);
  }

  #takeFulfillment(proposal, request, now) {
    if (whyNoFulfillment(proposal, request) !== null) return;
    this.#log.drop(request);
    const isFirst = fulfill(proposal, request);
    if (isFirst) this.#settled(proposal, now);
    else this.#log.tell({ what: "changed", entry: proposal });
  }

  #hearDecision(envelope, now, capabilities) {
    this.#sent.delete(envelope.id);
    const proposal = this.#proposals.get(envelope.correlationId);
    if (proposal === undefined) this.#keepEarly(envelope.correlationId, envelope.from, { envelope, capabilities });
    else this.#decideBy(proposal, envelope, now, capabilities);
  }

  #decideBy(proposal, { kind, from, payload }, now, capabilities) {
    const isReject = kind.family === "mcp/reject";
    const why = isReject ? whyNoReject(proposal, kind, capabilities) : whyNoWithdraw(proposal, kind, from);
    if (why !== null) {
      this.#log.ignore(from, `its ${isReject ? "reject" : "withdraw"} does not count: ${why}`, now);
      return;
    }
    const status = isReject ? "rejected" : "withdrawn";
    if (proposal.status === "expired") return;
    if (decide(proposal, status, from, now, payload.reason, payload.message ?? "")) this.#settled(proposal, now);
  }

  /** A proposal is decided: say so, above all to whoever was about to decide it. */
  #settled(proposal) {
    const { attempt, decidedBy, status } = proposal;
    if (attempt !== null && decidedBy !== this.me?.id) {
      const did = { approved: "approved", rejected: "rejected", withdrawn: "withdrew" }[status];
      this.#log.notice("info", `${decidedBy} ${did} first.`);
    }
    this.#log.tell({ what: "changed", entry: proposal }, { what: "pending" });
  }

  /** A response counts only from the one who was asked, to the one who asked (MCPx 3.1.2). */
  #hearResponse(envelope, now) {
    const request = this.#requests.get(envelope.correlationId);
    if (request === undefined) {
      this.#log.add({ type: "unasked", ...header(envelope, now) });
      return;
    }
    const why = whyNoResponse(request, envelope);
    if (why !== null) {
      this.#log.ignore(envelope.from, `its response does not count: ${why}`, now);
      return;
    }
    const { result, error } = envelope.payload;
    request.answeredBy.add(envelope.from);
    request.response ??= { from: envelope.from, at: now, result, error, text: envelope.text };
    const proposal = this.#proposals.get(request.proposalId);
    if (proposal !== undefined && isNotFulfilled(request.response) && request.from === this.me?.id && request === proposal.fulfillment) {
      this.#log.notice("info", `${envelope.from} did not run it: ${error.message}`);
    }
    this.#log.tell({ what: "changed", entry: proposal ?? request });
  }

  /** Progress and logs come from the one who was asked, a cancellation from the one who asked. */
  #hearNotification(envelope, now) {
    const { kind, from, correlationId, payload } = envelope;
    const request = this.#requests.get(correlationId);
    if (request === undefined) {
      if (correlationId === null) this.#log.add({ type: "other", ...header(envelope, now) });
      return;
    }
    const isCancel = kind.method === "notifications/cancelled";
    if (isCancel ? from !== request.from : request.to.length > 0 && !request.to.includes(from)) {
      this.#log.ignore(from, `its ${kind.method} belongs to a request of others`, now);
      return;
    }
    const params = payload.params ?? {};
    if (isCancel) request.isCancelled = true;
    else if (kind.method === "notifications/progress" && isNumber(params.progress)) {
      request.progress = { done: Number(params.progress), total: isNumber(params.total) ? Number(params.total) : null, message: typeof params.message === "string" ? params.message : "" };
    } else if (kind.method === "notifications/message" && request.logs.length < MAX_LOGS) request.logs.push(params.data ?? null);
    this.#log.tell({ what: "changed", entry: this.#proposals.get(request.proposalId) ?? request });
  }

  // ---- what passes

  /**
   * The connection has ended.
   *
   * What was sent and not heard back may or may not have arrived: it is said,
   * and nothing is sent again by itself.
   *
   * @param {number} since  milliseconds since 1970 up to which nothing was missed
   * @returns {object[]} changes
   */
  lost(since) {
    if (this.isOnline) this.#lostSince = since;
    this.isOnline = false;
    for (const proposal of this.#proposals.values()) {
      if (proposal.status === "pending") proposal.isStale = true;
      if (proposal.attempt?.status === "sending") proposal.attempt = { ...proposal.attempt, status: "unconfirmed" };
      this.#log.tell({ what: "changed", entry: proposal });
    }
    for (const request of this.#requests.values()) {
      if (request.response !== null || request.isUncertain) continue;
      request.isUncertain = true;
      if (request.proposalId === null) this.#log.tell({ what: "changed", entry: request });
    }
    for (const subject of this.#sent.values()) {
      if (subject.type !== "chat") continue;
      subject.status = "unconfirmed";
      this.#log.tell({ what: "changed", entry: subject });
    }
    this.#sent.clear();
    this.#log.tell({ what: "me" }, { what: "roster" });
    return this.#log.flush();
  }

  /** Let proposals expire whose time is over. */
  tick(now) {
    for (const proposal of this.pending) this.#expire(proposal, now);
    return this.#log.flush();
  }

  #expire(proposal, now) {
    if (proposal.status !== "pending" || proposal.expiresAt === null || now < proposal.expiresAt) return;
    decide(proposal, "expired", null, proposal.expiresAt);
    this.#log.tell({ what: "changed", entry: proposal }, { what: "pending" });
  }

  // ---- what is said

  /** As `obstacles`, from this seat. */
  obstacles(proposal, now) {
    return obstacles(this, proposal, now);
  }

  /** As `targets`, from this seat. */
  targets(proposal) {
    return targets(this, proposal);
  }

  /** Why this page may not chat now, or null. */
  get chatObstacle() {
    return chatObstacle(this);
  }

  /**
   * Approve a proposal: carry it out with exactly its params, or with edited ones.
   *
   * @param {string} id  the proposal's
   * @param {{target: string, params?: object}} choice  `params` only where edited
   * @param {{id: string, ts: string, now: number}} stamp  of the envelope to send
   * @returns {{frame: string|null, why: string|null, changes: object[]}}
   */
  approve(id, { target, params }, stamp) {
    const proposal = this.#proposals.get(id);
    const why = this.obstacles(proposal, stamp.now).approve ?? whyNoTarget(this, proposal, target) ?? whyNoEdit(proposal, params);
    if (why !== null) return { frame: null, why, changes: [] };
    const isEdited = params !== undefined && !sameJson(params, proposal.params ?? {});
    const call = { jsonrpc: "2.0", id: this.#nextRpcId, method: proposal.method, params: isEdited ? params : proposal.params };
    this.#nextRpcId += 1;
    return this.#attempt(proposal, "approve", stamp, { to: [target], kind: kindText("mcp/request", proposal), payload: call });
  }

  /** Reject a proposal, for all to see; `reason` is one of REJECT_REASONS. Returns as `approve` does. */
  reject(id, { reason, message }, stamp) {
    const proposal = this.#proposals.get(id);
    const why = this.obstacles(proposal, stamp.now).reject;
    if (why !== null) return { frame: null, why, changes: [] };
    return this.#attempt(proposal, "reject", stamp, { to: [], kind: kindText("mcp/reject", proposal), payload: { reason, message } });
  }

  #attempt(proposal, action, stamp, parts) {
    proposal.attempt = { envelopeId: stamp.id, action, status: "sending", why: "" };
    this.#sent.set(stamp.id, proposal);
    this.#log.tell({ what: "changed", entry: proposal });
    const frame = encodeEnvelope({ id: stamp.id, ts: stamp.ts, from: this.me.id, correlationId: proposal.id, ...parts });
    return { frame, why: null, changes: this.#log.flush() };
  }

  /** Say something to all. Returns as `approve` does. */
  say(text, stamp) {
    const why = this.chatObstacle;
    if (why !== null) return { frame: null, why, changes: [] };
    const envelope = { id: stamp.id, ts: stamp.ts, from: this.me.id, kind: "chat", payload: { text, format: "plain" } };
    const frame = encodeEnvelope(envelope);
    const entry = { type: "chat", key: stamp.id, id: stamp.id, from: this.me.id, to: [], correlationId: null, ts: stamp.ts, heardAt: stamp.now, text: frame, said: text, format: "plain", status: "sending", why: "" };
    this.#sent.set(stamp.id, entry);
    this.#log.add(entry);
    return { frame, why: null, changes: this.#log.flush() };
  }

  // ---- within

  #capabilitiesOf(id) {
    return this.roster.get(id)?.capabilities ?? [];
  }

  #keepEarly(proposalId, from, decision) {
    const known = this.#early.get(proposalId) ?? [];
    const ofSender = known.filter((other) => other.from === from).length;
    if (known.length < MAX_EARLY && ofSender < MAX_EARLY_EACH) known.push({ from, ...decision });
    this.#early.set(proposalId, known);
  }
}

function header({ id, from, to, kind, correlationId, ts, text }, now) {
  return { id, from, to, kind, correlationId, ts, text, heardAt: now };
}
