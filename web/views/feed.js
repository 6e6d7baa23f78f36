/** The default view: the user's list, which moves with every event. */

import { h } from "../dom.js";
import { reconcile } from "../flip.js";
import { kindName } from "../format.js";
import { href } from "../router.js";
import { DEMO_ACCOUNTS } from "../session.js";
import { card, updateCard } from "./card.js";
import { Personas } from "./personas.js";

const KINDS = ["car", "film", "video", "article"];
const SKELETONS = 8;
const OF_KIND = 20;

/** The view stays while others are shown, so that a return shows what moved meanwhile. */
export class FeedView {
  #app;
  #personas;
  #cards = h("ul", { class: "grid", role: "list", "aria-label": "Recommendations" });
  #chips = h("ul", { role: "list" });
  #state = h("div", { class: "state" });
  #intro = h("div", {});
  #kinds = new Set();
  #loading = false;

  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.#app = app;
    this.#personas = new Personas(app);
    this.title = "For you";
    const filter = h("nav", { class: "chips", "aria-label": "Kinds" }, this.#chips);
    const heading = h("h2", { class: "hidden" }, "Recommendations");
    const parts = [this.#intro, filter, this.#state, heading, this.#cards];
    this.element = h("div", { class: "view" }, parts);
    app.feed.onChange(({ list }) => this.element.isConnected && this.#draw(list));
    this.reset();
  }

  /** Another user, nothing known yet. */
  reset() {
    this.#cards.replaceChildren();
    this.#drawState("waiting");
    this.#drawIntro();
    this.#findKinds();
  }

  /** @param {import("../router.js").Route} route the view is in the page already */
  show({ query }) {
    const kind = query.kind ?? "";
    if (kind !== this.#app.feed.kind) this.#app.feed.start(kind);
    this.#drawChips();
    const { list } = this.#app.feed;
    if (list) requestAnimationFrame(() => this.#draw(list));
  }

  /** @param {import("../vane.js").Recommendations} list */
  #draw(list) {
    const { kind } = this.#app.feed;
    if (!list.items.length) this.#drawState(kind ? "none" : "loading");
    else this.#state.replaceChildren();
    if (list.items.length && this.#loading) this.#findKinds();
    this.#loading = !list.items.length;
    const origin = (id) => () => ({
      request_id: this.#app.feed.list?.request_id,
      position: this.#app.feed.list?.items.findIndex((item) => item.item_id === id),
    });
    reconcile(this.#cards, list.items, {
      key: (item) => item.item_id,
      make: (item) => card(this.#app, item, origin(item.item_id)),
      update: (element, item) => updateCard(this.#app, element, item),
    });
    list.items.forEach((item, index) => {
      this.#app.impressions.watch(this.#cards.children[index], list.request_id, item, index);
    });
    const found = new Set(list.items.map((item) => item.kind)).difference(this.#kinds);
    if (found.size) this.#offer(found);
  }

  /** @param {"waiting" | "loading" | "none"} state */
  #drawState(state) {
    const skeletons = Array.from({ length: SKELETONS }, () => h("li", { class: "skeleton" }));
    const shown = {
      waiting: [h("ul", { class: "grid", "aria-hidden": "true" }, skeletons)],
      loading: [
        h("h2", {}, "Catalogue is loading…"),
        h("p", {}, "Vane reads and understands the first items. They appear here by themselves."),
        h("div", { class: "progress", role: "progressbar", "aria-label": "Catalogue is loading" }),
      ],
      none: [h("h2", {}, "Nothing of this kind yet"), h("p", {}, "It appears here when there is.")],
    };
    this.#state.replaceChildren(...shown[state]);
  }

  #drawIntro() {
    const { current, name } = this.#app.sessions;
    const whom = current?.persona ? `For somebody who likes ${name}` : `For you, ${name}`;
    const greeting = name ? whom : "A feed that turns with every click";
    const tell =
      "Open, like or hide something: within a blink Vane has learned from it, " +
      "and this list moves before your eyes. No reload, no nightly batch.";
    const accounts = DEMO_ACCOUNTS.map(({ email, name: who }) =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: "account", onclick: () => this.#enter(email) },
          who,
        ),
      ),
    );
    const tryOne = h(
      "div",
      { class: "try" },
      h("p", { id: "try" }, "You browse as a visitor. Or be:"),
      h("ul", { class: "accounts", role: "list", "aria-labelledby": "try" }, accounts),
    );
    this.#intro.replaceChildren(
      h(
        "header",
        { class: "intro" },
        h("h1", { tabindex: -1 }, greeting),
        h("p", {}, tell),
        !name && tryOne,
        this.#personas.element,
      ),
    );
  }

  /** @param {string} email */
  async #enter(email) {
    await this.#app.logIn(email).catch((error) => this.#app.failed(error));
  }

  /** A site may have any kinds: those of the demo are looked for, others show in the lists. */
  async #findKinds() {
    const { vane } = this.#app;
    const none = () => [];
    const found = await Promise.all(
      [...KINDS.map((kind) => ({ kind, limit: OF_KIND })), { limit: 100 }].map((query) =>
        vane.trending(query).catch(none),
      ),
    );
    const items = new Map(found.flat().map((item) => [item.item_id, item]));
    this.#personas.offer([...items.values()]);
    this.#offer(new Set(found.flat().map((item) => item.kind)));
  }

  /** @param {Set<string>} kinds */
  #offer(kinds) {
    this.#kinds = this.#kinds.union(kinds);
    this.#drawChips();
  }

  #drawChips() {
    const order = (kind) => (KINDS.includes(kind) ? KINDS.indexOf(kind) : KINDS.length);
    const kinds = [...this.#kinds].filter(Boolean).sort((a, b) => order(a) - order(b));
    const chips = ["", ...kinds].map((kind) => {
      const current = kind === this.#app.feed.kind ? "true" : null;
      const link = { class: "chip", href: href([], { kind }), "aria-current": current };
      return h("li", {}, h("a", link, kind ? kindName(kind, 2) : "All"));
    });
    this.#chips.replaceChildren(...(kinds.length > 1 ? chips : []));
  }
}
