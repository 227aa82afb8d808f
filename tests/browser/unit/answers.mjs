/** Answers questions of a test in another language: JSON on stdin, JSON on stdout. */

import { readFileSync } from "node:fs";

import { grants } from "../../../gateway/http/pages/capabilities.js";
import { EnvelopeRefused, parseEnvelope } from "../../../gateway/http/pages/envelope.js";

const { pairs = [], envelopes = [] } = JSON.parse(readFileSync(0, "utf8"));

function whyRefused(text) {
  try {
    parseEnvelope(text);
    return null;
  } catch (error) {
    if (!(error instanceof EnvelopeRefused)) throw error;
    return error.message;
  }
}

console.log(JSON.stringify({ granted: pairs.map(([pattern, kind]) => grants([pattern], kind)), refused: envelopes.map(whyRefused) }));
