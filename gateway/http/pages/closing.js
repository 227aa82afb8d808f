/**
 * Why a connection ended, and what to do then.
 *
 * One row per close code of the gateway. `atLeast` are milliseconds to wait
 * before the next attempt; the back-off may wait longer.
 */

const ROWS = {
  1000: { reconnect: false, title: "Disconnected", detail: "The gateway closed the connection as asked." },
  1002: { reconnect: true, title: "Connection lost", detail: "Something on the way broke the connection." },
  1003: { reconnect: false, title: "Disconnected", detail: "The gateway accepts text frames only." },
  1007: { reconnect: false, title: "Disconnected", detail: "The gateway could not read what this page sent." },
  1009: { reconnect: true, title: "Too large", detail: "What was sent last is larger than the gateway accepts." },
  1011: { reconnect: true, atLeast: 2_000, title: "Gateway error", detail: "The gateway had an internal error." },
  1012: { reconnect: true, title: "Gateway restarting", detail: "The gateway is going away for a moment." },
  4401: { reconnect: false, forget: true, title: "Your token has expired", detail: "Ask for a new invite link and open it in this tab." },
  4403: { reconnect: false, forget: true, title: "Your access was revoked", detail: "This token is no longer accepted. Ask an admin if you think that this is wrong." },
  4408: { reconnect: true, title: "Connection lost", detail: "The gateway did not hear from this page." },
  4410: { reconnect: true, atLeast: 5_000, title: "Disconnected by an admin", detail: "You may come back." },
  4413: { reconnect: true, title: "This page was too slow", detail: "The gateway could not wait for it." },
  4429: { reconnect: true, atLeast: 10_000, title: "Too many refused envelopes", detail: "The gateway asks for a pause." },
};

const UNKNOWN = { reconnect: true, title: "Connection lost", detail: "The gateway cannot be reached." };

/** What a close code means: {reconnect, atLeast, forget, title, detail}. */
export function closing(code) {
  return { atLeast: 0, forget: false, ...(Object.hasOwn(ROWS, code) ? ROWS[code] : UNKNOWN) };
}

/**
 * What the answer to a plain request says about a failed upgrade, which a
 * browser cannot read itself.
 *
 * @param {number} status  of the HTTP answer; 0 when there was none
 * @param {{title?: string, detail?: string}} problem  its problem+json
 * @param {string|null} retryAfter  its header, in seconds
 * @returns the same as `closing`
 */
export function refusal(status, problem, retryAfter) {
  const said = { title: textOr(problem.title, "The gateway refused"), detail: textOr(problem.detail, `It answered ${status}.`) };
  const seconds = /^\d+$/.test(retryAfter ?? "") ? Number(retryAfter) : 0;
  const wait = { reconnect: true, atLeast: Math.min(seconds, 60) * 1000, forget: false };
  if (status === 401) return { ...said, reconnect: false, forget: true, atLeast: 0, detail: `${said.detail} Ask for a new invite link.` };
  if (status === 403) return { ...said, reconnect: false, forget: false, atLeast: 0, detail: `${said.detail} Ask for a link to this topic.` };
  if (status === 400) return { ...said, reconnect: false, forget: false, atLeast: 0, detail: `${said.detail} Check the topic's name.` };
  if (status === 503 || status === 429) return { ...said, ...wait };
  return { ...UNKNOWN, ...wait };
}

function textOr(value, otherwise) {
  return typeof value === "string" && value !== "" ? value : otherwise;
}

const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;

/**
 * Milliseconds before the next attempt: a random part of a doubling span, so
 * that the pages of a whole team do not come back in one moment.
 *
 * @param {number} attempt  0 for the first after a loss
 * @param {number} atLeast  milliseconds that the gateway asked for
 * @param {number} random  in [0, 1)
 */
export function backOff(attempt, atLeast, random) {
  const span = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(attempt, 10));
  return atLeast + Math.round(span / 4 + (random * span * 3) / 4);
}
