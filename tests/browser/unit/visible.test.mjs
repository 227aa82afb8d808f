import assert from "node:assert/strict";
import { test } from "node:test";

import { escapeHidden, runs, shortText, visibleText } from "../../../gateway/http/pages/visible.js";

test("characters that nobody would see are drawn by their code", () => {
  const hidden = ["\u202e", "\u2066", "\u200b", "\u200f", "\u0000", "\u001b", "\u007f", "\u0085", "\u00ad", "\u2028", "\ufeff", "\u3164", "\ue000", "\u{e0041}", "\ufe00", "\u00a0", "\u180e", "\r"];
  for (const character of hidden) {
    const code = character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    assert.equal(visibleText(`a${character}b`), `a⟨U+${code}⟩b`);
    assert.deepEqual(runs(`a${character}b`).map((run) => run.hidden), [false, true, false]);
  }
});

test("ordinary text of any script stays as it is", () => {
  for (const text of ["plain", "two\nlines\tand a tab", "schön", "日本語", "עברית", "हिन्दी", "👩‍👩‍👧 ❤️ 1️⃣ 🇩🇪", ""]) assert.equal(visibleText(text), text);
});

test("a joiner outside an emoji does not hide", () => {
  assert.equal(visibleText("a\u200db"), "a⟨U+200D⟩b");
  assert.equal(visibleText("👩\u200d\u200d👧 x\ufe0f"), "👩⟨U+200D⟩⟨U+200D⟩👧 x⟨U+FE0F⟩");
});

test("escaped JSON still says the same", () => {
  const value = { path: "a\u202eb\u{e0041}\u200b" };
  const escaped = escapeHidden(JSON.stringify(value));
  assert.equal(visibleText(escaped), escaped);
  assert.deepEqual(JSON.parse(escaped), value);
});

test("a label is one line, and says that it is shortened", () => {
  assert.equal(shortText("a\nb", 10), "a b");
  assert.equal(shortText("abcdef", 4), "abc…");
});

test("a hostile megabyte is drawn in reasonable time", () => {
  const started = performance.now();
  runs("\u{1f469}\u200d".repeat(100_000));
  runs("\u202e".repeat(100_000));
  assert.ok(performance.now() - started < 3_000);
});
