/**
 * The wire unit, read as a participant must read it (MCPx 3; 4.3).
 *
 * The gateway checks the header and never looks inside the payload. So the
 * page checks everything: an envelope whose kind says one thing and whose
 * payload says another is refused here, before anybody sees it as true.
 */

import { isReservedKind } from "./capabilities.js";
import { encodeJson, isInteger, isObject, JsonRefused, parseJson } from "./json.js";

export const PROTOCOL = "mcpx/v0.1";
export const GATEWAY_ID = "system:gateway";

export const REJECT_REASONS = ["denied", "policy", "invalid", "expired", "busy"];
export const WITHDRAW_REASONS = ["no_longer_needed", "superseded", "timeout"];

const HEADER = ["protocol", "id", "ts", "from", "to", "kind", "correlation_id", "payload"];
const MAX_KIND_CHARACTERS = 2048;
const MAX_TO = 256;
const PRINTABLE = /^[\x20-\x7e]*$/;
const ID = /^[\x20-\x7e]{1,128}$/;
const KIND = /^[\x21-\x7e]+$/;
const PARTICIPANT = /^(?!system)[A-Za-z0-9._@-]{1,128}$/i;
const RFC3339 = /^(?!0000)(\d{4})-(\d{2})-(\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/** Where the context of a kind stands in `params`; other methods have no context. */
const CONTEXT_FIELD = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
  "resources/subscribe": "uri",
  "resources/unsubscribe": "uri",
};

/** An envelope that does not count; `sender` and `id` as far as they could be read. */
export class EnvelopeRefused extends Error {
  constructor(why, sender = null, id = null) {
    super(why);
    this.sender = sender;
    this.id = id;
  }
}

/**
 * A kind, split into its parts (MCPx 3.1). Only the first two colons separate.
 *
 * @param {string} text
 * @returns {{text: string, family: string, method: string|null, context: string|null}}
 * @throws {EnvelopeRefused}
 */
export function parseKind(text) {
  if (!KIND.test(text) || text.length > MAX_KIND_CHARACTERS) throw new EnvelopeRefused("its kind is no kind");
  const [family, method = null, ...rest] = text.split(":");
  const context = rest.length ? rest.join(":") : null;
  if (family === "" || method === "" || context === "") throw new EnvelopeRefused("a part of its kind is empty");
  if (family.includes("*") || method?.includes("*")) throw new EnvelopeRefused("its kind holds '*'");
  return { text, family, method, context };
}

/** The same method and context under another family, as a fulfillment or reject has it. */
export function kindText(family, { method, context }) {
  return context === null ? `${family}:${method}` : `${family}:${method}:${context}`;
}

/** Name of the `params` member that the method's context repeats, or null. */
export function contextField(method) {
  return Object.hasOwn(CONTEXT_FIELD, method) ? CONTEXT_FIELD[method] : null;
}

/** The moment that an RFC 3339 text names, in milliseconds since 1970, or null. */
export function momentOf(text) {
  const found = typeof text === "string" ? RFC3339.exec(text) : null;
  if (found === null) return null;
  const [, year, month, day] = found.map(Number);
  // `Date` takes February 30th for March 2nd.
  if (day < 1 || new Date(Date.UTC(year, month - 1, day)).getUTCDate() !== day || month < 1 || month > 12) return null;
  return Date.parse(text.toUpperCase().replace(/(T\d\d:\d\d):60/, "$1:59"));
}

/**
 * Read one envelope, header and payload.
 *
 * @param {string} text  one frame
 * @returns {{id: string, from: string, to: string[], kind: object,
 *   correlationId: string|null, ts: string|null, payload: object, text: string}}
 * @throws {EnvelopeRefused} it breaks a rule; the message says which
 */
export function parseEnvelope(text) {
  let fields;
  try {
    fields = parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonRefused)) throw error;
    throw new EnvelopeRefused(`it is no JSON that all readers read alike: ${error.message}`);
  }
  if (!isObject(fields)) throw new EnvelopeRefused("it is no JSON object");
  const sender = typeof fields.from === "string" && PRINTABLE.test(fields.from) ? fields.from : null;
  const id = typeof fields.id === "string" && ID.test(fields.id) ? fields.id : null;
  try {
    const envelope = readHeader(fields, text);
    checkPayload(envelope);
    return envelope;
  } catch (error) {
    if (error instanceof EnvelopeRefused) throw new EnvelopeRefused(error.message, sender, id);
    throw error;
  }
}

function readHeader(fields, text) {
  demand(fields.protocol === PROTOCOL, "its protocol is another");
  for (const name of Object.keys(fields)) {
    const folded = name.toLowerCase();
    demand(!HEADER.includes(folded) || name === folded, `'${folded}' stands there in other letter case`);
    demand(folded !== "auth", "it carries a credential");
  }
  const { id, from, to = [], ts = null, payload } = fields;
  const correlationId = fields.correlation_id ?? null;
  demand(typeof id === "string" && ID.test(id), "its id is none");
  demand(from === GATEWAY_ID || (typeof from === "string" && PARTICIPANT.test(from)), "its sender is no participant");
  demand(typeof fields.kind === "string", "its kind is no text");
  demand(fields.correlation_id !== null && (correlationId === null || (typeof correlationId === "string" && PRINTABLE.test(correlationId))), "its correlation_id is no text");
  demand(fields.ts !== null && (ts === null || momentOf(ts) !== null), "its ts is no timestamp");
  demand(Array.isArray(to) && to.length <= MAX_TO && to.every((name) => typeof name === "string" && PARTICIPANT.test(name)), "its 'to' is no list of participants");
  demand(isObject(payload), "its payload is no object");
  return { id, from, to, kind: parseKind(fields.kind), correlationId, ts, payload, text };
}

