/**
 * What stands against a decision, seen from one seat: {me, roster, isOnline}.
 *
 * The gateway and the target decide; this says beforehand, in a sentence, what
 * they would say.
 */

import { grants } from "./capabilities.js";
import { contextField, kindText } from "./envelope.js";

/**
 * Why this seat may not approve or reject a proposal now.
 *
 * @returns {{approve: string|null, reject: string|null, missing: string|null}}
 *   sentences, null where nothing stands against it; `missing` is the capability lacked
 */
export function obstacles(seat, proposal, now) {
  const neither = whyNoDecision(seat, proposal, now);
  if (neither !== null) return { approve: neither, reject: neither, missing: null };
  const kind = kindText("mcp/request", proposal);
  if (!grants(seat.me.capabilities, kind)) {
    const why = `You lack the capability ${kind}.`;
    return { approve: why, reject: why, missing: kind };
  }
  return { approve: whyNoApproval(seat, proposal), reject: null, missing: null };
}

function whyNoDecision(seat, proposal, now) {
  if (proposal.status !== "pending") return "It is decided already.";
  if (proposal.expiresAt !== null && now >= proposal.expiresAt) return "It has expired.";
  if (proposal.attempt?.status === "sending") return "Your decision is on its way.";
  if (!seat.isOnline) return "You are offline.";
  return null;
}

function whyNoApproval(seat, proposal) {
  if (proposal.from === seat.me.id) return "You proposed this; somebody else has to approve it.";
  if (targets(seat, proposal).some((target) => target.isHere)) return null;
  return proposal.to.length ? `${proposal.to.join(", ")} is not here now.` : "Nobody is here who could do it.";
}

/**
 * To whom a fulfillment may go: those whom the proposal names, or else
 * everybody else here who may answer such a request.
 *
 * @returns {{id: string, isHere: boolean}[]}
 */
export function targets(seat, proposal) {
  if (proposal.to.length) return proposal.to.map((id) => ({ id, isHere: seat.roster.has(id) }));
  const kind = kindText("mcp/response", proposal);
  return [...seat.roster.values()]
    .filter((peer) => peer.id !== proposal.from && peer.id !== seat.me?.id && grants(peer.capabilities, kind))
    .map((peer) => ({ id: peer.id, isHere: true }));
}

/** Why a fulfillment may not go to this target, or null. */
export function whyNoTarget(seat, proposal, target) {
  const found = targets(seat, proposal).find((candidate) => candidate.id === target);
  if (found === undefined) return "Choose who should do it.";
  return found.isHere ? null : `${target} is not here now.`;
}

/** Why params may not be edited like this, or null: another tool, prompt or resource is another proposal. */
export function whyNoEdit(proposal, params) {
  if (params === undefined) return null;
  const field = contextField(proposal.method);
  if (field === null || params[field] === proposal.params?.[field]) return null;
  return `params.${field} may not change: approve the call that was proposed, or reject it.`;
}

/** Why this seat may not chat now, or null. */
export function chatObstacle(seat) {
  if (!seat.isOnline) return "You are offline; what you write stays here.";
  return grants(seat.me.capabilities, "chat") ? null : "You lack the capability chat.";
}
