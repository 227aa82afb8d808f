/**
 * Who may send what: capability patterns (MCPx 4.1, Wildcard Patterns).
 *
 * The gateway decides; this is the same rule once more, so that the page can
 * say beforehand what a person may do, and judge whose reject counts.
 */

/** Kinds beginning with one of these are implied by another family's grant. */
const IMPLIED_BY = { "mcp/withdraw": "mcp/proposal", "mcp/reject": "mcp/request" };

/**
 * Whether one pattern grants a kind.
 *
 * A `*` that ends the pattern matches any remainder, further parts included.
 * Any other `*` stays between two colons: if it ran from the method into the
 * context, a pattern for every "list" would grant `mcp/request:tools/call:x/list`.
 * So both are cut at every colon and compared piece by piece.
 *
 * @param {string} pattern  such as `mcp/request:tools/*`
 * @param {string} kind  a kind's wire form, already parsed as valid
 * @returns {boolean}
 */
export function patternGrants(pattern, kind) {
  if (isReservedKind(kind)) return false;
  if (kind === "chat") return pattern === "chat"; // no wildcard grants chat
  const wanted = pattern.split(":");
  const parts = kind.split(":");
  if (pattern === "*" || wanted[0] === "" || wanted[1] === "") return false; // no gateway lets these in
  const isOpen = pattern.endsWith("*");
  if (parts.length < wanted.length) return false;
  if (!isOpen && parts.length > wanted.length && wanted.length !== 2) return false;
  return wanted.every((piece, i) => globMatches(piece, parts[i]));
}

/**
 * Whether any of the patterns grants a kind, the implied kinds included: who
 * may propose X may withdraw X, who may request X may reject X.
 *
 * @param {readonly string[]} patterns
 * @param {string} kind
 * @returns {boolean}
 */
export function grants(patterns, kind) {
  if (patterns.some((pattern) => patternGrants(pattern, kind))) return true;
  const colon = kind.indexOf(":");
  const family = kind.slice(0, colon);
  if (colon < 0 || !Object.hasOwn(IMPLIED_BY, family)) return false;
  const implying = IMPLIED_BY[family] + kind.slice(colon);
  return patterns.some((pattern) => patternGrants(pattern, implying));
}

/** Whether only the gateway may send a kind, look-alikes in other letter case included (MCPx 4.1). */
export function isReservedKind(kind) {
  const family = kind.split(":", 1)[0].toLowerCase();
  return /^(system|presence)(\/|$)/.test(family);
}

/** Match `*` against any run of characters; linear but for the last star tried again. */
function globMatches(glob, text) {
  let g = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (glob[g] === "*") {
      star = g;
      resume = t;
      g += 1;
    } else if (g < glob.length && glob[g] === text[t]) {
      g += 1;
      t += 1;
    } else if (star >= 0) {
      g = star + 1;
      resume += 1;
      t = resume;
    } else {
      return false;
    }
  }
  while (glob[g] === "*") g += 1;
  return g === glob.length;
}
