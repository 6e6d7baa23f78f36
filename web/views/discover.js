/** A feed across kinds that goes on as one scrolls: videos and articles with what they show. */

import { h } from "../dom.js";
import { titleOf } from "../format.js";
import { href } from "../router.js";
import { card } from "./card.js";

const LIMIT = 12;
const SHOWN_MAX = 3;
const AHEAD_PX = 500;
const GONE = 410;

/** Stays while other views are shown; its order stays, too, until it is begun anew. */
export class DiscoverView {
  #app;
  #cards = h("ul", { class: "grid", role: "list", "aria-label": "Discover" });
  #more = h("button", { type: "button", class: "more", onclick: () => this.#load() }, "More");
  #end = h("p", { class: "summary", hidden: true }, "That is all for now. ");
  /** @type {?string} of the next page; empty before the first one, null after the last */
  #cursor = "";
  #loading = false;
  #turn = 0;
  #sight = new IntersectionObserver(([entry]) => entry.isIntersecting && this.#load(), {
    rootMargin: `${AHEAD_PX}px`,
  });

  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.#app = app;
    this.title = "Discover";
    const heading = h("h1", { tabindex: -1 }, "Discover");
    const tell = h("p", { class: "summary" }, "All kinds in one list, which stays as it is while you scroll.");
    const list = h("h2", { class: "hidden" }, "Items");
    this.#end.append(h("button", { type: "button", class: "link", onclick: () => this.#again() }, "Begin anew"));
    this.element = h("div", { class: "view" }, heading, tell, list, this.#cards, this.#more, this.#end);
  }

  /** Another user, or another list. */
  reset() {
    this.#turn += 1;
    this.#loading = false;
    this.#cursor = "";
    this.#cards.replaceChildren();
    this.#more.hidden = false;
    this.#end.hidden = true;
  }

  /** The view is in the page already. */
  show() {
    if (this.#cursor === "") this.#load();
  }

  #again() {
    this.reset();
    this.#load();
  }

  async #load() {
    if (this.#loading || this.#cursor === null) return;
    const turn = this.#turn;
    this.#loading = true;
    try {
      const page = await this.#app.vane.feed({ limit: LIMIT, cursor: this.#cursor });
      if (turn === this.#turn) this.#append(page);
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error.status === GONE) this.#ended(null);
      else this.#app.failed(error);
    } finally {
      if (turn === this.#turn) this.#loading = false;
    }
  }

  /** @param {{request_id: string, items: any[], next_cursor: ?string}} page */
  #append({ request_id, items, next_cursor: cursor }) {
    const first = this.#cards.children.length;
    const cards = items.map((item, index) => {
      const element = card(this.#app, item, () => ({ request_id, position: first + index }));
      if (item.embeds.length) element.append(shown(item.embeds));
      return element;
    });
    const keyboard = document.activeElement === this.#more;
    this.#cards.append(...cards);
    cards.forEach((element, index) =>
      this.#app.impressions.watch(element, request_id, items[index], first + index),
    );
    this.#ended(cursor);
    if (keyboard) cards[0]?.querySelector("a")?.focus();
  }

  /** @param {?string} cursor null at the end */
  #ended(cursor) {
    this.#cursor = cursor;
    this.#more.hidden = cursor === null;
    this.#end.hidden = cursor !== null;
    this.#sight.disconnect();
    if (cursor) this.#sight.observe(this.#more); // told at once where it is in sight still
  }
}

/** @param {any[]} embeds @returns {HTMLElement} */
function shown(embeds) {
  const links = embeds.slice(0, SHOWN_MAX).map((item) =>
    h("li", {}, h("a", { href: href(["item", item.item_id]) }, titleOf(item))),
  );
  return h("ul", { class: "embeds", role: "list", "aria-label": "Shown in it" }, links);
}
