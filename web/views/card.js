/** An item in a list: a link to it, why it is there, and what can be done with it at once. */

import { h, icon } from "../dom.js";
import { kindName, price, titleOf, tone } from "../format.js";
import { href } from "../router.js";
import { actionButtons } from "./actions.js";
import { because, updateBecause } from "./because.js";

/** @typedef {import("../vane.js").ListedItem} ListedItem */

/**
 * The picture of an item, or a drawn stand-in where it has none.
 * @param {{kind: string, category: ?string, image_url: ?string, item_id: string}} item
 * @returns {HTMLElement}
 */
export function picture(item) {
  const standIn = () => icon(item.kind);
  const frame = h("div", { class: `picture tone-${tone(item.category ?? item.kind)}` });
  if (!item.image_url) {
    frame.append(standIn());
    return frame;
  }
  const image = h("img", { src: item.image_url, alt: "", loading: "lazy", width: 320, height: 200 });
  image.addEventListener("error", () => image.replaceWith(standIn()));
  frame.append(image);
  return frame;
}

/** Kind, category and price in a line. @param {ListedItem} item @returns {HTMLElement} */
export function meta(item) {
  return h(
    "p",
    { class: "meta" },
    h("span", { class: "kind" }, icon(item.kind), kindName(item.kind)),
    item.category && h("span", { class: "category" }, item.category),
    item.price !== null && h("strong", { class: "price" }, price(item.price, item.currency)),
  );
}

/**
 * A card.
 * @param {import("../app.js").App} app
 * @param {ListedItem} item
 * @param {() => {request_id?: string, position?: number}} [origin] the list and place it is in now
 * @returns {HTMLElement} an `li`
 */
export function card(app, item, origin = () => ({})) {
  const address = href(["item", item.item_id]);
  const open = () => app.opening(item.item_id, origin());
  return h(
    "li",
    { class: "card" },
    h(
      "a",
      { class: "card-link", href: address, onclick: open },
      picture(item),
      h("h3", { class: "card-title" }, titleOf(item)),
    ),
    meta(item),
    item.reason && because(item.reason),
    actionButtons(app, item, origin, { compact: true }),
  );
}

/**
 * Bring a card's reason up to date, and whether it is in the basket.
 * @param {import("../app.js").App} app @param {HTMLElement} element @param {ListedItem} item
 */
export function updateCard(app, element, item) {
  const line = element.querySelector(".reason");
  if (line) updateBecause(line, item.reason);
  const cart = element.querySelector(".action-cart");
  cart?.setAttribute("aria-pressed", String(app.basket.has(item.item_id)));
}

/**
 * A grid of cards that do not change.
 * @param {import("../app.js").App} app @param {ListedItem[]} items @param {string} [label]
 * @param {{request_id?: string}} [list] where they are a list of the user's
 * @returns {HTMLElement}
 */
export function grid(app, items, label, list = {}) {
  const cards = items.map((item, index) => card(app, item, () => ({ ...list, position: index })));
  return h("ul", { class: "grid", role: "list", "aria-label": label }, cards);
}

/**
 * A grid of a list of the user's: what is seen of it is told.
 * @param {import("../app.js").App} app
 * @param {{request_id: string, items: ListedItem[]}} list @param {string} label
 * @returns {HTMLElement}
 */
export function seenGrid(app, { request_id, items }, label) {
  const element = grid(app, items, label, { request_id });
  items.forEach((item, index) => app.impressions.watch(element.children[index], request_id, item, index));
  return element;
}
