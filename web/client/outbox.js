/** Events on their way: kept in the browser until Vane has them, also through a reload. */

import { VaneError } from "../vane.js";

/**
 * @typedef {import("../vane.js").UserEvent} Event
 * @typedef {(userId: string) => ?string | undefined} TokenOf what speaks for a user: null where
 *   nothing need to, undefined where nothing can now
 */

const PREFIX = "vane.event.";
const KEPT_MAX = 1_000;
const KEPT_MS_MAX = 7 * 24 * 3_600_000;
/** Half of what Vane remembers of a user, so that a batch that is sent again counts once. */
const BATCH_MAX = 32;
const UNAUTHENTICATED = 401;
const TOO_MANY = 429;
const PAUSE_MS_MIN = 500;
const PAUSE_MS_MAX = 30_000;

/** Where nothing can be stored, events live as long as the page. */
class Memory {
  #values = new Map();
  get length() {
    return this.#values.size;
  }
  key(index) {
    return [...this.#values.keys()][index];
  }
  getItem(key) {
    return this.#values.get(key) ?? null;
  }
  setItem(key, value) {
    this.#values.set(key, value);
  }
  removeItem(key) {
    this.#values.delete(key);
  }
}

/** @returns {Storage | Memory} */
function storage() {
  try {
    localStorage.setItem(`${PREFIX}probe`, "");
    localStorage.removeItem(`${PREFIX}probe`);
    return localStorage;
  } catch {
    return new Memory();
  }
}

/** Each event is an entry of its own, so that tabs never overwrite each other's. */
export class Outbox {
  #vane;
  #onError;
  #tokenOf;
  #storage = storage();
  /** @type {Map<string, (token: ?string) => void>} who waits in this tab, by key */
  #waiting = new Map();
  #sending = false;
  #stopped = false;
  #pauseMs = PAUSE_MS_MIN;
  #timer = 0;
  #count = 0;
  #wake = () => this.retry();
  #leave = () => document.hidden && this.#send();

  /**
   * @param {import("../vane.js").Vane} vane @param {(error: Error) => void} onError
   * @param {TokenOf} [tokenOf] by default the token of `vane`, for its user alone
   */
  constructor(vane, onError, tokenOf) {
    this.#vane = vane;
    this.#onError = onError;
    const own = (userId) => (!vane.token || userId === vane.userId ? vane.token : undefined);
    this.#tokenOf = tokenOf ?? own;
    addEventListener("online", this.#wake);
    addEventListener("pagehide", this.#wake);
    document.addEventListener("visibilitychange", this.#leave);
    queueMicrotask(this.#wake);
  }

  /** How many events wait. @returns {number} */
  get size() {
    return this.#keys().length;
  }

  /** Whether events of a user wait. @param {string} userId */
  holds(userId) {
    return this.#keys().some((key) => this.#read(key)?.user_id === userId);
  }

  /**
   * Keep an event and send it, again and again until Vane has it.
   * @param {Event} event
   * @returns {Promise<?string>} its token; null where it was refused, which `onError` is told
   */
  put(event) {
    const order = `${Date.now().toString().padStart(14, "0")}.${String(this.#count++).padStart(6, "0")}`;
    const key = `${PREFIX}${order}.${event.event_id}`;
    const kept = new Promise((resolve) => this.#waiting.set(key, resolve));
    try {
      this.#storage.setItem(key, JSON.stringify(event));
    } catch (error) {
      this.#done([key], null);
      this.#onError(/** @type {Error} */ (error));
    }
    this.#send();
    return kept;
  }

  /** Send what waits now. */
  retry() {
    this.#pauseMs = PAUSE_MS_MIN;
    return this.#send();
  }

  /** End it; what waits is sent when the next page of this site is opened. */
  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    removeEventListener("online", this.#wake);
    removeEventListener("pagehide", this.#wake);
    document.removeEventListener("visibilitychange", this.#leave);
    this.#done([...this.#waiting.keys()], null);
  }

  /** Keys of what waits, oldest first; what is too old or too much goes. @returns {string[]} */
  #keys() {
    const keys = [];
    for (let index = 0; index < this.#storage.length; index += 1) {
      const key = this.#storage.key(index);
      if (key?.startsWith(PREFIX)) keys.push(key);
    }
    keys.sort();
    const oldest = String(Date.now() - KEPT_MS_MAX).padStart(14, "0");
    const kept = keys.filter((key) => key.slice(PREFIX.length) >= oldest).slice(-KEPT_MAX);
    const gone = keys.filter((key) => !kept.includes(key));
    if (gone.length) {
      this.#done(gone, null);
      this.#onError(new Error(`${gone.length} events waited for too long and are lost`));
    }
    return kept;
  }

  /** @param {string} key @returns {?Event} null where another tab has sent it */
  #read(key) {
    return JSON.parse(this.#storage.getItem(key) ?? "null");
  }

  /** The oldest events that one token speaks for; those that none speaks for wait. */
  #batch() {
    /** @type {[string, Event][]} */
    const events = [];
    /** @type {?string | undefined} */
    let token;
    for (const key of this.#keys()) {
      const event = this.#read(key);
      const own = event ? this.#tokenOf(event.user_id) : undefined;
      if (!event || own === undefined || (events.length && own !== token)) continue;
      token = own;
      events.push([key, event]);
      if (events.length === BATCH_MAX) break;
    }
    return { events, token };
  }

  async #send() {
    if (this.#sending || this.#stopped) return;
    this.#sending = true;
    clearTimeout(this.#timer);
    try {
      for (let batch = this.#batch(); batch.events.length && !this.#stopped; batch = this.#batch()) {
        await this.#deliver(batch);
        this.#pauseMs = PAUSE_MS_MIN;
      }
    } catch (error) {
      this.#onError(/** @type {Error} */ (error));
      this.#timer = setTimeout(this.#wake, this.#pauseMs * (0.5 + Math.random() / 2));
      this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS_MAX);
    } finally {
      this.#sending = false;
    }
  }

  /**
   * Raises where the same may be taken later: no answer, too many calls, a token that has ended.
   * @param {{events: [string, Event][], token: ?string | undefined}} batch
   */
  async #deliver({ events, token }) {
    const keys = events.map(([key]) => key);
    try {
      const answer = await this.#vane.send({ events: events.map(([, event]) => event) }, token);
      const refused = new Set(answer.rejected.map(({ index }) => keys[index]));
      this.#done([...refused], null);
      this.#done(keys.filter((key) => !refused.has(key)), answer.token);
      for (const { field, reason } of answer.rejected) {
        this.#onError(new VaneError(422, `${field}: ${reason}`, field));
      }
    } catch (error) {
      if (!(error instanceof VaneError) || error.status === TOO_MANY) throw error;
      const own = events[0][1].user_id === this.#vane.userId;
      if (own && error.status === UNAUTHENTICATED) throw error; // it waits for a fresh token
      this.#done(keys, null);
      this.#onError(error);
    }
  }

  /** @param {string[]} keys @param {?string} token */
  #done(keys, token) {
    for (const key of keys) {
      this.#storage.removeItem(key);
      this.#waiting.get(key)?.(token);
      this.#waiting.delete(key);
    }
  }
}
