/** Beside the timeline: what waits for a decision, and who is here. */

import { grants } from "./capabilities.js";
import { fillInPlace, foreign, h, name, setText } from "./dom.js";
import { clock, span } from "./times.js";
import { avatar } from "./view-entries.js";
import { shortText } from "./visible.js";

/** Pending proposals, oldest first; each leads to its card, where all of it can be read before it is decided. */
export class Queue {
  #list;
  #count;
  #goTo;

  constructor(list, count, goTo) {
    this.#list = list;
    this.#count = count;
    this.#goTo = goTo;
  }

  update(pending, now) {
    setText(this.#count, String(pending.length));
    fillInPlace(this.#list, pending, ({ id, isStale }) => `${id} ${isStale}`, (proposal) => this.#item(proposal));
    pending.forEach((proposal, i) => {
      const waits = proposal.expiresAt === null ? `since ${clock(proposal.heardAt)}` : `${span(proposal.expiresAt - now)} left`;
      setText(this.#list.children[i].querySelector(".queue-time"), waits);
    });
  }

  #item(proposal) {
    const what = shortText(proposal.context ?? proposal.params?.name ?? proposal.method, 80);
    return h(
      "li",
      {},
      h(
        "button.queue-item",
        { type: "button", "data-testid": `queue-${proposal.id}`, "aria-label": `Show ${what} from ${proposal.from}`, onclick: () => this.#goTo(proposal.id) },
        h("span.queue-what", {}, foreign(what)),
        h("span.queue-who", {}, name(proposal.from), proposal.isStale ? " · may be decided already" : ""),
        h("span.queue-time"),
      ),
    );
  }
}

const POWERS = [
  ["mcp/request:tools/call", "calls"],
  ["mcp/proposal:tools/call", "proposes"],
  ["mcp/response:tools/call", "answers"],
  ["chat", "chats"],
];

/** Who is here, and what each may send. */
export class Roster {
  #list;
  #count;
  #open = new Set();

  constructor(list, count) {
    this.#list = list;
    this.#count = count;
  }

  update(roster, me) {
    const peers = [...roster.values()].sort((a, b) => (b.id === me?.id) - (a.id === me?.id) || a.id.localeCompare(b.id));
    setText(this.#count, String(peers.length));
    const keyOf = ({ id, capabilities }) => [id, id === me?.id, ...capabilities].join(" ");
    fillInPlace(this.#list, peers, keyOf, (peer) => this.#item(peer, peer.id === me?.id));
  }

  #item({ id, capabilities }, isMe) {
    const powers = POWERS.filter(([kind]) => may(capabilities, kind)).map(([, power]) => power);
    const details = h(
      "details.peer",
      { "data-testid": `peer-${id}`, open: this.#open.has(id) },
      h("summary", {}, avatar(id), h("span.peer-text", {}, h("span.peer-name", {}, name(id), isMe ? h("span.tag", {}, "you") : null), h("span.peer-powers", {}, powers.join(" · ") || "listens only"))),
      h("ul.capabilities", { "aria-label": `Capabilities of ${id}` }, ...(capabilities.length ? capabilities.map((pattern) => h("li", {}, h("code", {}, foreign(pattern)))) : [h("li.muted", {}, "no capabilities")])),
    );
    details.addEventListener("toggle", () => (details.open ? this.#open.add(id) : this.#open.delete(id)));
    return h("li", {}, details);
  }
}

/** Whether somebody may do at least some of this: a pattern for one tool counts as calling. */
function may(capabilities, kind) {
  return grants(capabilities, kind) || capabilities.some((pattern) => pattern.startsWith(`${kind}:`));
}
