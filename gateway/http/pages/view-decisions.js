/** The two small forms of a proposal's card: edit then approve, and reject. */

import { contextField, REJECT_REASONS } from "./envelope.js";
import { foreign, GUARD_MS, h, isEnabled, setEnabled, setText } from "./dom.js";
import { differences, encodeJson, isObject, JsonRefused, parseJson } from "./json.js";
import { escapeHidden, visibleText } from "./visible.js";

const REASON_TEXTS = {
  denied: "denied – I do not want this",
  policy: "policy – it is against a rule",
  invalid: "invalid – it makes no sense as it is",
  expired: "expired – it comes too late",
  busy: "busy – not now",
};

/**
 * Edit then approve: the params as JSON, hidden characters as escapes. It takes
 * a change to send: the form opens where "Edit" was, and the second half of a
 * double click is no decision.
 *
 * @param {object} proposal
 * @param {{send(params: object), cancel()}} act
 */
export function editForm(proposal, { send, cancel }) {
  const { method, params = {}, key } = proposal;
  const field = contextField(method);
  const fixed = field === null ? method : `${method} ${params[field]}`;
  const written = escapeHidden(encodeJson(params, 2));
  const says = h("p.says", { id: `edit-says-${key}`, role: "status" });
  const editor = h("textarea.code", {
    "data-testid": "edit-params",
    "aria-label": "Params as JSON",
    "aria-describedby": says.id,
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    rows: String(Math.min(24, Math.max(6, written.split("\n").length + 1))),
  });
  editor.value = written;
  const approve = h("button.primary", { type: "submit", "data-testid": "edit-send" }, "Approve edited");
  let edited = params;

  function read() {
    const { value, why } = readParams(editor.value, field, params);
    const changed = why === null ? differences(params, value).map(({ path, how }) => `${path} (${how})`) : [];
    edited = value;
    setEnabled(approve, changed.length > 0);
    says.classList.toggle("bad", why !== null);
    setText(says, why ?? (changed.length ? `You change ${visibleText(changed.join(", "))}.` : "Nothing is changed yet."));
  }

  editor.addEventListener("input", read);
  read();
  return form(
    act("Edit then approve", () => send(edited), cancel),
    h("p.muted", {}, h("strong", {}, foreign(fixed)), " stays as it was proposed; everything else may change. All will see what you edited."),
    editor,
    says,
    approve,
  );
}

/** Params out of the editor's text: {value, why}; `why` is a sentence where they cannot be sent. */
function readParams(text, field, proposed) {
  let value;
  try {
    value = parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonRefused)) throw error;
    return { value: null, why: `This is no JSON: ${error.message}.` };
  }
  if (!isObject(value)) return { value: null, why: "Params are one JSON object." };
  if (field !== null && value[field] !== proposed[field]) return { value: null, why: `"${field}" may not change: reject this proposal instead.` };
  return { value, why: null };
}

/**
 * Reject with a reason that the proposer hears.
 *
 * @param {object} proposal
 * @param {{send(choice: {reason: string, message: string}), cancel()}} act
 */
export function rejectForm(proposal, { send, cancel }) {
  const reason = h("select", { "data-testid": "reject-reason" }, ...REJECT_REASONS.map((code) => h("option", { value: code }, REASON_TEXTS[code])));
  const message = h("textarea", { "data-testid": "reject-message", rows: "2", placeholder: "What should it do instead?" });
  const confirm = h("button.danger", { type: "submit", "data-testid": "reject-send" }, "Reject");
  // It opens where "Reject" was: the second half of a double click is no decision.
  setEnabled(confirm, false);
  confirm.classList.add("held");
  setTimeout(() => {
    setEnabled(confirm, true);
    confirm.classList.remove("held");
  }, GUARD_MS);
  return form(
    act("Reject", () => send({ reason: reason.value, message: message.value.trim() }), cancel),
    h("label", {}, h("span", {}, "Reason"), reason),
    h("label", {}, h("span", {}, "In your words; everybody here can read them"), message),
    confirm,
  );
}

function act(title, submit, cancel) {
  return { title, submit, cancel };
}

function form({ title, submit, cancel }, ...children) {
  const send = children.pop();
  const element = h(
    "form.decision-form",
    { "aria-label": title, novalidate: true },
    ...children,
    h("div.actions", {}, send, h("button.secondary", { type: "button", "data-testid": "cancel", onclick: cancel }, "Cancel")),
  );
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    if (isEnabled(send)) submit();
  });
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      cancel();
    }
  });
  return element;
}
