/**
 * Keys for those who decide a lot. A key acts on the card that has the focus
 * and is in view; without one it first focuses the oldest, or scrolls to the
 * focused one, so that nobody approves what they do not look at. Never while
 * typing, and never for a key held down.
 */

/**
 * @param {{focused(): object|null, isInView(card: object): boolean, show(card: object),
 *   step(by: number), help()}} page
 */
export function listenForKeys(page) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const act = {
      j: () => page.step(1),
      k: () => page.step(-1),
      a: () => onFocused((card) => card.approve()),
      e: () => onFocused((card) => card.edit()),
      r: () => onFocused((card) => card.reject()),
      "?": () => page.help(),
      Escape: () => page.focused()?.closeForm(),
    }[event.key];
    if (act === undefined) return;
    if (event.key !== "Escape") event.preventDefault();
    act();
  });

  function onFocused(act) {
    const card = page.focused();
    if (card === null) page.step(1);
    else if (!page.isInView(card)) page.show(card);
    else act(card);
  }
}

function isTyping(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}
