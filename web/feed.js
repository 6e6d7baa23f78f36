/** The user's list as the page holds it: one list, shown in several places. */

/**
 * @typedef {{list: import("./vane.js").Recommendations, elapsedMs: ?number}} Change `elapsedMs`:
 *   from the event that caused it, null where it came by itself
 */

const LIMIT = 24;

/** Follows the list of the current user; a `change` listener is told of every new list. */
export class Feed {
  #subscription = null;
  #sentAt = null;
  #listeners = new Set();

  /** @param {import("./vane.js").Vane} vane @param {(error: Error) => void} onError */
  constructor(vane, onError) {
    this.vane = vane;
    this.onError = onError;
    this.kind = "";
    /** @type {?import("./vane.js").Recommendations} */
    this.list = null;
  }

  /** @param {(change: Change) => void} listener @returns {() => void} ends it */
  onChange(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Follow the list of the user that `vane` has now. @param {string} [kind] */
  start(kind = this.kind) {
    this.#subscription?.stop();
    this.kind = kind;
    this.list = null;
    this.#sentAt = null;
    const query = { limit: LIMIT, kind };
    this.#subscription = this.vane.subscribe(query, (list) => this.#take(list), this.onError);
  }

  /**
   * An event was sent at `sentAt` (performance.now()): take the list as soon as it counts in it.
   * @param {string} token @param {number} sentAt
   * @returns {Promise<boolean>} whether the list changed
   */
  async follow(token, sentAt) {
    this.#sentAt = sentAt;
    const before = this.list;
    const answer = await this.#subscription.refresh({ after: token });
    if (answer.applied && this.#sentAt === sentAt) this.#sentAt = null;
    return this.list !== before;
  }

  /** Ask now. */
  async refresh() {
    await this.#subscription?.refresh().catch(this.onError);
  }

  /** @param {import("./vane.js").Recommendations} list */
  #take(list) {
    const elapsedMs = this.#sentAt === null ? null : performance.now() - this.#sentAt;
    this.#sentAt = null;
    this.list = list;
    this.#listeners.forEach((listener) => listener({ list, elapsedMs }));
  }
}
