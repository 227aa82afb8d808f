/** Entries of the timeline other than proposals: chat, requests, comings and goings, and what did not count. */

import { contextField } from "./envelope.js";
import { fill, foreign, h, name } from "./dom.js";
import { encodeJson, parseJson } from "./json.js";
import { isFailure } from "./proposals.js";
import { clock, clockWithSeconds, wholeDate } from "./times.js";
import { resultView } from "./view-outcome.js";
import { logsView, paramsTable, progressView, rawJson, textBlock } from "./view-values.js";
import { escapeHidden, shortText } from "./visible.js";

const HUES = 8;

/** The element of an entry, and a function that shows it as it stands now. */
export function entryView(entry, desk) {
  switch (entry.type) {
    case "chat": return chatView(entry, desk);
    case "request": return requestView(entry);
    case "presence": return steady(presenceView(entry));
    case "gap": return steady(gapView(entry));
    case "ignored": return ignoredView(entry);
    default: return steady(otherView(entry));
  }
}

function steady(element) {
  return { element, update() {} };
}

/** A participant's initials on one of a few colours, always the same for one id. */
export function avatar(id) {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + character.charCodeAt(0)) % 9973;
  const words = id.split(/[^A-Za-z0-9]+/).filter(Boolean);
  const initials = words.length > 1 ? words[0][0] + words[1][0] : id.replace(/[^A-Za-z0-9]/g, "").slice(0, 2);
  return h(`span.avatar.hue-${sum % HUES}`, { "aria-hidden": "true" }, initials.toUpperCase() || "?");
}

function timeOf({ heardAt, ts }) {
  return h("time", { datetime: new Date(heardAt).toISOString(), title: `heard ${wholeDate(heardAt)}${ts ? `; sent ${ts}` : ""}` }, clock(heardAt));
}

const CHAT_STATES = { sending: "sending…", refused: "not sent: ", unconfirmed: "the connection was lost before it was confirmed" };

function chatView(entry, desk) {
  const status = h("span.chat-status");
  const about = entry.correlationId === null ? null : desk.conversation.proposal(entry.correlationId);
  const element = h(
    "article.chat",
    { "data-testid": "chat" },
    avatar(entry.from),
    h(
      "div.chat-body",
      {},
      h("p.chat-head", {}, name(entry.from), entry.to.length ? h("span.muted", {}, " to ", entry.to.join(", ")) : null, " ", timeOf(entry), about === null ? null : h("span.muted", {}, " about ", foreign(shortText(about.context ?? about.method, 60)))),
      h("p.chat-text", {}, foreign(entry.said)),
      status,
    ),
  );
  const update = () => {
    status.hidden = entry.status === null;
    element.dataset.status = entry.status ?? "heard";
    if (entry.status !== null) fill(status, CHAT_STATES[entry.status] + (entry.status === "refused" ? entry.why : ""));
  };
  update();
  return { element, update };
}

function requestView(entry) {
  const state = h("span.request-state");
  const body = h("div.request-body");
  const what = shortText(entry.context ?? entry.params?.[contextField(entry.method)] ?? entry.method, 80);
  const element = h(
    "details.request",
    { "data-testid": "request" },
    h("summary", {}, name(entry.from), h("span.muted", {}, entry.to.length ? ` asked ${entry.to.join(", ")} for ` : " asked for "), h("code", {}, foreign(what)), what === entry.method ? null : h("span.method", {}, entry.method), state, timeOf(entry)),
    body,
  );
  const update = () => {
    const { response, isCancelled, isUncertain } = entry;
    const failed = response !== null && isFailure(response);
    element.dataset.state = response === null ? "waiting" : failed ? "failed" : "done";
    fill(state, response === null ? (isCancelled ? "cancelled" : isUncertain ? "no answer seen" : "…") : failed ? "failed" : "done");
    if (element.open) show();
  };
  function show() {
    const { response, progress, logs } = entry;
    fill(
      body,
      paramsTable(entry.params, contextField(entry.method)),
      rawJson(entry.params ?? {}),
      response === null && progress !== null ? progressView(progress) : null,
      logsView(logs),
      response === null ? null : resultView(response),
    );
  }
  element.addEventListener("toggle", () => element.open && show());
  update();
  return { element, update };
}

function presenceView(entry) {
  const { event, id, added = [], removed = [] } = entry;
  const said = { join: " joined", leave: " left", change: " may do other things now" }[event];
  return h(
    "p.line",
    { "data-testid": `presence-${event}` },
    name(id),
    said,
    added.length ? h("span", {}, ": more ", h("code", {}, foreign(added.join(", ")))) : null,
    removed.length ? h("span", {}, `${added.length ? ";" : ":"} no more `, h("code", {}, foreign(removed.join(", ")))) : null,
    " ",
    timeOf(entry),
  );
}

/** The sentence about what an absence may have cost. */
export function gapText({ from, until }) {
  return `You were offline: envelopes between ${clockWithSeconds(from)} and ${clockWithSeconds(until)} may have been missed.`;
}

function gapView(entry) {
  return h("p.line.gap", { "data-testid": "gap", role: "note" }, gapText(entry));
}

function ignoredView(entry) {
  const times = h("span.times");
  const element = h("p.line.ignored", { "data-testid": "ignored" }, "Ignored from ", name(entry.from), ": ", foreign(entry.why), times, " ", timeOf(entry));
  const update = () => fill(times, entry.times > 1 ? ` (${entry.times} times)` : "");
  update();
  return { element, update };
}

/** An envelope that is none of this page's business, or the answer to something asked before one came. */
function otherView(entry) {
  const said = entry.type === "unasked" ? " answered something asked before you came: " : " sent ";
  const details = h("details.line.other", { "data-testid": "other" }, h("summary", {}, name(entry.from), said, h("code", {}, foreign(shortText(entry.kind.text, 80))), " ", timeOf(entry)));
  details.addEventListener("toggle", () => details.append(textBlock(escapeHidden(encodeJson(parseJson(entry.text), 2)), "JSON")), { once: true });
  return details;
}
