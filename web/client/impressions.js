/** What was seen: half of an item on the screen for a second, told once for each list. */

import { VaneError } from "../vane.js";

const SHARE = 0.5;
const SEEN_MS = 1_000;
const SEND_EVERY_MS = 5_000;
const ITEMS_MAX = 50;

/** @typedef {{item_id: string, position: number, score: number}} SeenItem */

/** Watches elements that show items of lists. */
export class Impressions {
  #vane;
  #observer;
  /** @type {Map<Element, {list: string, item: SeenItem, timer: number}>} */
  #watched = new Map();
  #told = new Set();
  /** @type {Map<string, SeenItem[]>} by the `request_id` of their list */
  #waiting = new Map();
  #timer = 0;
  #leave = () => document.hidden && this.send();

  /** @param {import("../vane.js").Vane} vane */
  constructor(vane) {
    this.#vane = vane;
    this.#observer = new IntersectionObserver((entries) => entries.forEach((entry) => this.#moved(entry)), {
      threshold: SHARE,
    });
    document.addEventListener("visibilitychange", this.#leave);
  }

  /**
   * The element shows an item of a list.
   * @param {Element} element @param {import("../vane.js").Recommendations} list
   * @param {number} position from 0
   */
  watch(element, list, position) {
    this.forget(element);
    const { item_id, score } = list.items[position];
    if (this.#told.has(`${list.request_id} ${item_id}`)) return;
    this.#watched.set(element, { list: list.request_id, item: { item_id, position, score }, timer: 0 });
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
    for (const [request_id, items] of waiting) {
      const some = items.slice(0, ITEMS_MAX);
      await this.#vane.seen({ request_id, items: some }).catch((error) => {
        if (!(error instanceof VaneError)) this.#later(request_id, some);
      });
      if (items.length > ITEMS_MAX) this.#later(request_id, items.slice(ITEMS_MAX));
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

  #seen(element, { list, item }) {
    if (document.hidden) return;
    this.#told.add(`${list} ${item.item_id}`);
    this.forget(element);
    this.#later(list, [item]);
  }

  /** @param {string} list @param {SeenItem[]} items */
  #later(list, items) {
    this.#waiting.set(list, [...(this.#waiting.get(list) ?? []), ...items]);
    this.#timer ||= setTimeout(() => this.send(), SEND_EVERY_MS);
  }
}
