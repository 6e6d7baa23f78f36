/** What was seen: half of an item on the screen for a second, told once for each list. */

import { VaneError } from "../vane.js";

const SHARE = 0.5;
const SEEN_MS = 1_000;
const SEND_EVERY_MS = 5_000;
const ITEMS_MAX = 50;
const TOLD_MAX = 10_000;

/**
 * @typedef {{item_id: string, position: number, score: number}} SeenItem
 * @typedef {{user_id: string, token: ?string, request_id: string}} Shown a list, and to whom
 * @typedef {{shown: Shown, item: SeenItem, timer: number, attached: boolean}} Watched
 */

/** @param {Shown} shown */
const keyOf = ({ user_id, request_id }) => `${request_id} ${user_id}`;

/** Watches elements that show items of lists. */
export class Impressions {
  #vane;
  #observer;
  /** @type {Map<Element, Watched>} */
  #watched = new Map();
  #told = new Set();
  /** @type {Map<string, {shown: Shown, items: SeenItem[]}>} by user and `request_id` */
  #waiting = new Map();
  #timer = 0;
  #leave = () => document.hidden && this.send();

  /** @param {import("../vane.js").Vane} vane */
  constructor(vane) {
    this.#vane = vane;
    const moved = (entries) => {
      entries.forEach((entry) => this.#moved(entry));
      this.#tidy();
    };
    this.#observer = new IntersectionObserver(moved, { threshold: SHARE });
    document.addEventListener("visibilitychange", this.#leave);
  }

  /**
   * The element shows an item of a list, to who is the user now.
   * @param {Element} element @param {string} requestId of the list
   * @param {{item_id: string, score: number}} item @param {number} position from 0
   */
  watch(element, requestId, { item_id, score }, position) {
    this.forget(element);
    const { userId, token } = this.#vane;
    const shown = { user_id: userId, token, request_id: requestId };
    if (this.#told.has(`${keyOf(shown)} ${item_id}`)) return;
    this.#watched.set(element, { shown, item: { item_id, position, score }, timer: 0, attached: false });
    this.#observer.observe(element);
  }

  /** The element is gone, or shows something else. @param {Element} element */
  forget(element) {
    clearTimeout(this.#watched.get(element)?.timer);
    this.#watched.delete(element);
    this.#observer.unobserve(element);
  }

  /** Tell now. Where Vane does not answer, it is told with the next. */
  async send() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [, { shown, items }] of waiting) {
      const { token, ...list } = shown;
      const some = items.slice(0, ITEMS_MAX);
      await this.#vane.seen({ ...list, items: some }, token).catch((error) => {
        if (!(error instanceof VaneError)) this.#later(shown, some);
      });
      if (items.length > ITEMS_MAX) this.#later(shown, items.slice(ITEMS_MAX));
    }
  }

  /** Tell what waits, and watch no more. */
  stop() {
    this.#observer.disconnect();
    this.#watched.forEach(({ timer }) => clearTimeout(timer));
    this.#watched.clear();
    document.removeEventListener("visibilitychange", this.#leave);
    return this.send();
  }

  /** @param {IntersectionObserverEntry} entry */
  #moved({ target, isIntersecting }) {
    const watched = this.#watched.get(target);
    if (!watched) return;
    clearTimeout(watched.timer);
    if (isIntersecting) watched.timer = setTimeout(() => this.#seen(target, watched), SEEN_MS);
  }

  /** An element that has left the page is watched no more. */
  #tidy() {
    for (const [element, watched] of this.#watched) {
      if (watched.attached && !element.isConnected) this.forget(element);
      else watched.attached = element.isConnected;
    }
  }

  /** @param {Element} element @param {Watched} watched */
  #seen(element, { shown, item }) {
    if (document.hidden || !element.isConnected) return;
    if (this.#told.size >= TOLD_MAX) this.#told.clear();
    this.#told.add(`${keyOf(shown)} ${item.item_id}`);
    this.forget(element);
    this.#later(shown, [item]);
  }

  /** @param {Shown} shown @param {SeenItem[]} items */
  #later(shown, items) {
    const known = this.#waiting.get(keyOf(shown))?.items ?? [];
    this.#waiting.set(keyOf(shown), { shown, items: [...known, ...items] });
    this.#timer ||= setTimeout(() => this.send(), SEND_EVERY_MS);
  }
}
