/** Why an item is in a list. */

import { h } from "../dom.js";
import { href } from "../router.js";

/** @param {import("../vane.js").ListedItem["reason"]} reason @returns {string} of what caused it */
const cause = ({ code, item_id: itemId }) =>
  itemId && code !== "similar" ? href(["item", itemId]) : "";

/**
 * The reason as a line; where an item of the user's past caused it, the line leads there.
 * @param {import("../vane.js").ListedItem["reason"]} reason @returns {HTMLElement}
 */
export function because(reason) {
  const address = cause(reason);
  const text = address ? h("a", { href: address }, reason.text) : reason.text;
  return h("p", { class: "reason", "data-code": reason.code }, text);
}

/** Bring a line up to date. @param {Element} line @param {import("../vane.js").ListedItem["reason"]} reason */
export function updateBecause(line, reason) {
  const address = line.querySelector("a")?.getAttribute("href") ?? "";
  if (line.textContent !== reason.text || address !== cause(reason)) {
    line.replaceWith(because(reason));
  }
}