function demand(holds, why) {
  if (!holds) throw new EnvelopeRefused(why);
}

/** Kind against payload (MCPx 4.3): METHOD and CONTEXT in both must be the same. */
function checkPayload(envelope) {
  const { kind, from, payload } = envelope;
  if (isReservedKind(kind.text)) {
    demand(from === GATEWAY_ID, "only the gateway sends system envelopes");
    demand(kind.family.startsWith("system/"), "no system kind that the gateway sends");
    checkSystem(envelope);
    return;
  }
  demand(from !== GATEWAY_ID, "the gateway sends system envelopes only");
  const check = PAYLOADS[kind.family];
  if (check === undefined) {
    demand(!kind.family.startsWith("mcp/"), `'${kind.family}' is no family of MCPx`);
    return;
  }
  if (kind.family.startsWith("mcp/")) demandNoCredential(envelope.payload);
  check(envelope);
}

function checkSystem({ kind, to, payload }) {
  if (kind.text === "system/welcome") {
    demand(isPeer(payload.you), "the welcome does not say who you are");
    demand(Array.isArray(payload.participants) && payload.participants.every(isPeer), "the welcome has no roster");
    demand(to.length === 1 && to[0] === payload.you.id, "it welcomes another");
  } else if (kind.text === "system/presence") {
    demand(payload.event === "join" || payload.event === "leave", "presence is join or leave");
    demand(isPeer(payload.participant), "presence names no participant");
  } else if (kind.text === "system/error") {
    demand(typeof payload.error === "string", "the error has no code");
  }
}

function isPeer(peer) {
  if (!isObject(peer) || typeof peer.id !== "string" || !PARTICIPANT.test(peer.id)) return false;
  if (peer.capabilities === undefined) return true;
  return Array.isArray(peer.capabilities) && peer.capabilities.every((pattern) => typeof pattern === "string");
}

const PAYLOADS = {
  chat({ kind, payload }) {
    demand(kind.method === null, "chat has no method");
    demand(typeof payload.text === "string", "chat without a text");
    demand([undefined, "plain", "markdown"].includes(payload.format), "chat in an unknown format");
  },

  "mcp/request"({ kind, payload }) {
    demand(payload.jsonrpc === "2.0", "its payload is no JSON-RPC 2.0");
    demandNone(payload, ["result", "error"]);
    checkCall(kind, payload);
    if (kind.method.startsWith("notifications/")) demandNone(payload, ["id"]);
    else demand(isRpcId(payload.id), "a request without an id");
  },

  "mcp/proposal"({ kind, payload, correlationId }) {
    demand(correlationId === null, "a proposal has no correlation_id");
    checkCall(kind, payload);
    demand(!kind.method.startsWith("notifications/"), "a notification is not proposed");
    const { expiresAt } = payload;
    demand(expiresAt === undefined || expiresAt === null || momentOf(expiresAt) !== null, "its expiresAt is no timestamp");
  },

  "mcp/response"({ kind, payload, correlationId }) {
    demand(kind.method !== null, "its kind names no method");
    demand(correlationId !== null, "a response without correlation_id");
    demand(payload.jsonrpc === "2.0", "its payload is no JSON-RPC 2.0");
    const { result, error } = payload;
    demandNone(payload, ["method"]);
    demand((result === undefined) !== (error === undefined), "neither result nor error, or both");
    demand(isRpcId(payload.id), "a response without an id");
    demand(result === undefined || isObject(result), "its result is no object");
    demand(error === undefined || (isObject(error) && isInteger(error.code) && typeof error.message === "string"), "its error is none");
  },

  "mcp/reject": (envelope) => checkDecision(envelope, REJECT_REASONS),
  "mcp/withdraw": (envelope) => checkDecision(envelope, WITHDRAW_REASONS),
};

/** Refuse a credential: in a broadcast it is everybody's. */
function demandNoCredential(payload) {
  demand(!Object.keys(payload).some((name) => name.toLowerCase() === "auth"), "its payload holds a credential");
}

/** Refuse what one reader would take for a request and another for a response. */
function demandNone(payload, names) {
  for (const name of names) demand(payload[name] === undefined, `its payload has a '${name}', which does not belong there`);
}

function checkCall(kind, payload) {
  const { method, params } = payload;
  demand(kind.method !== null, "its kind names no method");
  demand(method === kind.method, "kind and payload name different methods");
  demand(params === undefined || isObject(params), "its params are no object");
  const field = contextField(method);
  if (field === null) {
    demand(kind.context === null, `'${method}' has no context`);
    return;
  }
  demand(typeof params?.[field] === "string", `params.${field} is missing`);
  demand(kind.context === null || kind.context === params[field], "kind and payload name different contexts");
}

function checkDecision({ kind, payload, correlationId }, reasons) {
  demand(kind.method !== null, "its kind names no method");
  demand(correlationId !== null, "it names no proposal");
  demand(reasons.includes(payload.reason), "its reason is unknown");
  demand(payload.message === undefined || typeof payload.message === "string", "its message is no text");
}

function isRpcId(id) {
  return typeof id === "string" || isInteger(id);
}

/**
 * Write one envelope.
 *
 * @param {{id: string, ts: string, from: string, to?: string[], kind: string,
 *   correlationId?: string|null, payload: object}} parts
 * @returns {string} one frame
 */
export function encodeEnvelope({ id, ts, from, to = [], kind, correlationId = null, payload }) {
  const fields = { protocol: PROTOCOL, id, ts, from };
  if (to.length) fields.to = to;
  fields.kind = kind;
  if (correlationId !== null) fields.correlation_id = correlationId;
  fields.payload = payload;
  return encodeJson(fields);
}
