/** The page's side: the taste, the way of events, the newest items, and beside an item the list. */

import { h, icon } from "../dom.js";
import { reconcile } from "../flip.js";
import { ago, done, titleOf } from "../format.js";
import { href } from "../router.js";
import { Taste } from "./taste.js";

const RECENT_MAX = 5;
const NEXT_MAX = 3;

/** The page's side. */
export class Panel {
  #app;
  #taste = new Taste();
  #recent = h("ul", { class: "recent", role: "list" });
  #next = h("ul", { class: "next", role: "list" });
  #lately = h("section", { hidden: true }, h("h2", {}, "Lately"), this.#recent);
  #beside = h("section", {}, h("h2", {}, "Your feed right now"), this.#next);
  #asked = 0;

  /** @param {import("../app.js").App} app @param {HTMLElement} place */
  constructor(app, place) {
    this.#app = app;
    place.append(this.#beside, this.#taste.element, app.way.element, this.#lately);
    app.feed.onChange(({ list }) => {
      this.#drawNext(list.items);
      this.refresh();
    });
  }

  /** @param {boolean} beside whether the view is another one than the feed */
  show(beside) {
    this.#beside.hidden = !beside;
    this.#drawNext(this.#app.feed.list?.items ?? []);
  }

  /** Ask for the profile and draw it. */
  async refresh() {
    const turn = ++this.#asked;
    try {
      const profile = await this.#app.vane.profile();
      if (turn === this.#asked) this.#draw(profile);
    } catch (error) {
      this.#app.failed(error);
    }
  }

  /** @param {any} profile */
  #draw(profile) {
    const { recent_items: recent } = profile;
    this.#taste.draw(profile);
    this.#lately.hidden = recent.length === 0;
    reconcile(this.#recent, recent.slice(0, RECENT_MAX), {
      key: (item) => item.item_id,
      make: (item) => row(item, h("small", {})),
      update: (element, item) => {
        element.querySelector("small").textContent = `${done(item.action)} ${ago(item.ts)}`;
      },
    });
  }

  /** @param {import("../vane.js").ListedItem[]} items */
  #drawNext(items) {
    reconcile(this.#next, items.slice(0, NEXT_MAX), {
      key: (item) => item.item_id,
      make: (item) => row(item, icon(item.kind)),
      update: () => {},
    });
  }
}

/** @param {any} item @param {Element} aside @returns {HTMLElement} */
const row = (item, aside) =>
  h("li", {}, h("a", { href: href(["item", item.item_id]) }, titleOf(item)), aside);
