/** What the user means to buy: kept in this browser, shared by its tabs. */

const BASKET = "vane.basket";

/**
 * @typedef {{item_id: string, title: string, kind: string, category: ?string, price: ?number,
 *   currency?: ?string, image_url: ?string}} Kept
 */

/** @returns {{user_id: string, visitor: boolean, items: Kept[]}} */
function stored() {
  try {
    const basket = JSON.parse(localStorage.getItem(BASKET) ?? "null");
    if (Array.isArray(basket?.items)) return basket;
  } catch {
    // as if there were none
  }
  return { user_id: "", visitor: false, items: [] };
}

/** The basket of the current user. */
export class Basket {
  #basket = stored();
  #listeners = new Set();

  constructor() {
    addEventListener("storage", (event) => {
      if (event.key !== BASKET && event.key !== null) return;
      this.#basket = stored();
      this.#tell();
    });
  }

  /** What is in it, oldest first. @returns {Kept[]} */
  get items() {
    return this.#basket.items;
  }

  /** @param {string} itemId */
  has(itemId) {
    return this.items.some((item) => item.item_id === itemId);
  }

  /** @param {() => void} listener told of every change */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  /** @param {Kept} item */
  take({ item_id, title, kind, category, price, currency, image_url }) {
    if (this.has(item_id)) return;
    this.#keep([...this.items, { item_id, title, kind, category, price, currency, image_url }]);
  }

  /** @param {string} itemId */
  drop(itemId) {
    if (this.has(itemId)) this.#keep(this.items.filter((item) => item.item_id !== itemId));
  }

  /**
   * A visitor who logs in brings the basket along; anybody else begins with an empty one.
   * @param {import("./session.js").Session} session
   */
  belongTo({ user_id, email, persona }) {
    if (user_id === this.#basket.user_id) return;
    const brought = Boolean(email) && this.#basket.visitor;
    this.#basket = { ...this.#basket, user_id, visitor: !email && !persona };
    this.#keep(brought ? this.items : []);
  }

  /** @param {Kept[]} items */
  #keep(items) {
    this.#basket = { ...this.#basket, items };
    localStorage.setItem(BASKET, JSON.stringify(this.#basket));
    this.#tell();
  }

  #tell() {
    this.#listeners.forEach((listener) => listener());
  }
}
