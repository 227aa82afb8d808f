/**
 * What becomes of one proposal: what counts, and that it counts once.
 *
 * A fulfillment counts if it repeats the proposal's METHOD[:CONTEXT], goes to a
 * target that the proposal allows, and is not the proposer's own (MCPx 3.2.1).
 * A reject counts from one who could have fulfilled, a withdraw from the
 * proposer. In the topic's order the first that counts decides; what comes
 * later is kept and shown, and changes nothing. Expiry is this page's clock
 * only: the target decides, so a fulfillment seen after it is still followed.
 */

import { grants } from "./capabilities.js";
import { contextField, kindText, momentOf } from "./envelope.js";
import { isNumber, sameJson } from "./json.js";

/** JSON-RPC error of a target that does not run a fulfillment: somebody was first, or it came too late. */
export const NOT_FULFILLED = -32001;

/** Milliseconds from its `ts` for which a proposal stands that does not say (MCPx 10.2). */
const DEFAULT_LIFE_MS = 300_000;

/** The record that the page keeps of a proposal, as it was first heard. */
export function proposalFrom(envelope, now) {
  const { id, from, to, kind, payload, ts, text } = envelope;
  return {
    type: "proposal",
    id,
    from,
    to,
    method: kind.method,
    context: kind.context,
    params: payload.params,
    /** Milliseconds since 1970, or null: never. */
    expiresAt: expiryOf(payload.expiresAt, ts, now),
    ts,
    heardAt: now,
    text,
    /** pending, approved, rejected, withdrawn or expired. */
    status: "pending",
    /** True after a reconnect, until its proposer sends it again. */
    isStale: false,
    decidedBy: null,
    decidedAt: null,
    reason: null,
    message: "",
    /** The request that carries it out, once one counts. */
    fulfillment: null,
    /** Fulfillments that came later than the decision. */
    late: [],
    /** What this page last sent about it: {envelopeId, action, status, why}. */
    attempt: null,
  };
}

function expiryOf(expiresAt, ts, now) {
  if (expiresAt === null) return null;
  if (expiresAt !== undefined) return momentOf(expiresAt);
  return Math.min(now, momentOf(ts) ?? now) + DEFAULT_LIFE_MS;
}

/** The record of a request; a fulfillment is one too. */
export function requestFrom(envelope, now) {
  const { id, from, to, kind, payload, correlationId, ts, text } = envelope;
  return {
    type: "request",
    id,
    from,
    to,
    method: kind.method,
    context: kind.context,
    params: payload.params,
    rpcId: payload.id,
    correlationId,
    ts,
    heardAt: now,
    text,
    proposalId: null,
    isEdited: false,
    isCancelled: false,
    /** True once a connection was lost while it ran: its response may have been missed. */
    isUncertain: false,
    progress: null,
    logs: [],
    /** The first response that counts: {from, at, result|error, text}. */
    response: null,
    /** Who answered: one, unless everybody was asked. */
    answeredBy: new Set(),
  };
}

/** The tool, prompt or resource that is meant, also where the kind cannot say it. */
function named({ method, params }) {
  return params?.[contextField(method)];
}

/** Why a request is no fulfillment of the proposal, or null if it is one. */
export function whyNoFulfillment(proposal, request) {
  if (request.from === proposal.from) return "the proposer cannot approve its own proposal";
  if (request.method !== proposal.method || request.context !== proposal.context) return "it calls something else than was proposed";
  if (named(request) !== named(proposal)) return "it calls something else than was proposed";
  if (request.to.length !== 1) return "it does not name one target";
  if (proposal.to.length && !proposal.to.includes(request.to[0])) return `it goes to ${request.to[0]}, which the proposal does not name`;
  return null;
}

/** Why a reject of the proposal does not count, or null if it does. */
export function whyNoReject(proposal, kind, rejecterCapabilities) {
  if (kind.method !== proposal.method || kind.context !== proposal.context) return "it rejects something else than was proposed";
  if (!grants(rejecterCapabilities, kindText("mcp/request", proposal))) return "its sender could not have approved the proposal";
  return null;
}

/** Why a withdraw does not count, or null if it does. */
export function whyNoWithdraw(proposal, kind, sender) {
  if (kind.method !== proposal.method || kind.context !== proposal.context) return "it withdraws something else than was proposed";
  if (sender !== proposal.from) return "only the proposer withdraws a proposal";
  return null;
}

/** Why a response does not answer the request, or null if it does. */
export function whyNoResponse(request, envelope) {
  const { kind, from, to, payload } = envelope;
  if (request.to.length && !request.to.includes(from)) return "it answers a request that went to somebody else";
  if (kind.method !== request.method || kind.context !== request.context) return "it answers something else than was asked";
  if (!sameJson(payload.id, request.rpcId)) return "its JSON-RPC id is another";
  if (!to.includes(request.from)) return "it does not go to the one who asked";
  if (request.answeredBy.has(from)) return "the request is answered already";
  return null;
}

/** Let a request that counts carry the proposal out; the params may differ, and it is said when they do. */
export function fulfill(proposal, request) {
  request.proposalId = proposal.id;
  request.isEdited = !sameJson(request.params ?? {}, proposal.params ?? {});
  if (proposal.status !== "pending" && proposal.status !== "expired") {
    proposal.late.push(request);
    return false;
  }
  decide(proposal, "approved", request.from, request.heardAt);
  proposal.fulfillment = request;
  return true;
}

/** Settle a proposal; true if this decided it, false if something was first. */
export function decide(proposal, status, by, now, reason = null, message = "") {
  if (proposal.status !== "pending" && !(proposal.status === "expired" && status !== "expired")) return false;
  Object.assign(proposal, { status, decidedBy: by, decidedAt: now, reason, message, isStale: false });
  return true;
}

/** Whether a response says that the call did not do what it should. */
export function isFailure(response) {
  return response.error !== undefined || response.result.isError === true;
}

/** Whether a target said that it did not run a fulfillment, because it was not the first or not in time. */
export function isNotFulfilled(response) {
  return isNumber(response.error?.code) && Number(response.error.code) === NOT_FULFILLED;
}

/**
 * Where a proposal stands, in one word for the card:
 * pending, sending, approved, executed, failed, rejected, withdrawn or expired.
 */
export function stateOf(proposal) {
  if (proposal.status === "pending") return proposal.attempt?.status === "sending" ? "sending" : "pending";
  if (proposal.status !== "approved") return proposal.status;
  const { response, isCancelled } = proposal.fulfillment;
  if (response === null) return isCancelled ? "failed" : "approved";
  return isFailure(response) ? "failed" : "executed";
}
