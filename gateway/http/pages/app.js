/** The page: seat, connection, conversation and views, put together. */

import { Connection } from "./connection.js";
import { Conversation } from "./conversation.js";
import { fill, h, isEnabled, setEnabled, setText } from "./dom.js";
import { newId } from "./ids.js";
import { forgetSeat, isToken, keepSeat, storedSeat, takeInvite } from "./invite.js";
import { listenForKeys } from "./keyboard.js";
import { span } from "./times.js";
import { gapText } from "./view-entries.js";
import { Queue, Roster } from "./view-sidebar.js";
import { Timeline } from "./view-timeline.js";
import { shortText } from "./visible.js";

const byId = (id) => document.getElementById(id);
/** Milliseconds for which envelopes are gathered; less than anybody sees. */
const DRAW_MS = 16;
const NOTICE_MS = 12_000;
const MAX_NOTICES = 4;

let conversation = new Conversation();
let connection = null;
let seat = null;
/** While waiting for the next attempt: {retryAt, why}. */
let waiting = null;

// What the cards and forms ask of the page.
const desk = {
  get conversation() {
    return conversation;
  },
  now: () => Date.now(),
  approve: (id, choice) => send(conversation.approve(id, choice, stamp())),
  reject: (id, choice) => send(conversation.reject(id, choice, stamp())),
};

const timeline = new Timeline(byId("timeline"), byId("jump"), desk);
const queue = new Queue(byId("queue"), byId("pending-count"), (id) => timeline.goTo(id));
const roster = new Roster(byId("roster"), byId("roster-count"));

function stamp() {
  const now = Date.now();
  return { id: newId(), ts: new Date(now).toISOString(), now };
}

/** Send what the conversation made; null, or why it could not go. */
function send({ frame, why, changes }) {
  if (why !== null) return why;
  const isSent = connection.send(frame);
  show(changes);
  // The socket was closing: its end is on the way and will say so on the card.
  if (!isSent) notice("bad", "The connection was just lost; nothing was sent.");
  return null;
}

// ---- what the conversation says

/** Changes that are not drawn yet: a burst of envelopes is drawn once, not once each. */
let undrawn = [];

function show(changes) {
  if (changes.length === 0) return;
  if (undrawn.length === 0) setTimeout(draw, DRAW_MS);
  undrawn.push(...changes);
}

function draw() {
  const changes = undrawn;
  undrawn = [];
  timeline.settle(() => {
    const changed = new Set();
    for (const { what, entry, tone, text } of changes) {
      if (what === "added") timeline.add(entry);
      else if (what === "dropped") timeline.drop(entry);
      else if (what === "changed") changed.add(entry);
      else if (what === "notice") notice(tone, text);
    }
    for (const entry of changed) timeline.update(entry);
    if (changes.some(({ what }) => what === "roster")) roster.update(conversation.roster, conversation.me);
    drawMe();
    drawQueue();
    byId("empty").hidden = conversation.entries.length > 0;
  });
  for (const { what, entry } of changes) if (what === "added") announce(entry);
}

function drawQueue() {
  const { pending } = conversation;
  queue.update(pending, Date.now());
  byId("queue-empty").hidden = pending.length > 0;
  const count = pending.length ? `(${pending.length}) ` : "";
  document.title = seat === null ? "mcpx" : `${count}${seat.topic} · mcpx`;
}

function drawMe() {
  setText(byId("me"), conversation.me?.id ?? "");
  const why = conversation.chatObstacle;
  setEnabled(byId("send"), why === null);
  setText(byId("composer-why"), why ?? "");
}

/** Say what is new to those who do not see it, in one short sentence. */
function announce(entry) {
  const mine = entry.from === conversation.me?.id;
  let said = "";
  if (entry.type === "chat" && !mine) said = `${entry.from}: ${shortText(entry.said, 200)}`;
  else if (entry.type === "proposal") said = `${entry.from} proposes ${timeline.card(entry.id)?.label ?? entry.method}`;
  else if (entry.type === "gap") said = gapText(entry);
  if (said === "") return;
  const region = byId("announcements");
  region.append(h("p", {}, said));
  while (region.childElementCount > 5) region.firstElementChild.remove();
}

function notice(tone, text) {
  const close = h("button.quiet", { type: "button", "aria-label": "Dismiss" }, "✕");
  const item = h(`div.notice-item.${tone}`, {}, h("p", {}, text), close);
  const region = byId("notice");
  close.addEventListener("click", () => item.remove());
  region.append(item);
  while (region.childElementCount > MAX_NOTICES) region.firstElementChild.remove();
  setTimeout(() => item.remove(), NOTICE_MS);
}

// ---- the connection

