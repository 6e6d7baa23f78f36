/** The basket: what is in it, what goes with it, and buying it. */

import { h, icon } from "../dom.js";
import { reconcile } from "../flip.js";
import { price, titleOf } from "../format.js";
import { href } from "../router.js";
import { picture, seenGrid } from "./card.js";

const LIMIT = 8;

/** Stays while other views are shown; what goes with the basket follows its every change. */
export class BasketView {
  #app;
  #lines = h("ul", { class: "lines", role: "list", "aria-label": "In your basket" });
  #total = h("p", { class: "total" });
  #buy = h("button", { type: "button", class: "button", onclick: () => this.#checkOut() }, "Check out");
  #sum = h("div", { class: "sum" }, this.#total, this.#buy);
  #empty = h(
    "p",
    {},
    "Nothing yet. Whatever has a price can be put here, ",
    h("a", { href: href([]) }, "in your feed"),
    " for one.",
  );
  #with = h("div", {});
  #asked = 0;

  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.#app = app;
    this.title = "Basket";
    const heading = h("h1", { tabindex: -1 }, "Your basket");
    this.element = h("div", { class: "view" }, heading, this.#empty, this.#lines, this.#sum, this.#with);
    app.basket.onChange(() => this.element.isConnected && this.show());
  }

  /** The view is in the page already. */
  show() {
    const { items } = this.#app.basket;
    this.#empty.hidden = items.length > 0;
    this.#sum.hidden = items.length === 0;
    this.#total.textContent = totals(items);
    reconcile(this.#lines, items, {
      key: (item) => item.item_id,
      make: (item) => this.#line(item),
      update: () => {},
    });
    this.#suggest(items);
  }

  /** @param {import("../basket.js").Kept} item */
  #line(item) {
    const remove = () => {
      this.#app.basket.drop(item.item_id);
      this.#app.shell.say(`Out of the basket: ${titleOf(item)}`);
    };
    const label = `Remove: ${titleOf(item)}`;
    return h(
      "li",
      {},
      picture(item),
      h("a", { href: href(["item", item.item_id]) }, titleOf(item)),
      h("strong", { class: "price" }, price(item.price, item.currency)),
      h("button", { type: "button", class: "action", "aria-label": label, onclick: remove }, icon("remove")),
    );
  }

  /** @param {import("../basket.js").Kept[]} items */
  async #suggest(items) {
    const turn = ++this.#asked;
    if (!items.length) {
      this.#with.replaceChildren();
      return;
    }
    try {
      const found = await this.#app.vane.goesWith(items.map((item) => item.item_id), LIMIT);
      if (turn !== this.#asked) return;
      const name = "Goes with your basket";
      const shown = found.items.length > 0;
      this.#with.replaceChildren(...(shown ? [h("h2", {}, name), seenGrid(this.#app, found, name)] : []));
    } catch (error) {
      this.#app.failed(error);
    }
  }

  /** One purchase after the other. */
  async #checkOut() {
    const { basket, shell } = this.#app;
    const wanted = [...basket.items];
    this.#buy.setAttribute("aria-disabled", "true");
    for (const item of wanted) {
      if (basket.has(item.item_id)) await this.#app.act("purchase", item);
    }
    this.#buy.removeAttribute("aria-disabled");
    if (basket.items.length) return;
    shell.say(`Bought: ${wanted.length === 1 ? titleOf(wanted[0]) : `${wanted.length} items`}`);
    this.element.querySelector("h1")?.focus();
  }
}

/** "€25,300", one sum for each currency. @param {import("../basket.js").Kept[]} items */
function totals(items) {
  const sums = new Map();
  for (const item of items) sums.set(item.currency, (sums.get(item.currency) ?? 0) + (item.price ?? 0));
  const parts = [...sums].map(([currency, sum]) => price(sum, currency));
  return `Together ${parts.join(" and ")}`;
}
