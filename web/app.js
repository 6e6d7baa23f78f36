/** The page: puts its parts together, and is what the views call. */

import { Basket } from "./basket.js";
import { Impressions } from "./client/impressions.js";
import { Connection } from "./connection.js";
import { byId } from "./dom.js";
import { Feed } from "./feed.js";
import { done, duration, titleOf } from "./format.js";
import { href, startRouter } from "./router.js";
import { Sessions } from "./session.js";
import { Unreachable, Vane } from "./vane.js";
import { BasketView } from "./views/basket.js";
import { detailView } from "./views/detail.js";
import { DiscoverView } from "./views/discover.js";
import { FeedView } from "./views/feed.js";
import { loginView } from "./views/login.js";
import { Panel } from "./views/panel.js";
import { SearchView } from "./views/search.js";
import { Shell } from "./views/shell.js";
import { Way } from "./views/way.js";

const UNAUTHENTICATED = 401;

/** What the views work with. */
export class App {
  #route = { path: [], query: {} };
  #first = true;
  /** @type {Map<string, number>} where the reader was, by address */
  #scrolls = new Map();
  #address = location.hash;
  #turn = 0;
  #user = "";
  #did = new Set();
  /** @type {?{item_id: string, request_id?: string, position?: number}} */
  #opened = null;

  constructor() {
    this.vane = new Vane();
    this.shell = new Shell(this);
    const tokenOf = (userId) => this.sessions.tokenOf(userId);
    this.connection = new Connection(this.vane, tokenOf, {
      away: (waiting, pauseMs) => this.shell.away(waiting, pauseMs),
      back: () => this.#recovered(),
      refused: (error) => this.failed(error),
    });
    this.feed = new Feed(this.vane, (error) => this.failed(error));
    const waits = (userId) => this.connection.outbox.holds(userId);
    this.sessions = new Sessions(this.vane, () => this.#switched(), waits);
    this.impressions = new Impressions(this.vane);
    this.basket = new Basket();
    this.way = new Way(this.feed);
    this.feedView = new FeedView(this);
    this.discoverView = new DiscoverView(this);
    this.views = new Map([
      ["search", new SearchView(this)],
      ["discover", this.discoverView],
      ["basket", new BasketView(this)],
    ]);
    this.basket.onChange(() => this.shell.drawBasket());
    this.panel = new Panel(this, byId("panel"));
    this.feed.onChange(({ elapsedMs }) => {
      if (elapsedMs !== null) this.shell.say(`Updated ${duration(elapsedMs)} after your click`);
    });
  }

  /** Begin. */
  async start() {
    this.router = startRouter((route) => this.#show(route));
    addEventListener("scroll", () => this.#scrolls.set(this.#address, scrollY), { passive: true });
    await this.#enter();
  }

  /**
   * Tell Vane, and let the page follow.
   * @param {string} action @param {{item_id: string}} item
   * @param {Partial<import("./vane.js").UserEvent>} [more]
   */
  async act(action, item, more = {}) {
    const mark = this.feed.mark();
    const way = this.way.begin(action, item, mark.sentAt);
    if (action === "cart") this.basket.take(item);
    this.#did.add(`${action} ${item.item_id}`);
    try {
      const token = await this.connection.send(this.vane.event(action, item.item_id, more));
      if (action === "purchase") this.basket.drop(item.item_id);
      if (!token) return;
      way.taken();
      if (await this.feed.follow(token, mark, way.committed)) return;
      if (!["view", "click"].includes(action)) this.shell.say(`${done(action)}: ${titleOf(item)}`);
      this.panel.refresh();
    } catch (error) {
      this.failed(error);
    }
  }

  /** Whether the user did that to an item since the page was opened. */
  hasDone(action, itemId) {
    return this.#did.has(`${action} ${itemId}`);
  }

  /** An item is about to be opened from a list. @param {string} itemId @param {object} origin */
  opening(itemId, origin) {
    this.#opened = { item_id: itemId, ...origin };
  }

  /** @param {string} email @returns {Promise<void>} raises where that does not work */
  async logIn(email) {
    await this.sessions.logIn(email);
    this.router.go(href([]));
  }

  /** @param {string} email @returns {Promise<void>} raises where that does not work */
  async signUp(email) {
    await this.sessions.signUp(email);
    this.router.go(href([]));
  }

  /** Go on as this browser's visitor. */
  async logOut() {
    try {
      await this.sessions.visit();
      this.router.go(href([]));
    } catch (error) {
      this.failed(error);
    }
  }

  /** A call went wrong: the connection, or something that the user should read. */
  async failed(error) {
    if (error instanceof Unreachable) this.connection.lost();
    else if (error.status === UNAUTHENTICATED && (await this.#renewed())) return;
    else this.shell.say(error.message);
  }

  /** Whether the session had ended, and another has begun. */
  async #renewed() {
    return this.sessions.renew().catch(() => false);
  }

  async #enter() {
    await this.sessions.resume().catch((error) => {
      this.failed(error);
      this.#show(this.#route);
    });
  }

  /** The user is another one, in this tab or in another. */
  #switched() {
    const { user_id: userId, token } = this.sessions.current;
    this.vane.token = token;
    if (userId === this.#user) return;
    this.#user = userId;
    this.vane.userId = userId;
    this.#did.clear();
    this.basket.belongTo(this.sessions.current);
    this.shell.drawAccount();
    this.shell.drawBasket();
    this.way.reset();
    this.feed.start();
    this.feedView.reset();
    this.discoverView.reset();
    this.router.reread();
  }

  #recovered() {
    this.shell.back();
    this.sessions.forget();
    if (!this.#user) {
      this.#enter();
      return;
    }
    this.feed.refresh();
    if (this.#route.path.length) this.router.reread();
  }

  /** @param {import("./router.js").Route} route */
  async #show(route) {
    const turn = ++this.#turn;
    const same = this.#address === location.hash;
    this.#route = route;
    this.#address = location.hash;
    const [name = "", id = ""] = route.path;
    try {
      const view = await this.#view(name, id, route);
      if (turn === this.#turn) this.#place(view, name, same);
    } catch (error) {
      this.failed(error);
    }
  }

  /** The view of a route, and its event. */
  async #view(name, id, route) {
    if (name === "item" && id && this.#user) {
      const view = await detailView(this, id);
      const opened = this.#opened?.item_id === id ? this.#opened : null;
      this.#opened = null;
      if (view.item) this.act(opened ? "click" : "view", view.item, opened ?? {});
      return view;
    }
    if (name === "login") return loginView(this);
    return this.views.get(name) ?? this.feedView;
  }

  /**
   * @param {{element: HTMLElement, title: string, show?: Function}} view
   * @param {string} name @param {boolean} same whether it only draws the same address again
   */
  #place(view, name, same) {
    const main = byId("main");
    const changed = main.firstElementChild !== view.element;
    if (changed) main.replaceChildren(view.element);
    view.show?.(this.#route);
    this.shell.routed(name, this.#route.query);
    this.panel.show(view !== this.feedView);
    document.title = `${view.title} · Vane`;
    if (changed && !same) this.#moveTo(view.element);
    this.#first = false;
  }

  /** Keyboard and scroll position go along, unless one is typing. @param {HTMLElement} view */
  #moveTo(view) {
    const box = /** @type {HTMLInputElement} */ (byId("q"));
    const typing = document.activeElement === box && (this.shell.searching || !box.value);
    if (!this.#first && !typing) view.querySelector("h1")?.focus({ preventScroll: true });
    scrollTo(0, this.#scrolls.get(this.#address) ?? 0);
  }
}

new App().start();
