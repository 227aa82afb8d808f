/**
 * The card of one proposal: who proposes what to whom, all of it, and what
 * becomes of it. The conversation decides what may be done; the card shows it
 * and asks.
 */

import { contextField } from "./envelope.js";
import { fill, foreign, GUARD_MS, h, isEnabled, name, setEnabled, setText } from "./dom.js";
import { differences } from "./json.js";
import { stateOf } from "./proposals.js";
import { clock, span, wholeDate } from "./times.js";
import { editForm, rejectForm } from "./view-decisions.js";
import { isNotRun, outcomeOf, stepsOf } from "./view-outcome.js";
import { paramsTable, rawJson } from "./view-values.js";
import { shortText } from "./visible.js";

const PILLS = {
  pending: "Waiting for approval",
  sending: "Sending…",
  approved: "Running",
  executed: "Done",
  failed: "Failed",
  rejected: "Rejected",
  withdrawn: "Withdrawn",
  expired: "Expired",
};

export class ProposalCard {
  #proposal;
  #desk;
  #guardedUntil = 0;
  #guardTimer = null;
  #form = null;
  /** Why the last click sent nothing. */
  #complaint = "";
  #drawn = "";
  #parts;

  /**
   * @param {object} proposal  as the conversation keeps it
   * @param {{conversation: object, now(): number, approve(id, choice): string|null,
   *   reject(id, choice): string|null}} desk  both send, and return why not or null
   */
  constructor(proposal, desk) {
    this.#proposal = proposal;
    this.#desk = desk;
    const what = this.label;
    const names = `${what} from ${proposal.from}`;
    const titleId = `title-${proposal.key}`;
    const button = (action, text, kind, act) =>
      h(`button.${kind}`, { type: "button", "data-testid": action, "aria-label": `${text} ${names}`, title: `${text} (${action[0]})`, onclick: act }, text);
    const parts = {
      pill: h("span.pill", { "data-testid": "state" }),
      countdown: h("span.countdown", { "data-testid": "countdown" }),
      stale: h("p.stale", { hidden: true }, "Seen before the connection was lost: it may have been decided meanwhile. Whoever should do it makes sure that it is done once."),
      args: h("div.params"),
      obstacle: h("p.obstacle", { id: `obstacle-${proposal.key}`, "data-testid": "obstacle" }),
      target: h("label.target", { hidden: true }),
      approve: button("approve", "Approve", "primary", () => this.approve()),
      edit: button("edit", "Edit", "secondary", () => this.edit()),
      reject: button("reject", "Reject", "secondary", () => this.reject()),
      form: h("div.form-place"),
      outcome: h("div.outcome"),
      history: h("ol.history", { "aria-label": "What became of it" }),
    };
    parts.actions = h("div.actions", { role: "group", "aria-label": `Decide ${names}` }, parts.approve, parts.edit, parts.reject);
    for (const one of [parts.approve, parts.edit, parts.reject]) one.setAttribute("aria-describedby", parts.obstacle.id);
    this.#parts = parts;
    this.element = h(
      "article.card.proposal",
      { "data-testid": `proposal-${proposal.id}`, tabindex: "-1", "aria-labelledby": titleId },
      h(
        "header",
        {},
        h("p.route", {}, h("span", {}, name(proposal.from), " proposes that ", ...runners(proposal.to), " runs"), this.#time()),
        h("div.headline", {}, h("h3", { id: titleId }, foreign(what)), h("span.method", {}, proposal.method), parts.pill, parts.countdown),
      ),
      parts.args,
      parts.stale,
      parts.outcome,
      parts.target,
      parts.actions,
      parts.obstacle,
      parts.form,
      parts.history,
    );
    this.guard();
    this.update();
  }

  get proposal() {
    return this.#proposal;
  }

  /** What is called, for titles and buttons. */
  get label() {
    return shortText(this.#proposal.context ?? this.#proposal.params?.name ?? this.#proposal.method, 120);
  }

  get isPending() {
    return this.#proposal.status === "pending";
  }

  /** Whether somebody is editing or rejecting here. */
  get isBusy() {
    return this.#form !== null;
  }

  /** It appeared or moved: let no click through that was aimed at something else. */
  guard() {
    this.#guardedUntil = performance.now() + GUARD_MS;
    clearTimeout(this.#guardTimer);
    this.#guardTimer = setTimeout(() => this.#drawActions(), GUARD_MS + 10);
    if (this.#drawn) this.#drawActions();
  }

  /** Show the proposal as it stands now. */
  update() {
    const proposal = this.#proposal;
    const state = stateOf(proposal);
    this.element.dataset.state = state;
    setText(this.#parts.pill, isNotRun(proposal) ? "Not run" : PILLS[state]);
    this.#parts.stale.hidden = !(proposal.isStale && this.isPending);
    this.#drawParams();
    this.#drawOutcome(state);
    this.#drawHistory();
    this.tick();
    if (!this.isPending) this.closeForm();
  }

  /** Show what changes with the time alone. */
  tick() {
    const { expiresAt } = this.#proposal;
    setText(this.#parts.countdown, this.isPending && expiresAt !== null ? `expires in ${span(expiresAt - this.#desk.now())}` : "");
    this.#drawActions();
  }

  #time() {
    const { heardAt, ts } = this.#proposal;
    const claimed = ts === null ? "" : `; sent ${ts}`;
    return h("time", { datetime: new Date(heardAt).toISOString(), title: `heard ${wholeDate(heardAt)}${claimed}` }, clock(heardAt));
  }

  #drawParams() {
    const { fulfillment, params, method } = this.#proposal;
    const signature = `params ${fulfillment?.isEdited === true}`;
    if (this.#drawn === signature) return;
    this.#drawn = signature;
    const field = contextField(method);
    if (!fulfillment?.isEdited) {
      fill(this.#parts.args, paramsTable(params, field), rawJson(params ?? {}));
      return;
    }
    const changed = differences(params ?? {}, fulfillment.params ?? {}).map(({ path }) => path);
    fill(
      this.#parts.args,
      h("p.edited-note", { "data-testid": "edited" }, h("span.tag.edited", {}, "edited"), " ", name(fulfillment.from), " changed ", foreign(changed.join(", ")), "; this is what was run."),
      paramsTable(fulfillment.params, field, changed),
      rawJson(fulfillment.params ?? {}),
      h("details.raw", {}, h("summary", {}, "As it was proposed"), paramsTable(params, field, changed), rawJson(params ?? {})),
    );
  }

  #drawActions() {
    const { approve, edit, reject, actions, obstacle, target } = this.#parts;
    const proposal = this.#proposal;
    const isPending = this.isPending;
    actions.hidden = !isPending || this.isBusy;
    const isGuarded = performance.now() < this.#guardedUntil;
    const why = this.#desk.conversation.obstacles(proposal, this.#desk.now());
    for (const [button, obstacle] of [[approve, why.approve], [edit, why.approve], [reject, why.reject]]) {
      setEnabled(button, obstacle === null && !isGuarded);
      button.classList.toggle("held", obstacle === null && isGuarded);
    }
    const attempt = proposal.attempt;
    const failure =
      attempt?.status === "refused" ? `It was not sent: ${attempt.why}` :
      attempt?.status === "unconfirmed" ? "The connection was lost before the gateway confirmed your decision." : "";
    obstacle.hidden = !isPending;
    setText(obstacle, isPending ? [failure, why.approve ?? this.#complaint].filter(Boolean).join(" ") : "");
    this.#drawTarget(target, isPending);
  }

  /** A proposal that names no target, or several, leaves the choice to the one who approves. */
  #drawTarget(label, isPending) {
    const { to } = this.#proposal;
    label.hidden = !isPending || to.length === 1;
    if (label.hidden) return;
    const targets = this.#desk.conversation.targets(this.#proposal);
    const signature = targets.map(({ id, isHere }) => `${id} ${isHere}`).join("\n");
    if (label.dataset.of === signature) return;
    label.dataset.of = signature;
    const chosen = label.querySelector("select")?.value;
    const options = targets.map(({ id, isHere }) => h("option", { value: id, disabled: !isHere }, isHere ? id : `${id} (not here)`));
    if (targets.length !== 1) options.unshift(h("option", { value: "" }, targets.length ? "Choose…" : "Nobody here can do it"));
    const select = h("select", { "data-testid": "target", onchange: () => this.#complain("") }, ...options);
    if (targets.some(({ id }) => id === chosen)) select.value = chosen;
    fill(label, "Who should do it? ", select);
  }

  #target() {
    const { to } = this.#proposal;
    return to.length === 1 ? to[0] : (this.#parts.target.querySelector("select")?.value ?? "");
  }

  #drawOutcome(state) {
    const { fulfillment } = this.#proposal;
    const { response, progress, logs, isUncertain } = fulfillment ?? {};
    const signature = JSON.stringify([state, response?.at, progress, logs?.length, isUncertain]);
    if (this.#parts.outcome.dataset.of === signature) return;
    this.#parts.outcome.dataset.of = signature;
    fill(this.#parts.outcome, ...outcomeOf(this.#proposal));
  }

  #drawHistory() {
    const { history } = this.#parts;
    const steps = stepsOf(this.#proposal);
    history.hidden = steps.length < 2;
    const text = steps.map((step) => step.textContent).join("\n");
    if (history.dataset.of === text) return;
    history.dataset.of = text;
    fill(history, ...steps);
  }

  // ---- what a person does

  /** Whether a decision may begin: by a key, too, while the focus is on a button of an open form. */
  #takes(button) {
    return !this.isBusy && isEnabled(button);
  }

  approve() {
    if (!this.#takes(this.#parts.approve)) return;
    this.#show(this.#desk.approve(this.#proposal.id, { target: this.#target() }));
  }

  edit() {
    if (!this.#takes(this.#parts.edit)) return;
    this.#open(
      editForm(this.#proposal, {
        send: (params) => this.#show(this.#desk.approve(this.#proposal.id, { target: this.#target(), params })),
        cancel: () => this.closeForm(this.#parts.edit),
      }),
    );
  }

  reject() {
    if (!this.#takes(this.#parts.reject)) return;
    this.#open(
      rejectForm(this.#proposal, {
        send: (choice) => this.#show(this.#desk.reject(this.#proposal.id, choice)),
        cancel: () => this.closeForm(this.#parts.reject),
      }),
    );
  }

  focus() {
    this.element.focus({ preventScroll: true });
    this.element.scrollIntoView({ block: "nearest" });
  }

  /** Close the form; focus goes to `next`, or to the card if it was inside. */
  closeForm(next = null) {
    if (this.#form === null) return;
    const hadFocus = this.#form.contains(document.activeElement);
    this.#form.remove();
    this.#form = null;
    this.#drawActions();
    if (next !== null) next.focus();
    else if (hadFocus) this.element.focus({ preventScroll: true });
  }

  #open(form) {
    this.closeForm();
    this.#form = form;
    this.#parts.form.append(form);
    this.#drawActions();
    const field = form.querySelector("textarea, select");
    field.focus();
    field.setSelectionRange?.(0, 0);
    field.scrollTop = 0;
    form.scrollIntoView({ block: "nearest" });
  }

  /** After something was sent, or was not: why stands where one looks. */
  #show(why) {
    this.#complain(why ?? "");
    if (why === null) {
      const hadFocus = this.element.contains(document.activeElement);
      this.closeForm();
      this.update();
      if (hadFocus) this.element.focus({ preventScroll: true });
    } else if (this.#target() === "") {
      this.#parts.target.querySelector("select")?.focus();
    }
  }

  #complain(why) {
    this.#complaint = why;
    this.#drawActions();
  }
}

function runners(to) {
  return to.length === 0 ? ["somebody"] : to.flatMap((id, i) => (i ? [" or ", name(id)] : [name(id)]));
}
