/** Visitors made to order: each likes a handful of items of one sort, so that the list turns at once. */

import { h } from "../dom.js";
import { kindName } from "../format.js";
import { href } from "../router.js";

const PERSONAS_MAX = 5;
const ITEMS_MIN = 2;
const LIKES = 4;
const PAUSE_MS = 600;

/** @typedef {{name: string, kind: string, category: string}} Persona */

/**
 * The largest group of each kind first, then the next ones: what a site has decides.
 * @param {import("../vane.js").ListedItem[]} items @returns {Persona[]}
 */
export function personasOf(items) {
  const sorted = items.filter(({ kind, category }) => kind && category);
  const groups = Map.groupBy(sorted, ({ kind, category }) => `${kind}\n${category}`);
  const large = [...groups.values()].filter((group) => group.length >= ITEMS_MIN);
  large.sort((a, b) => b.length - a.length);
  const byKind = [...Map.groupBy(large, ([{ kind }]) => kind).values()];
  const turns = Math.max(0, ...byKind.map((of) => of.length));
  const mixed = Array.from({ length: turns }, (_, turn) => byKind.flatMap((of) => of.slice(turn, turn + 1)));
  return mixed.flat().slice(0, PERSONAS_MAX).map(([{ kind, category }]) => {
    return { name: `${kindName(kind, 2)}: ${category}`, kind, category };
  });
}

/** The offer, above the feed. */
export class Personas {
  #app;
  #list = h("ul", { class: "accounts", role: "list", "aria-labelledby": "act-as" });

  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.#app = app;
    const text = "Or act as somebody who likes:";
    this.element = h("div", { class: "try", hidden: true }, h("p", { id: "act-as" }, text), this.#list);
  }

  /** @param {import("../vane.js").ListedItem[]} items of the catalogue, to make personas from */
  offer(items) {
    const buttons = personasOf(items).map((persona) => {
      const act = () => this.#act(persona).catch((error) => this.#app.failed(error));
      return h("li", {}, h("button", { type: "button", class: "account", onclick: act }, persona.name));
    });
    this.#list.replaceChildren(...buttons);
    this.element.hidden = buttons.length === 0;
  }

  /** Become a new visitor, and like what the persona likes, one after the other. @param {Persona} persona */
  async #act({ name, kind, category }) {
    const { sessions, vane, router, shell } = this.#app;
    await sessions.actAs(name);
    const { user_id: user } = sessions.current;
    router.go(href([]));
    const liked = await vane.trending({ kind, category, limit: LIKES });
    for (const item of liked) {
      if (sessions.current.user_id !== user) return;
      await this.#app.act("like", item);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    shell.say(`${name}: ${liked.length} likes, and this is the list`);
  }
}
