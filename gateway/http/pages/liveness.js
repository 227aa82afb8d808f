/**
 * Whether a connection that says nothing still is one.
 *
 * A browser can send no ping, and hears of a line that is dead at both ends
 * only after minutes. Three things tell sooner: what was sent is not followed
 * by a word, though the gateway sends each envelope back or says why not; a long
 * silence, about which the gateway is then asked; and a clock that stood still, for
 * the gateway lets go of who answers no ping. All moments are milliseconds since 1970.
 */

/** After something was sent, so long without a word and without a byte leaving. */
const STALLED_MS = 10_000;
/** A silence that is asked about, and again after as long. */
const SILENT_MS = 20_000;
/** Looks come each second, in the background each minute; so long without one, the machine slept. */
const SLEPT_MS = 90_000;

export class Liveness {
  #quietSince;
  #lookedAt;
  #stillSince = null;
  #waiting = 0;

  /** @param {number} now  when the connection was opened */
  constructor(now) {
    this.#quietSince = this.#lookedAt = now;
  }

  /** Something came. */
  heard(now) {
    this.#quietSince = now;
    this.#stillSince = null;
  }

  /** Something was given to the socket, in which so many bytes wait now. */
  sent(now, waiting) {
    this.#stillSince ??= now;
    this.#waiting = waiting;
  }

  /**
   * Look at it, about once a second.
   *
   * @param {number} waiting  bytes that the socket has not been able to send
   * @returns {"alive" | "dead" | "silent"}  silent: ask the gateway whether it is there
   */
  look(now, waiting) {
    const slept = now - this.#lookedAt;
    this.#lookedAt = now;
    if (slept >= SLEPT_MS) return "dead";
    if (this.#stillSince !== null && waiting < this.#waiting) this.#stillSince = now; // slow, but it moves
    this.#waiting = waiting;
    if (this.#stillSince !== null && now - this.#stillSince >= STALLED_MS) return "dead";
    if (now - this.#quietSince < SILENT_MS) return "alive";
    this.#quietSince = now;
    return "silent";
  }
}
