/**
 * The one way in which this page makes elements.
 *
 * Text goes in as text: there is no `innerHTML` here or elsewhere, and the
 * page's policy (Trusted Types) would not let it through.
 */

import { runs, visibleText } from "./visible.js";

/** Milliseconds in which what appeared or moved takes no click: it was meant for something else. */
export const GUARD_MS = 500;

/**
 * Make an element.
 *
 * @param {string} tag  with classes, as in `"p.muted.small"`
 * @param {object} attributes  `on…` functions listen, true and false set and
 *   leave out, anything else is set as text
 * @param {...(Node|string|null|false)} children  strings are this page's own words
 */
export function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

/** Text from others: hidden characters are drawn by their code, in their own colour. */
export function foreign(text) {
  const fragment = document.createDocumentFragment();
  for (const run of runs(text)) {
    fragment.append(run.hidden ? h("span.hidden-character", { title: "A character that would not be seen" }, run.text) : run.text);
  }
  return fragment;
}

/** A participant's id, set apart so that it cannot turn the text around it. */
export function name(id) {
  return h("bdi.name", {}, visibleText(id));
}

/** Put these children in place of all others. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null && child !== false));
}

/**
 * Show one element for each item, in this order. What stands there already stays,
 * and with it the focus.
 *
 * @param {function(object): string} keyOf  differs where an item has to be drawn anew
 * @param {function(object): Element} make
 */
export function fillInPlace(list, items, keyOf, make) {
  const known = new Map([...list.children].map((element) => [element.dataset.key, element]));
  const wanted = items.map((item) => {
    const key = keyOf(item);
    const element = known.get(key) ?? make(item);
    element.dataset.key = key;
    known.delete(key);
    return element;
  });
  for (const element of known.values()) element.remove();
  wanted.forEach((element, i) => list.children[i] === element || list.insertBefore(element, list.children[i] ?? null));
}

/** Write a text only where it changes, so that nothing is read out twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Let a button act or not. It stays focusable, so that a keyboard does not lose
 * its place and a screen reader can say why.
 */
export function setEnabled(button, isEnabled) {
  if (isEnabled) button.removeAttribute("aria-disabled");
  else button.setAttribute("aria-disabled", "true");
}

export function isEnabled(button) {
  return button.getAttribute("aria-disabled") !== "true";
}
