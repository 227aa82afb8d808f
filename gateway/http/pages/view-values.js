/** Arguments and results: shown whole, long ones folded with their length said, never cut in silence. */

import { foreign, h } from "./dom.js";
import { encodeJson, isNumber, isObject } from "./json.js";
import { escapeHidden } from "./visible.js";

/** Characters and lines that are shown before a text is folded, and characters that one unfolding adds. */
const PREVIEW_CHARACTERS = 480;
const PREVIEW_LINES = 12;
const UNFOLD_CHARACTERS = 20_000;

const NUMBERS = new Intl.NumberFormat();

/** A text in a fixed-width block, with its fold. */
export function textBlock(text, label = "text") {
  const shown = previewLength(text);
  const block = h("pre.value", {}, foreign(text.slice(0, shown)));
  if (shown === text.length) return block;
  const lines = text.split("\n").length;
  const size = `${NUMBERS.format(text.length)} characters, ${NUMBERS.format(lines)} ${lines === 1 ? "line" : "lines"}`;
  let until = shown;
  const more = h("button.quiet.fold", { type: "button", "data-testid": "unfold", onclick: unfold });
  const sayMore = () => {
    const rest = text.length - until;
    const step = Math.min(rest, UNFOLD_CHARACTERS);
    more.textContent = step < rest
      ? `Show ${NUMBERS.format(step)} more of ${NUMBERS.format(rest)} characters not shown (${label}: ${size})`
      : `Show the other ${NUMBERS.format(rest)} characters (${label}: ${size})`;
  };
  function unfold() {
    const from = until;
    until = wholeCharacter(text, Math.min(text.length, until + UNFOLD_CHARACTERS));
    block.append(foreign(text.slice(from, until)));
    if (until === text.length) more.remove();
    else sayMore();
  }
  sayMore();
  return h("div.folded", {}, block, more);
}

/** Whether a text is folded when it is shown. */
export function isFolded(text) {
  return previewLength(text) < text.length;
}

function previewLength(text) {
  let at = -1;
  for (let line = 0; line < PREVIEW_LINES; line += 1) {
    at = text.indexOf("\n", at + 1);
    if (at < 0) break;
  }
  const limit = Math.min(at < 0 ? text.length : at, PREVIEW_CHARACTERS);
  // Folding away a few characters would only be a nuisance.
  return text.length - limit < 80 && at < 0 ? text.length : wholeCharacter(text, limit);
}

/** An index that does not cut a surrogate pair. */
function wholeCharacter(text, at) {
  return /[\ud800-\udbff]/.test(text.charAt(at - 1)) && at < text.length ? at + 1 : at;
}

/** One JSON value, and in words what it is: the text "true" is not the value true. */
export function valueView(value) {
  if (typeof value === "string") return value === "" ? h("em.muted", {}, "empty text") : textBlock(value);
  if (value === null || typeof value === "boolean" || isNumber(value)) {
    return h("span.scalar", {}, h("code", {}, String(value)), " ", h("span.type", {}, typeOf(value)));
  }
  return h("div", {}, h("span.type", {}, typeOf(value)), textBlock(escapeHidden(encodeJson(value, 2)), "JSON"));
}

function typeOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 1 ? "list of 1" : `list of ${NUMBERS.format(value.length)}`;
  if (isObject(value)) return "object";
  return isNumber(value) ? "number" : "yes or no";
}

/**
 * Params as a table: each argument of the call, then whatever else stands in
 * them, so that nothing is sent that was not shown.
 *
 * @param {object|undefined} params
 * @param {string|null} contextField  the member that is in the card's title already
 * @param {string[]} changed  paths to mark, as `differences` names them
 */
export function paramsTable(params, contextField, changed = []) {
  const rows = [];
  for (const [key, value] of Object.entries(params ?? {})) {
    if (key === contextField) continue;
    if (key === "arguments" && isObject(value)) {
      for (const [argument, its] of Object.entries(value)) rows.push([argument, its, `arguments.${argument}`]);
    } else {
      rows.push([key, value, key]);
    }
  }
  if (rows.length === 0) return h("p.muted.no-arguments", {}, "No arguments");
  return h(
    "table.arguments",
    { "aria-label": "Arguments" },
    h(
      "tbody",
      {},
      ...rows.map(([key, value, path]) => {
        const isChanged = changed.some((where) => where === path || where.startsWith(`${path}.`) || where.startsWith(`${path}[`));
        const label = h("th", { scope: "row" }, foreign(key === "" ? "(empty name)" : key));
        if (isChanged) label.append(" ", h("span.tag.edited", {}, "edited"));
        return h("tr", {}, label, h("td", {}, valueView(value)));
      }),
    ),
  );
}

/** A folded block with the whole as JSON; written when it is first opened. */
export function rawJson(value, title = "Raw JSON") {
  const details = h("details.raw", {}, h("summary", {}, title));
  details.addEventListener(
    "toggle",
    () => details.append(textBlock(escapeHidden(encodeJson(value, 2)), "JSON")),
    { once: true },
  );
  return details;
}

/** A result or error of a call (MCP tool results by their parts, anything else as JSON). */
export function responseView(response) {
  if (response.error !== undefined) {
    const { code, message, data } = response.error;
    return h(
      "div.result-body",
      {},
      h("p.error-text", {}, foreign(message), " ", h("span.type", {}, `error ${code}`)),
      data === undefined ? null : textBlock(escapeHidden(encodeJson(data, 2)), "JSON"),
    );
  }
  const { content, structuredContent, ...rest } = response.result;
  delete rest.isError;
  const body = h("div.result-body", {});
  if (Array.isArray(content)) {
    // A tool says with its content what it has to say, and often the same once more as structure.
    body.append(...content.map(contentView));
    if (structuredContent !== undefined) body.append(rawJson(structuredContent, "Structured content"));
    if (Object.keys(rest).length) body.append(rawJson(rest, "More of the result"));
  } else {
    body.append(textBlock(escapeHidden(encodeJson(response.result, 2)), "JSON"));
  }
  if (!body.hasChildNodes()) body.append(h("em.muted", {}, "an empty result"));
  return body;
}

function contentView(part) {
  if (isObject(part) && part.type === "text" && typeof part.text === "string") {
    return part.text === "" ? h("em.muted", {}, "empty text") : textBlock(part.text);
  }
  // Images and the like are named, never loaded: what a tool sends is not trusted here.
  if (isObject(part) && typeof part.data === "string" && typeof part.mimeType === "string") {
    return h("p.muted", {}, foreign(`${part.type} (${part.mimeType}), ${NUMBERS.format(part.data.length)} characters of base64, not shown`), rawJson(part));
  }
  return textBlock(escapeHidden(encodeJson(part, 2)), "JSON");
}

/** How far a call is, as its target says. */
export function progressView({ done, total, message }) {
  const label = total === null ? String(done) : `${done} of ${total}`;
  return h("p.progress", {}, total === null ? null : h("progress", { max: total, value: done, "aria-label": "Progress" }), " ", label, message ? ": " : null, foreign(message));
}

/** What a call's target logged meanwhile. */
export function logsView(logs) {
  if (logs.length === 0) return null;
  return h("ul.logs", { "aria-label": "Log" }, ...logs.map((data) => h("li", {}, foreign(typeof data === "string" ? data : encodeJson(data)))));
}

