/** The user's list as the page holds it: one list, shown in several places. */

/**
 * @typedef {{list: import("./vane.js").Recommendations, elapsedMs: ?number}} Change `elapsedMs`:
 *   from the event that caused it, null where it came by itself
 * @typedef {{list: ?import("./vane.js").Recommendations, sentAt: number}} Mark
 */

const LIMIT = 24;
const FOLLOW_MAX = 10;

/** Follows the list of the current user; a `change` listener is told of every new list. */
export class Feed {
  #subscription = null;
  #mark = null;
  #listeners = new Set();
  #pushes = new Set();

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

  /** @param {(list: import("./vane.js").Recommendations) => void} listener of what the stream brings */
  onPush(listener) {
    this.#pushes.add(listener);
  }

  /** Follow the list of the user that `vane` has now. @param {string} [kind] */
  start(kind = this.kind) {
    this.#subscription?.stop();
    this.kind = kind;
    this.list = null;
    this.#mark = null;
    const query = { limit: LIMIT, kind };
    const take = (list, applied) => {
      this.list = list;
      this.#tell(applied && this.#mark !== null);
    };
    const pushed = (list) => this.#pushes.forEach((listener) => listener(list));
    this.#subscription = this.vane.subscribe(query, take, this.onError, pushed);
  }

  /** Where things stand, just before an event is sent. @returns {Mark} */
  mark() {
    return { list: this.list, sentAt: performance.now() };
  }

  /**
   * An event was sent: take the list as soon as it counts in it.
   * @param {string} token @param {Mark} mark from before it was sent
   * @param {(version: number) => void} onApplied told the version of a state that holds the event
   * @returns {Promise<boolean>} whether the list changed
   */
  async follow(token, mark, onApplied) {
    this.#mark = mark;
    for (let asked = 0, applied = false; !applied && asked < FOLLOW_MAX; asked += 1) {
      const answer = await this.#subscription.refresh({ after: token });
      ({ applied } = answer);
      if (applied) onApplied(answer.list?.version ?? this.list?.version ?? 0);
    }
    const changed = this.list !== mark.list;
    if (this.#mark === mark && changed) this.#tell(true); // a poll was faster
    if (this.#mark === mark) this.#mark = null;
    return changed;
  }

  /** Ask now. */
  async refresh() {
    await this.#subscription?.refresh().catch(this.onError);
  }

  /** @param {boolean} caused whether by the event that is followed */
  #tell(caused) {
    const elapsedMs = caused ? performance.now() - this.#mark.sentAt : null;
    if (caused) this.#mark = null;
    this.#listeners.forEach((listener) => listener({ list: this.list, elapsedMs }));
  }
}
