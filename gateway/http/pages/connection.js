/**
 * One seat's WebSocket: opens it, opens it again, and says why it cannot.
 *
 * It knows close codes and nothing of envelopes; what is decided about codes
 * and pauses is in `closing.js`.
 */

import { backOff, closing, refusal } from "./closing.js";
import { Liveness } from "./liveness.js";

const SUBPROTOCOL = "mcpx.v0.1";
const TOKEN_PREFIX = "base64url.bearer.mcpx.";
/** Milliseconds for the handshake and the welcome that follows it. */
const HANDSHAKE_MS = 10_000;
/** Milliseconds for the gateway to answer whether it is there. */
const ANSWER_MS = 10_000;
/** A connection that held this long starts the back-off anew. */
const STABLE_MS = 5_000;

export class Connection {
  #seat;
  #listener;
  #socket = null;
  #timer = null;
  #attempt = 0;
  #isOver = false;
  #lastHeard = 0;
  /** Of the open socket. */
  #liveness = null;

  /**
   * @param {{topic: string, token: string}} seat
   * @param {{connecting(), opened(), heard(text: string), lost(since: number),
   *   waiting(retryAt: number, why: object), ended(why: object)}} listener
   *   `since` and `retryAt` are milliseconds since 1970; `why` is a row of `closing.js`
   */
  constructor(seat, listener) {
    this.#seat = seat;
    this.#listener = listener;
  }

  /** Connect now; also the answer to "try again". */
  open() {
    if (this.#isOver) return;
    clearTimeout(this.#timer);
    this.#drop();
    this.#listener.connecting();
    // The token travels as a subprotocol: a browser can set no header here, and
    // a URL ends in logs (as Kubernetes does it).
    const socket = new WebSocket(address(this.#seat.topic, "ws"), [SUBPROTOCOL, TOKEN_PREFIX + base64url(this.#seat.token)]);
    this.#socket = socket;
    let isOpen = false;
    let openedAt = 0;
    const handshake = setTimeout(() => socket.close(), HANDSHAKE_MS);
    socket.addEventListener("open", () => {
      isOpen = true;
      openedAt = Date.now();
      if (this.#socket !== socket) return;
      this.#lastHeard = openedAt;
      this.#liveness = new Liveness(openedAt);
      this.#listener.opened();
    });
    socket.addEventListener("message", ({ data }) => {
      clearTimeout(handshake);
      if (this.#socket !== socket || typeof data !== "string") return;
      this.#lastHeard = Date.now();
      this.#liveness.heard(this.#lastHeard);
      this.#listener.heard(data);
    });
    socket.addEventListener("close", ({ code, wasClean }) => {
      clearTimeout(handshake);
      if (this.#socket !== socket) return;
      this.#socket = null;
      if (!isOpen) {
        this.#ask();
        return;
      }
      if (Date.now() - openedAt > STABLE_MS) this.#attempt = 0;
      // After a close frame nothing was missed up to now; without one, nobody
      // knows since when the line was dead.
      this.#listener.lost(wasClean ? Date.now() : this.#lastHeard);
      this.#next(closing(code));
    });
  }

  /** Send one frame; false if there is no open connection. */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(frame);
    this.#liveness.sent(Date.now(), this.#socket.bufferedAmount);
    return true;
  }

  /** See whether the line is dead without saying so; to be called about once a second. */
  look() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const seen = this.#liveness.look(Date.now(), this.#socket.bufferedAmount);
    if (seen === "dead") this.#giveUp();
    if (seen === "silent") this.doubt();
  }

  /** Ask the gateway whether it is there, by a request; without an answer this connection is over. */
  async doubt() {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    const askedAt = Date.now();
    try {
      // Any answer is one, a proxy's too.
      await fetch(new URL("/livez", location.href), {
        cache: "no-store",
        credentials: "omit",
        redirect: "manual",
        signal: AbortSignal.timeout(ANSWER_MS),
      });
    } catch {
      if (this.#socket === socket && this.#lastHeard <= askedAt) this.#giveUp();
    }
  }

  /** If it waits for the next attempt, make it now. */
  hurry() {
    if (this.#socket === null && this.#timer !== null) this.open();
  }

  /** End it for good. */
  leave() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#drop();
  }

  /** The line is dead: nobody will say so, and nobody knows since when. */
  #giveUp() {
    this.#drop();
    this.#attempt = 0;
    this.#listener.lost(this.#lastHeard);
    this.#next(closing(1006));
  }

  /** Let go of a socket without hearing of its end. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#timer = null;
    socket?.close(1000);
  }

  #next(why) {
    if (this.#isOver) return;
    if (!why.reconnect) {
      this.#listener.ended(why);
      return;
    }
    const delay = backOff(this.#attempt, why.atLeast, Math.random());
    this.#attempt += 1;
    this.#listener.waiting(Date.now() + delay, why);
    this.#timer = setTimeout(() => this.open(), delay);
  }

  /** Ask by a plain request why the upgrade failed: of that a browser says nothing. */
  async #ask() {
    const asked = {};
    this.#timer = asked; // `open` and `leave` replace it, and the answer comes too late
    let why = closing(1006);
    try {
      const answer = await fetch(address(this.#seat.topic, "http"), {
        headers: { Authorization: `Bearer ${this.#seat.token}` },
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        signal: AbortSignal.timeout(HANDSHAKE_MS),
      });
      const problem = await answer.json().catch(() => ({}));
      why = refusal(answer.status, Object(problem), answer.headers.get("Retry-After"));
    } catch {
      // No answer at all: the gateway is away, and coming back is all there is to do.
    }
    if (this.#timer === asked) this.#next(why);
  }
}

function address(topic, scheme) {
  const url = new URL("/ws", location.href);
  url.protocol = url.protocol.replace("http", scheme);
  url.search = new URLSearchParams({ topic, mode: "all" }).toString();
  return url.href;
}

function base64url(text) {
  const bytes = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
