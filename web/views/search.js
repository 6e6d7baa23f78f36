/** Results while one types. */

import { h } from "../dom.js";
import { VaneError } from "../vane.js";
import { grid } from "./card.js";

const LIMIT = 24;
const QUOTED_MAX = 80;

/** @param {string} text @returns {string} */
const quoted = (text) => `“${text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}…` : text}”`;

/** Stays while the text changes, and shows the answer to the newest text alone. */
export class SearchView {
  #app;
  #heading = h("h1", { tabindex: -1 }, "Search");
  #summary = h("p", { class: "summary", role: "status" });
  #results = h("div", {});
  #asking = new AbortController();

  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.#app = app;
    this.title = "Search";
    this.element = h("div", { class: "view" }, this.#heading, this.#summary, this.#results);
  }

  /** @param {import("../router.js").Route} route */
  async show({ query }) {
    const text = (query.q ?? "").trim();
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    if (!text) {
      this.#tell("Type a make, a title or a topic above.");
      return;
    }
    this.title = `Search: ${quoted(text)}`;
    try {
      const answer = await this.#app.vane.search(text, { limit: LIMIT, signal });
      if (!signal.aborted) this.#draw(text, answer);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof VaneError) this.#tell(`Too much to search for: ${error.message}`);
      else this.#app.failed(error);
    }
  }

  /** @param {string} text @param {{items: any[], corrected?: ?string}} answer */
  #draw(text, { items, corrected }) {
    if (!items.length) {
      this.#tell(`Nothing found for ${quoted(text)}. Fewer or other words may help.`);
      return;
    }
    const count = items.length === LIMIT ? `The best ${LIMIT}` : `${items.length}`;
    const noun = items.length === 1 ? "result" : "results";
    const forText = corrected ? `${quoted(corrected)} (you typed ${quoted(text)})` : quoted(text);
    this.#summary.textContent = `${count} ${noun} for ${forText}`;
    const heading = h("h2", { class: "hidden" }, "Results");
    this.#results.replaceChildren(heading, grid(this.#app, items, "Results"));
  }

  /** @param {string} sentence */
  #tell(sentence) {
    this.#summary.textContent = sentence;
    this.#results.replaceChildren();
  }
}
