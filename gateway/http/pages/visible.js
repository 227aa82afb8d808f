/**
 * Text from others, made fit to be looked at.
 *
 * A proposal can hold characters that nobody sees, or that turn the text
 * around them: what a person approves would not be what they read. Each such
 * character is drawn by its code, as in ⟨U+202E⟩.
 */

// Controls but for tab and newline, formats (bidi, zero width, tags), line separators,
// private use, fillers, variation selectors, and spaces that look like another.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Default_Ignorable_Code_Point}\u00a0\u1680\u2000-\u200a\u202f\u205f\u2800]/gu;

// Joiners and the emoji selector inside an emoji are part of what is drawn.
const EMOJI = /\p{Regional_Indicator}{2}|[#*0-9]\ufe0f?\u20e3|\p{Extended_Pictographic}\p{Emoji_Modifier}?\ufe0f?(?:\u200d\p{Extended_Pictographic}\p{Emoji_Modifier}?\ufe0f?)*/gu;

/**
 * Cut a text into runs, each either plain or one hidden character.
 *
 * @param {string} text
 * @returns {{text: string, hidden: boolean}[]}  a hidden run's text is its drawn code
 */
export function runs(text) {
  const inEmoji = emojiSpans(text);
  const found = [];
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    const character = match[0];
    if (character === "\n" || character === "\t" || inEmoji(match.index)) continue;
    if (match.index > from) found.push({ text: text.slice(from, match.index), hidden: false });
    found.push({ text: codeOf(character), hidden: true });
    from = match.index + character.length;
  }
  if (from < text.length) found.push({ text: text.slice(from), hidden: false });
  return found;
}

/** The same as one text, for places that hold no elements: titles, labels, announcements. */
export function visibleText(text) {
  return runs(text).map((run) => run.text).join("");
}

/** `text` on one line, and shortened with its length said; for labels only, never for what is approved. */
export function shortText(text, characters) {
  const line = visibleText(text).replace(/\s+/g, " ").trim();
  const whole = [...line];
  return whole.length <= characters ? line : `${whole.slice(0, characters - 1).join("")}…`;
}

function codeOf(character) {
  return `⟨U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

function emojiSpans(text) {
  if (!/[\u200d\ufe0f]/.test(text)) return () => false;
  const spans = text.matchAll(EMOJI);
  let start = 0;
  let end = 0;
  return (at) => {
    // Asked in rising order, so one walk over the spans is enough.
    while (end <= at) {
      const { value: match, done } = spans.next();
      if (done) return false;
      start = match.index;
      end = start + match[0].length;
    }
    return start <= at;
  };
}

/** JSON text with each hidden character written as its escape: it still says the same. */
export function escapeHidden(json) {
  return runs(json)
    .map(({ text, hidden }) => (hidden ? escapesOf(String.fromCodePoint(parseInt(text.slice(3, -1), 16))) : text))
    .join("");
}

function escapesOf(character) {
  return [...Array(character.length).keys()]
    .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
    .join("");
}
