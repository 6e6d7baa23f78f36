/** "Your taste": how much Vane thinks the user likes what, as bars that move with every event. */

import { h } from "../dom.js";
import { reconcile } from "../flip.js";

const CATEGORIES_MAX = 5;
const TAGS_MAX = 5;

/** The section of the page's side. */
export class Taste {
  #categories = h("ul", { class: "bars", role: "list", "aria-label": "Categories" });
  #tags = h("ul", { class: "bars thin", role: "list", "aria-label": "Tags" });
  #empty = h("p", {}, "Nothing yet. Open or like something, and this fills at once.");
  #count = h("p", { class: "count" });
  #known = h("div", {}, this.#categories, this.#tags, this.#count);
  #user = "";
  /** @type {?Map<string, number>} percent by name, of the profile before */
  #before = null;

  constructor() {
    this.element = h("section", { class: "taste" }, h("h2", {}, "Your taste"), this.#empty, this.#known);
  }

  /** @param {any} profile */
  draw({ user_id: user, events, categories, tags }) {
    if (user !== this.#user) this.#before = null;
    this.#user = user;
    this.#empty.hidden = events > 0;
    this.#known.hidden = events === 0;
    const own = Object.entries(tags).filter(([name]) => !(name in categories));
    const shown = [Object.entries(categories).slice(0, CATEGORIES_MAX), own.slice(0, TAGS_MAX)];
    this.#bars(this.#categories, shown[0]);
    this.#bars(this.#tags, shown[1]);
    this.#before = new Map(Object.entries({ ...tags, ...categories }).map(([k, v]) => [k, percent(v)]));
    const noun = events === 1 ? "event" : "events";
    this.#count.textContent = `From ${events.toLocaleString("en")} ${noun} of yours`;
  }

  /** @param {HTMLElement} list @param {[string, number][]} affinities 0 to 1, strongest first */
  #bars(list, affinities) {
    reconcile(list, affinities, {
      key: ([name]) => name,
      make: ([name]) =>
        h(
          "li",
          {},
          h("span", { class: "bar-name" }, name),
          h("span", { class: "bar-change" }),
          h("span", { class: "bar-value" }),
          h("span", { class: "bar", "aria-hidden": "true" }, h("span", {})),
        ),
      update: (element, [name, affinity]) => {
        const now = percent(affinity);
        element.querySelector(".bar-value").textContent = `${now} %`;
        element.querySelector(".bar span").style.width = `${now}%`;
        element.querySelector(".bar-change").textContent = this.#change(name, now);
      },
    });
  }

  /** "+12" since the event before; nothing for a user who has just come. */
  #change(name, now) {
    const by = this.#before ? now - (this.#before.get(name) ?? 0) : 0;
    return by ? `${by > 0 ? "+" : "−"}${Math.abs(by)}` : "";
  }
}

/** @param {number} affinity */
const percent = (affinity) => Math.round(100 * affinity);
