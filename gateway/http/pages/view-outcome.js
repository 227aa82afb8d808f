/** What became of a proposal: its decision, its result, and the steps that led there. */

import { foreign, h, name } from "./dom.js";
import { isFailure, isNotFulfilled } from "./proposals.js";
import { clockWithSeconds } from "./times.js";
import { logsView, progressView, responseView } from "./view-values.js";

const DECIDED = { rejected: " rejected it", withdrawn: " withdrew it" };

/** Whether the target answered that it did not run the fulfillment. */
export function isNotRun({ fulfillment }) {
  return Boolean(fulfillment?.response) && isNotFulfilled(fulfillment.response);
}

/** A result or error with the one who sent it. */
export function resultView(response) {
  const failed = isFailure(response);
  return h(
    "section.result",
    { "data-testid": "result", "data-error": String(failed), "aria-label": failed ? "Error" : "Result" },
    h("h4", {}, name(response.from), answered(response)),
    responseView(response),
  );
}

function answered(response) {
  if (isNotFulfilled(response)) return " did not run it";
  return isFailure(response) ? " reports an error" : " answered";
}

/** The elements that say where a proposal stands; none while it is pending. */
export function outcomeOf({ status, fulfillment, decidedBy, reason, message }) {
  const decision = (...said) => [h("p.decision", { "data-testid": "decision" }, ...said)];
  switch (status) {
    case "approved":
      return fulfillment.response === null ? runningOf(fulfillment) : [resultView(fulfillment.response)];
    case "rejected":
    case "withdrawn":
      return decision(name(decidedBy), DECIDED[status], ": ", h("strong", {}, reason.replaceAll("_", " ")), message ? " – " : null, foreign(message));
    case "expired":
      return decision("It expired before anybody decided.");
    default:
      return [];
  }
}

function runningOf({ to, isCancelled, isUncertain, progress, logs, from }) {
  const waiting = isCancelled
    ? `${from} cancelled it.`
    : isUncertain
      ? "The result may have come while this page was offline."
      : `Waiting for ${to.join(", ")}…`;
  return [h("p.waiting", {}, waiting), progress === null ? null : progressView(progress), logsView(logs)];
}

/** The steps as list items, in their order: who did what, and when. */
export function stepsOf({ from, heardAt, status, decidedBy, decidedAt, fulfillment, late }) {
  const steps = [step(heardAt, name(from), " proposed it")];
  if (status === "expired") steps.push(step(decidedAt, "it expired"));
  else if (status === "approved") steps.push(step(decidedAt, name(decidedBy), fulfillment.isEdited ? " edited and approved it" : " approved it"));
  else if (status !== "pending") steps.push(step(decidedAt, name(decidedBy), DECIDED[status]));
  const response = fulfillment?.response;
  if (response) steps.push(step(response.at, name(response.from), answered(response)));
  for (const request of late) steps.push(step(request.heardAt, name(request.from), ` approved it too, later; ${decidedBy} was first`));
  return steps;
}

function step(at, ...what) {
  return h("li", {}, h("time", { datetime: new Date(at).toISOString() }, clockWithSeconds(at)), " ", ...what);
}
