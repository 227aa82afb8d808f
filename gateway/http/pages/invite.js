/**
 * The seat that this tab has: a topic and the token that opens it.
 *
 * An invite link carries both in its fragment, which no browser sends. This
 * module is loaded before all others and takes the fragment away at once, so
 * that the token is not in the address bar, the history, or a copied URL.
 *
 * The token is kept in memory and in sessionStorage. The latter is there so
 * that a reload works although the link is gone: it belongs to this tab alone,
 * ends with it, and is never sent. localStorage would outlive the tab and be
 * shared with every other tab, so it is not used.
 */

const STORED_AS = "mcpx.seat";

/** What this module remembers where storage is switched off; a reload asks again then. */
let held = null;

/** Take the invite out of the address, if there is one: {topic, token} or null. */
export function takeInvite() {
  const fields = new URLSearchParams(location.hash.slice(1));
  if (!fields.has("token")) return null;
  history.replaceState(null, "", location.pathname + location.search);
  const seat = { topic: (fields.get("topic") ?? "").trim(), token: fields.get("token").trim() };
  if (!seat.topic || !isToken(seat.token)) return null;
  keepSeat(seat);
  return seat;
}

/** Whether a text could be a token at all: something that fits into a header. */
export function isToken(text) {
  return /^[\x21-\x7e]+$/.test(text);
}

/** The seat to take when the page opens, or null: then a person is asked. */
export function storedSeat() {
  try {
    const { topic, token } = JSON.parse(sessionStorage.getItem(STORED_AS)) ?? {};
    if (typeof topic === "string" && typeof token === "string") return { topic, token };
  } catch {
    // Storage is switched off, or holds something else.
  }
  return held;
}

export function keepSeat(seat) {
  held = seat;
  try {
    sessionStorage.setItem(STORED_AS, JSON.stringify(seat));
  } catch {
    // Storage is switched off: `held` has it.
  }
}

export function forgetSeat() {
  held = null;
  try {
    sessionStorage.removeItem(STORED_AS);
  } catch {
    // Storage is switched off: nothing was stored.
  }
}

takeInvite();
