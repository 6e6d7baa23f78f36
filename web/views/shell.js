/** What stays around every view: search box, account, banner and the line that tells. */

import { byId, h } from "../dom.js";
import { duration } from "../format.js";
import { href } from "../router.js";
import { suggestFor } from "./suggest.js";

const TYPING_PAUSE_MS = 160;
const SAID_MS = 7_000;

/** The page's frame. */
export class Shell {
  #app;
  #typing = 0;
  #said = 0;

  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.#app = app;
    const typed = (pauseMs) => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#search(), pauseMs);
    };
    byId("q").addEventListener("input", () => typed(TYPING_PAUSE_MS));
    suggestFor(app, this.#box);
    byId("search").addEventListener("submit", (event) => {
      event.preventDefault();
      typed(0);
    });
    if (document.activeElement === this.#box && this.#box.value) typed(0); // before this ran
    byId("skip").addEventListener("click", (event) => {
      event.preventDefault();
      byId("main").focus();
    });
  }

  get #box() {
    return /** @type {HTMLInputElement} */ (byId("q"));
  }

  #search() {
    const { router } = this.#app;
    const text = this.#box.value;
    this.#typing = 0;
    if (!text.trim()) router.go(href([]));
    else if (this.searching) router.replace(href(["search"], { q: text }));
    else router.go(href(["search"], { q: text }));
  }

  /** A route is shown. @param {string} name @param {Object<string, string>} query */
  routed(name, query) {
    this.searching = name === "search";
    const typing = document.activeElement === this.#box && (this.searching || this.#typing);
    if (!typing) this.#box.value = this.searching ? (query.q ?? "") : "";
    document.body.dataset.view = name || "feed";
    for (const link of byId("views").querySelectorAll("a")) {
      if (link.hash === href([name].filter(Boolean))) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  /** Who is here, and the way in or out. */
  drawAccount() {
    const { sessions } = this.#app;
    const out = sessions.current?.persona ? "Be yourself" : "Log out";
    const inside = sessions.name
      ? [
          h("span", { class: "who", title: sessions.current.email }, sessions.name),
          h("button", { type: "button", onclick: () => this.#app.logOut() }, out),
        ]
      : [h("span", { class: "who" }, "Visitor"), h("a", { href: href(["login"]) }, "Log in")];
    byId("account").replaceChildren(...inside);
  }

  /** How much is in the basket. */
  drawBasket() {
    const count = this.#app.basket.items.length;
    byId("basket").textContent = count ? `Basket (${count})` : "Basket";
  }

  /** A quiet line, read aloud when there is a pause. @param {string} sentence */
  say(sentence) {
    const line = byId("status");
    clearTimeout(this.#said);
    line.textContent = sentence;
    this.#said = setTimeout(() => line.replaceChildren(), SAID_MS);
  }

  /** Vane does not answer. @param {number} waiting events @param {number} pauseMs */
  away(waiting, pauseMs) {
    const banner = byId("banner");
    const noun = waiting === 1 ? "action is" : "actions are";
    const kept = waiting ? ` ${waiting} ${noun} kept and will be sent.` : "";
    const pause = h("span", { "aria-hidden": "true" }, ` Next try in ${duration(pauseMs)}.`);
    const retry = { type: "button", onclick: () => this.#app.connection.retry() };
    if (banner.hidden) banner.replaceChildren(h("p", {}), h("button", retry, "Try now"));
    const sentence = `Vane does not answer. This page tries again by itself.${kept}`;
    banner.firstElementChild.replaceChildren(sentence, pause);
    banner.hidden = false;
  }

  /** It answers again. */
  back() {
    byId("banner").hidden = true;
    this.say("Vane answers again");
  }
}
