/** One item: all that is known of it, what it shows, and what is like it. */

import { h, icon } from "../dom.js";
import { attribute, date, kindName, price, titleOf } from "../format.js";
import { href } from "../router.js";
import { VaneError } from "../vane.js";
import { actionButtons, rating } from "./actions.js";
import { grid, picture } from "./card.js";

const NOT_FOUND = 404;
const INVALID = 422;

/** @param {?string} address @returns {boolean} whether it may be a link: no script addresses */
const isWeb = (address) => /^(https?:\/\/|\/(?!\/))/.test(address ?? "");

/**
 * @param {import("../app.js").App} app @param {string} itemId
 * @returns {Promise<{element: HTMLElement, title: string, item: ?object}>}
 */
export async function detailView(app, itemId) {
  let item;
  try {
    item = await app.vane.item(itemId);
  } catch (error) {
    const missing = error instanceof VaneError && [NOT_FOUND, INVALID].includes(error.status);
    if (!missing) throw error;
    return { element: noSuchItem(itemId), title: "No such item", item: null };
  }
  const embedded = h("div", {});
  const similar = h("div", {});
  fill(embedded, () => embeddedItems(app, item), `In this ${kindName(item.kind).toLowerCase()}`, app);
  fill(similar, () => app.vane.similar(itemId), "Similar items", app);
  const element = h(
    "div",
    { class: "view" },
    backLink(),
    h("article", { class: "detail" }, h("div", {}, picture(item)), about(app, item)),
    embedded,
    similar,
  );
  return { element, title: titleOf(item), item };
}

const backLink = () => h("a", { class: "back", href: href([]) }, icon("back"), "Your feed");

/** @param {string} itemId @returns {HTMLElement} */
function noSuchItem(itemId) {
  return h(
    "div",
    { class: "view state" },
    h("h1", { tabindex: -1 }, "There is no such item"),
    h("p", {}, "Nothing is known of ", h("code", {}, itemId), ". It may have been sold or removed."),
    h("p", {}, h("a", { class: "button", href: href([]) }, "Back to your feed")),
  );
}

/** @param {import("../app.js").App} app @param {any} item @returns {HTMLElement} */
function about(app, item) {
  const by = [item.author, item.published_at && date(item.published_at)].filter(Boolean);
  const kind = [kindName(item.kind), item.category].filter(Boolean).join(" · ");
  return h(
    "div",
    { class: "about" },
    h("p", { class: "kind" }, icon(item.kind), kind),
    h("h1", { tabindex: -1 }, titleOf(item)),
    by.length > 0 && h("p", { class: "byline" }, by.join(" · ")),
    item.price !== null && h("p", { class: "price" }, price(item.price, item.currency)),
    !item.available && h("p", { class: "notice" }, "No longer available"),
    actionButtons(app, item, () => ({})),
    rating(app, item),
    item.description !== "" && h("p", { class: "description" }, item.description),
    attributes({ ...item.attributes, ...item.stats }),
    tags(item.tags),
    isWeb(item.url) && h("p", {}, h("a", { href: item.url, rel: "noopener" }, "Open its page")),
  );
}

/** @param {Object<string, any>} values @returns {?HTMLElement} */
function attributes(values) {
  const rows = Object.entries(values)
    .map(([name, value]) => attribute(name, value))
    .map(([label, text]) => h("div", {}, h("dt", {}, label), h("dd", {}, text)));
  return rows.length ? h("dl", { class: "attributes" }, rows) : null;
}

/** @param {string[]} names @returns {?HTMLElement} */
function tags(names) {
  if (!names.length) return null;
  const links = names.map((name) =>
    h("li", {}, h("a", { class: "tag", href: href(["search"], { q: name }) }, name)),
  );
  return h("ul", { class: "tags", role: "list", "aria-label": "Tags" }, links);
}

/** The items a video or article shows, less those that are gone. */
async function embeddedItems(app, item) {
  const found = await Promise.allSettled(item.embeds.map((id) => app.vane.item(id)));
  const reason = { code: "embedded", text: `Shown in this ${kindName(item.kind).toLowerCase()}` };
  return found.flatMap(({ value }) => (value ? [{ ...value, reason }] : []));
}

/**
 * A section that comes when its items do, and not at all without any.
 * @param {HTMLElement} place @param {() => Promise<any[]>} load @param {string} heading
 * @param {import("../app.js").App} app
 */
async function fill(place, load, heading, app) {
  try {
    const items = await load();
    if (items.length) place.append(h("h2", {}, heading), grid(app, items, heading));
  } catch (error) {
    app.failed(error);
  }
}