const listener = {
  connecting() {
    waiting = null;
    connectionState("connecting", conversation.me === null ? "Connecting…" : "Reconnecting…");
  },
  opened() {
    // Online is said by the welcome: until then the gateway has not let us in.
  },
  heard(text) {
    const wasOnline = conversation.isOnline;
    const changes = conversation.receive(text, Date.now());
    if (!wasOnline && conversation.isOnline) {
      connectionState("online", "Online");
      const gap = changes.find(({ what, entry }) => what === "added" && entry.type === "gap");
      if (gap !== undefined) notice("info", gapText(gap.entry));
    }
    show(changes);
  },
  lost(since) {
    show(conversation.lost(since));
  },
  waiting(retryAt, why) {
    waiting = { retryAt, why };
    connectionState("offline", "Offline");
  },
  ended(why) {
    waiting = null;
    if (why.forget) forgetSeat();
    connectionState("closed", "Disconnected", why);
    if (conversation.me === null) askForSeat(why);
  },
};

function connectionState(state, text, why = null) {
  const pill = byId("connection-state");
  pill.dataset.state = state;
  setText(pill, text);
  timeline.settle(() => drawBanner(state, why));
  drawMe();
}

function drawBanner(state, why = null) {
  const banner = byId("banner");
  const isShown = state === "closed" || (waiting !== null && state === "offline");
  banner.hidden = !isShown;
  banner.dataset.state = state;
  if (!isShown) return;
  const { title, detail } = why ?? waiting.why;
  setText(byId("banner-title"), title);
  setText(byId("banner-detail"), detail);
  const again = byId("banner-retry");
  again.hidden = why?.forget === true;
  byId("banner-leave").hidden = state !== "closed";
  drawCountdown();
}

function drawCountdown() {
  setText(byId("banner-when"), waiting === null ? "" : `Trying again in ${span(waiting.retryAt - Date.now())}. What you write stays here.`);
}

// ---- the seat

function join(next) {
  leave();
  seat = next;
  keepSeat(next);
  conversation = new Conversation();
  timeline.clear();
  byId("join").hidden = true;
  byId("topic").hidden = false;
  setText(byId("topic-name"), next.topic);
  byId("notice").replaceChildren();
  undrawn = [{ what: "roster" }];
  draw();
  connection = new Connection(next, listener);
  connection.open();
}

function leave() {
  connection?.leave();
  connection = null;
  waiting = null;
  byId("banner").hidden = true;
}

/** Show the form for topic and token, with what went wrong if something did. */
function askForSeat(why = null) {
  const topic = seat?.topic ?? "";
  leave();
  seat = null;
  document.title = "mcpx";
  byId("topic").hidden = true;
  byId("join").hidden = false;
  const problem = byId("join-problem");
  problem.hidden = why === null;
  fill(problem, ...(why === null ? [] : [h("strong", {}, why.title), h("span", {}, why.detail)]));
  const { topic: topicField, token: tokenField } = byId("join-form").elements;
  topicField.value = topic;
  tokenField.value = "";
  (topic ? tokenField : topicField).focus();
}

byId("join-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { topic: topicField, token: tokenField } = event.target.elements;
  const next = { topic: topicField.value.trim(), token: tokenField.value.trim() };
  if (!next.topic || !isToken(next.token)) {
    const missing = next.topic ? "A token is one word, as it was given to you." : "Say which topic to join.";
    fill(byId("join-problem"), h("strong", {}, missing));
    byId("join-problem").hidden = false;
    (next.topic ? tokenField : topicField).focus();
    return;
  }
  tokenField.value = "";
  join(next);
});

byId("leave").addEventListener("click", () => {
  forgetSeat();
  askForSeat();
});
byId("banner-leave").addEventListener("click", () => askForSeat());
byId("banner-retry").addEventListener("click", () => connection?.open());

// Another invite link, opened in this tab while the page is here.
addEventListener("hashchange", () => {
  const invite = takeInvite();
  if (invite !== null) join(invite);
});
addEventListener("online", () => connection?.hurry());
addEventListener("offline", () => connection?.doubt());
document.addEventListener("visibilitychange", () => document.hidden || connection?.hurry());

// ---- the composer

const composer = byId("composer-text");

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  say();
});
composer.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  say();
});

function say() {
  if (composer.value.trim() === "" || !isEnabled(byId("send"))) return;
  const text = composer.value;
  if (send(conversation.say(text, stamp())) === null) composer.value = "";
}

// ---- keys and clocks

function step(by) {
  const { pending } = conversation;
  if (pending.length === 0) return;
  const at = pending.findIndex(({ id }) => id === timeline.focused?.proposal.id);
  const next = at < 0 ? (by > 0 ? 0 : pending.length - 1) : (at + by + pending.length) % pending.length;
  timeline.goTo(pending[next].id);
}

listenForKeys({
  focused: () => timeline.focused,
  isInView: (card) => timeline.isInView(card),
  show: (card) => timeline.goTo(card.proposal.id),
  step,
  help: () => byId("help").showModal(),
});
byId("help-open").addEventListener("click", () => byId("help").showModal());
byId("help-close").addEventListener("click", () => byId("help").close());

setInterval(() => {
  connection?.look();
  show(conversation.tick(Date.now()));
  timeline.tick();
  drawQueue();
  if (waiting !== null) drawCountdown();
}, 1000);

// Where it is narrow, who is here would stand before what was said.
if (matchMedia("(max-width: 56rem)").matches) byId("roster-panel").open = false;

const first = storedSeat();
if (first === null) askForSeat();
else join(first);
