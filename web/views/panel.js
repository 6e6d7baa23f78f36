/** "What Vane thinks you like": affinities, the newest items, and beside an item the list itself. */

import { h, icon } from "../dom.js";
import { reconcile } from "../flip.js";
import { ago, done, titleOf } from "../format.js";
import { href } from "../router.js";

const CATEGORIES_MAX = 5;
const TAGS_MAX = 6;
const RECENT_MAX = 5;
const NEXT_MAX = 5;

/** The page's side. */
export class Panel {
  #app;
  #categories = h("ul", { class: "bars", role: "list", "aria-label": "Categories" });
  #tags = h("ul", { class: "bars thin", role: "list", "aria-label": "Tags" });
  #recent = h("ul", { class: "recent", role: "list" });
  #next = h("ul", { class: "next", role: "list" });
  #empty = h("p", {}, "Nothing yet. Open or like something, and this fills at once.");
  #count = h("p", { class: "count" });
  #known;
  #beside;
  #asked = 0;

  /** @param {import("../app.js").App} app @param {HTMLElement} place */
  constructor(app, place) {
    this.#app = app;
    this.#known = h(
      "div",
      {},
      this.#categories,
      this.#tags,
      h("h3", {}, "Lately"),
      this.#recent,
      this.#count,
    );
    this.#beside = h("section", {}, h("h2", {}, "Your feed right now"), this.#next);
    const taste = h("section", {}, h("h2", {}, "What Vane thinks you like"), this.#empty, this.#known);
    place.append(this.#beside, taste);
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
  #draw({ events, categories, tags, recent_items: recent }) {
    this.#empty.hidden = events > 0;
    this.#known.hidden = events === 0;
    bars(this.#categories, categories, CATEGORIES_MAX);
    const own = Object.entries(tags).filter(([name]) => !(name in categories));
    bars(this.#tags, Object.fromEntries(own), TAGS_MAX);
    reconcile(this.#recent, recent.slice(0, RECENT_MAX), {
      key: (item) => item.item_id,
      make: (item) => row(item, h("small", {})),
      update: (element, item) => {
        element.querySelector("small").textContent = `${done(item.action)} ${ago(item.ts)}`;
      },
    });
    const noun = events === 1 ? "event" : "events";
    this.#count.textContent = `From ${events.toLocaleString("en")} ${noun} of yours`;
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

/**
 * @param {HTMLElement} list @param {Object<string, number>} affinities 0 to 1, strongest first
 * @param {number} most
 */
function bars(list, affinities, most) {
  reconcile(list, Object.entries(affinities).slice(0, most), {
    key: ([name]) => name,
    make: ([name]) =>
      h(
        "li",
        {},
        h("span", { class: "bar-name" }, name),
        h("span", { class: "bar-value" }),
        h("span", { class: "bar", "aria-hidden": "true" }, h("span", {})),
      ),
    update: (element, [, affinity]) => {
      const percent = Math.round(100 * affinity);
      element.querySelector(".bar-value").textContent = `${percent} %`;
      element.querySelector(".bar span").style.width = `${percent}%`;
    },
  });
}
