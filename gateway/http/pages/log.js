/** What a page remembers, within bounds: nobody fills it up by talking a lot. */

import { stateOf } from "./proposals.js";

/** Entries of the timeline that are kept; older ones are let go, undecided proposals never. */
const MAX_ENTRIES = 1_000;

/** A map that lets the oldest go when it is full. */
export class Memory extends Map {
  #limit;

  constructor(limit) {
    super();
    this.#limit = limit;
  }

  set(key, value) {
    super.set(key, value);
    if (this.size > this.#limit) this.delete(this.keys().next().value);
    return this;
  }
}

/** The timeline's entries, and the changes that the view has not been told yet. */
export class Log {
  entries = [];
  #changes = [];
  #ignored = new Map();
  #letGo;

  /** @param {(proposal: object) => void} letGo  called with each proposal that is forgotten */
  constructor(letGo) {
    this.#letGo = letGo;
  }

  add(entry) {
    entry.key ??= entry.id;
    this.entries.push(entry);
    this.tell({ what: "added", entry });
    if (this.entries.length > MAX_ENTRIES) this.#makeRoom();
  }

  /** Take an entry out, if it is in. */
  drop(entry) {
    const index = this.entries.indexOf(entry);
    if (index < 0) return;
    this.entries.splice(index, 1);
    this.tell({ what: "dropped", entry });
  }

  /** Count what does not count, one line per sender and reason (MCPx 4.3). */
  ignore(from, why, now) {
    const name = `${from} ${why}`;
    const known = this.#ignored.get(name);
    if (known !== undefined) {
      known.times += 1;
      this.tell({ what: "changed", entry: known });
      return;
    }
    const entry = { type: "ignored", key: `ignored-${name}`, from, why, times: 1, heardAt: now };
    this.#ignored.set(name, entry);
    this.add(entry);
  }

  notice(tone, text) {
    this.tell({ what: "notice", tone, text });
  }

  tell(...changes) {
    this.#changes.push(...changes);
  }

  /** The changes since the last time. */
  flush() {
    const changes = this.#changes;
    this.#changes = [];
    return changes;
  }

  #makeRoom() {
    const entry = this.entries.find((one) => one.type !== "proposal" || !["pending", "sending", "approved"].includes(stateOf(one)));
    if (entry === undefined) return;
    this.drop(entry);
    if (entry.type === "proposal") this.#letGo(entry);
    if (entry.type === "ignored") this.#ignored.delete(`${entry.from} ${entry.why}`);
  }
}
