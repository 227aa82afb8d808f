/**
 * The timeline: every entry in the topic's order, proposals as cards.
 *
 * It stays at its end while one is looking at the end, and stays put
 * otherwise. Whatever makes a card move under a resting pointer goes through
 * `settle`, which guards the cards that moved.
 */

import { setText, h } from "./dom.js";
import { entryView } from "./view-entries.js";
import { ProposalCard } from "./view-proposal.js";

/** Pixels from the end that still count as the end. */
const NEAR_END = 96;
/** Pixels by which a card may shift unnoticed. */
const STILL = 2;

export class Timeline {
  #list;
  #desk;
  #views = new Map();
  #cards = new Map();
  #jump;
  #unseen = 0;

  constructor(list, jump, desk) {
    this.#list = list;
    this.#desk = desk;
    this.#jump = jump;
    jump.addEventListener("click", () => this.#toEnd());
    for (const scroller of [list, window]) scroller.addEventListener("scroll", () => this.#isAtEnd() && this.#seen(), { passive: true });
  }

  /** Do something to the page; keep the view where it was, and guard the cards that moved. */
  settle(change) {
    const wasAtEnd = this.#isAtEnd();
    const pending = this.#pendingCards();
    const before = pending.map((card) => card.element.getBoundingClientRect().top);
    const count = this.#list.childElementCount;
    change();
    const added = this.#list.childElementCount - count;
    // Who looks at a card is about to decide: it stays under their pointer, however much is said below.
    if (wasAtEnd && !pending.some((card) => card.isBusy || card.element.matches(":hover, :focus-within"))) this.#toEnd();
    else if (added > 0) this.#notSeen(added);
    pending.forEach((card, i) => {
      if (Math.abs(card.element.getBoundingClientRect().top - before[i]) > STILL) card.guard();
    });
  }

  add(entry) {
    const view = entry.type === "proposal" ? new ProposalCard(entry, this.#desk) : entryView(entry, this.#desk);
    if (entry.type === "proposal") this.#cards.set(entry.id, view);
    this.#views.set(entry, view);
    const head = headOf(entry);
    if (head !== null && this.#list.lastElementChild?.dataset.head === head) view.element.classList.add("follows");
    this.#list.append(h("li", { class: `entry-${entry.type}`, "data-head": head }, view.element));
  }

  update(entry) {
    this.#views.get(entry)?.update();
  }

  drop(entry) {
    const item = this.#views.get(entry)?.element.parentElement;
    // Who wrote what is left stands there, also when the first of their lines goes.
    item?.nextElementSibling?.firstElementChild.classList.remove("follows");
    item?.remove();
    this.#views.delete(entry);
    if (entry.type === "proposal") this.#cards.delete(entry.id);
  }

  clear() {
    this.#list.replaceChildren();
    this.#views.clear();
    this.#cards.clear();
    this.#seen();
  }

  /** Let countdowns count. */
  tick() {
    for (const card of this.#pendingCards()) card.tick();
  }

  /** The card of a proposal, or undefined. */
  card(id) {
    return this.#cards.get(id);
  }

  /** The pending card that has the focus, or holds it. */
  get focused() {
    return this.#pendingCards().find((card) => card.element.contains(document.activeElement)) ?? null;
  }

  /** Whether enough of a card can be seen to know what it is: half of it, or half of what fits. */
  isInView(card) {
    const frame = this.#scroller === this.#list ? this.#list.getBoundingClientRect() : { top: 0, bottom: innerHeight };
    const { top, bottom } = card.element.getBoundingClientRect();
    const seen = Math.min(bottom, frame.bottom) - Math.max(top, frame.top);
    return seen >= Math.min(bottom - top, frame.bottom - frame.top) / 2;
  }

  /** Bring a card into view and focus it. */
  goTo(id) {
    const card = this.#cards.get(id);
    if (card !== undefined) this.settleOnly(() => card.focus());
  }

  /** As `settle`, but it is the view that shall move. */
  settleOnly(move) {
    const pending = this.#pendingCards();
    const before = pending.map((card) => card.element.getBoundingClientRect().top);
    move();
    pending.forEach((card, i) => {
      if (Math.abs(card.element.getBoundingClientRect().top - before[i]) > STILL) card.guard();
    });
  }

  #pendingCards() {
    return [...this.#cards.values()].filter((card) => card.isPending);
  }

  /** On a narrow screen the page scrolls, on a wide one the list does. */
  get #scroller() {
    return getComputedStyle(this.#list).overflowY === "auto" ? this.#list : document.scrollingElement;
  }

  #isAtEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
    return scrollTop + clientHeight >= scrollHeight - NEAR_END;
  }

  #toEnd() {
    const scroller = this.#scroller;
    scroller.scrollTop = scroller.scrollHeight;
    this.#seen();
  }

  #notSeen(count) {
    this.#unseen += count;
    this.#jump.hidden = false;
    setText(this.#jump, this.#unseen === 1 ? "1 new entry below" : `${this.#unseen} new entries below`);
  }

  #seen() {
    this.#unseen = 0;
    this.#jump.hidden = true;
  }
}

/** What stands above a chat line; the next line with the same needs none of its own. Null: it always has one. */
function headOf({ type, from, to, correlationId }) {
  return type === "chat" && correlationId === null ? [from, ...to].join(" ") : null;
}
