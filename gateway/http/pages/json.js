/**
 * JSON that every reader reads alike (MCPx 4.3, Participant Validation).
 *
 * `JSON.parse` keeps the last of two equal keys, another reader the first: what
 * a person approves here could be another call there. It also rounds numbers
 * beyond 2^53. So this reader refuses repeated keys at any depth, and keeps a
 * number that JavaScript would write differently as the text that stood there.
 */

/** Levels of nesting that are read; more is refused, long before the stack ends. */
const MAX_DEPTH = 256;

export class JsonRefused extends Error {}

/** A number whose text JavaScript would change: `1.0`, `1e3`, or one beyond 2^53. */
export class ExactNumber {
  constructor(text) {
    this.text = text;
    Object.freeze(this);
  }

  valueOf() {
    return Number(this.text);
  }

  toString() {
    return this.text;
  }
}

const SPACE = /[ \t\n\r]*/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const HEX4 = /[0-9a-fA-F]{4}/y;
const HALF_SURROGATE = /\p{Surrogate}/u;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

/**
 * Parse one JSON text strictly.
 *
 * Objects come without a prototype, so `__proto__` is a key like any other.
 *
 * @param {string} text
 * @returns {*} null, boolean, number, ExactNumber, string, array or object
 * @throws {JsonRefused} `text` is no JSON, repeats a key, holds half a
 *   surrogate pair, or is nested too deep
 */
export function parseJson(text) {
  let at = 0;

  function refuse(why) {
    throw new JsonRefused(`${why} (at character ${at + 1})`);
  }

  function take(pattern) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) return null;
    at = pattern.lastIndex;
    return found[0];
  }

  function expect(character) {
    if (text[at] !== character) {
      refuse(at < text.length ? `expected '${character}'` : `the text ends where '${character}' should stand`);
    }
    at += 1;
  }

  function string() {
    expect('"');
    let value = take(PLAIN);
    while (text[at] !== '"') {
      if (text[at] !== "\\") refuse(at < text.length ? "a control character inside a string" : "a string without an end");
      const escape = text[at + 1];
      at += 2;
      if (escape === "u") {
        const hex = take(HEX4);
        if (hex === null) refuse("\\u needs four hex digits");
        value += String.fromCharCode(parseInt(hex, 16));
      } else if (Object.hasOwn(ESCAPES, escape ?? "")) {
        value += ESCAPES[escape];
      } else {
        refuse("an unknown escape");
      }
      value += take(PLAIN);
    }
    at += 1;
    if (HALF_SURROGATE.test(value)) refuse("half a surrogate pair");
    return value;
  }

  function object(depth) {
    const value = Object.create(null);
    at += 1;
    take(SPACE);
    if (text[at] === "}") {
      at += 1;
      return value;
    }
    for (;;) {
      take(SPACE);
      const key = string();
      if (key in value) refuse(`key '${key.slice(0, 64)}' stands twice`);
      take(SPACE);
      expect(":");
      value[key] = any(depth);
      if (text[at] !== ",") break;
      at += 1;
    }
    expect("}");
    return value;
  }

  function array(depth) {
    const value = [];
    at += 1;
    take(SPACE);
    if (text[at] === "]") {
      at += 1;
      return value;
    }
    for (;;) {
      value.push(any(depth));
      if (text[at] !== ",") break;
      at += 1;
    }
    expect("]");
    return value;
  }

  function word(expected, value) {
    if (!text.startsWith(expected, at)) refuse("no JSON value");
    at += expected.length;
    return value;
  }

  function number() {
    const written = take(NUMBER);
    if (written === null) refuse(at < text.length ? "no JSON value" : "the text ends where a value should stand");
    const value = Number(written);
    return String(value) === written ? value : new ExactNumber(written);
  }

  function any(depth) {
    if (depth > MAX_DEPTH) refuse("nested too deep");
    take(SPACE);
    let value;
    switch (text[at]) {
      case "{": value = object(depth + 1); break;
      case "[": value = array(depth + 1); break;
      case '"': value = string(); break;
      case "t": value = word("true", true); break;
      case "f": value = word("false", false); break;
      case "n": value = word("null", null); break;
      default: value = number();
    }
    take(SPACE);
    return value;
  }

  const value = any(0);
  if (at !== text.length) refuse("something follows the value");
  return value;
}

/** Whether `value` is a JSON object, as `parseJson` returns it. */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);
}

/** Whether `value` is a JSON number. */
export function isNumber(value) {
  return typeof value === "number" || value instanceof ExactNumber;
}

/**
 * Write a value as JSON; an ExactNumber as it stood.
 *
 * @param {*} value
 * @param {number} indent  spaces per level; 0 writes one line
 * @returns {string}
 */
export function encodeJson(value, indent = 0) {
  const [comma, colon] = indent ? [",", ": "] : [",", ":"];

  function lines(parts, open, close, level) {
    if (parts.length === 0) return open + close;
    if (!indent) return open + parts.join(comma) + close;
    const pad = "\n" + " ".repeat(indent * (level + 1));
    return open + pad + parts.join(comma + pad) + "\n" + " ".repeat(indent * level) + close;
  }

  function any(item, level) {
    if (item instanceof ExactNumber) return item.text;
    if (Array.isArray(item)) return lines(item.map((part) => any(part, level + 1)), "[", "]", level);
    if (isObject(item)) {
      const members = Object.keys(item)
        .filter((key) => item[key] !== undefined)
        .map((key) => JSON.stringify(key) + colon + any(item[key], level + 1));
      return lines(members, "{", "}", level);
    }
    return JSON.stringify(item);
  }

  return any(value, 0);
}

/** Whether a JSON number is an integer as it is written: `1` is, `1.0` and `1e3` are not. */
export function isInteger(value) {
  return isNumber(value) && /^-?[0-9]+$/.test(String(value));
}

// Other readers tell 1 from 1.0, and hold integers beyond 2^53 exactly.
function sameNumber(a, b) {
  if (String(a) === String(b)) return true;
  return !isInteger(a) && !isInteger(b) && Number(a) === Number(b);
}

/** Whether two JSON values say the same in the same types; the order of keys says nothing. */
export function sameJson(a, b) {
  return differences(a, b).length === 0;
}

/**
 * Where two JSON values differ.
 *
 * @returns {{path: string, how: "added" | "removed" | "changed"}[]} paths such
 *   as `arguments.path` or `arguments.lines[2]`; the root's own is empty
 */
export function differences(before, after) {
  const found = [];

  function compare(a, b, path) {
    if (isNumber(a) && isNumber(b)) {
      if (!sameNumber(a, b)) found.push({ path, how: "changed" });
    } else if (Array.isArray(a) && Array.isArray(b)) {
      for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
        const here = `${path}[${i}]`;
        if (i >= a.length) found.push({ path: here, how: "added" });
        else if (i >= b.length) found.push({ path: here, how: "removed" });
        else compare(a[i], b[i], here);
      }
    } else if (isObject(a) && isObject(b)) {
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
        const here = path ? `${path}.${key}` : key;
        if (!Object.hasOwn(a, key)) found.push({ path: here, how: "added" });
        else if (!Object.hasOwn(b, key)) found.push({ path: here, how: "removed" });
        else compare(a[key], b[key], here);
      }
    } else if (a !== b) {
      found.push({ path, how: "changed" });
    }
  }

  compare(before, after, "");
  return found;
}
