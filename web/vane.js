/**
 * Vane in the browser: lists, events, search and sessions. It needs client/subscription.js alone.
 *
 *     import { Vane } from "/web/vane.js";
 *     const vane = new Vane({ userId: "ada" });
 *     const feed = vane.subscribe({ limit: 12 }, (list) => draw(list.items));
 *     const { token } = await vane.track("like", "skoda-octavia");
 *     await feed.refresh({ after: token }); // draws again as soon as the event counts
 *
 * @typedef {import("./client.js").ListedItem} ListedItem
 * @typedef {import("./client.js").Recommendations} Recommendations
 * @typedef {import("./client.js").Query} Query
 * @typedef {{after?: string, wait_ms?: number}} Wait
 * @typedef {{list: ?Recommendations, etag: ?string, applied: boolean}} Answer `list` is null where
 *   the client's list is still the one; `applied` tells whether the events waited for count in it.
 * @typedef {{index: number, field: string, reason: string}} Refusal
 * @typedef {(list: Recommendations, applied: boolean) => void} OnList
 * @typedef {import("./client.js").EventDetails & {event_id: string, user_id: string,
 *   session_id: string, item_id: string, action: string}} UserEvent
 */

import { Subscription } from "./client/subscription.js";

const TIMEOUT_MS = 15_000;
const AWAY = new Set([502, 503, 504]);

/** An answer that says no: `status` is HTTP's, `detail` a sentence, `field` what was wrong. */
export class VaneError extends Error {
  /** @param {number} status @param {string} detail @param {?string} field */
  constructor(status, detail, field = null) {
    super(detail);
    this.name = "VaneError";
    this.status = status;
    this.detail = detail;
    this.field = field;
  }
}

/** No answer, or one that says "later": the same call may succeed in a moment. */
export class Unreachable extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "Unreachable";
  }
}

/** @param {string} value @returns {string} */
const part = (value) => encodeURIComponent(value);

/** A random id, also where `crypto.randomUUID` is missing (plain HTTP). @returns {string} */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Calls of one user. */
export class Vane {
  /**
   * `token` says who the user is: of `openSession`, or one that your site signs.
   * @param {{base?: string, userId?: string, sessionId?: string, token?: ?string}} [options]
   */
  constructor({ base = "", userId = "", sessionId = randomId(), token = null } = {}) {
    this.base = base;
    this.userId = userId;
    this.sessionId = sessionId;
    this.token = token;
  }

  /**
   * The user's list.
   * @param {Query & Wait & {etag?: ?string}} [options] `after`: token of an event to wait for.
   * @returns {Promise<Answer>}
   */
  async recommendations({ etag, ...query } = {}) {
    const headers = etag ? { "If-None-Match": etag } : {};
    const path = `/v1/users/${part(this.userId)}/recommendations`;
    const response = await this.#call(path, { query, headers });
    const applied = response.headers.get("Vane-Applied") === "true";
    const list = response.status === 304 ? null : await response.json();
    return { list, etag: response.headers.get("ETag"), applied };
  }

  /**
   * Opens the stream of the user's list: an event `recommendations` now and with every change.
   * @param {Query} query
   * @returns {EventSource}
   */
  stream(query) {
    const own = this.token ? { access_token: this.token } : {};
    const path = `/v1/users/${part(this.userId)}/recommendations/stream`;
    return new EventSource(this.#target(path, { ...query, ...own }));
  }

  /**
   * Keep a list up to date: at once, then with every change, until `stop()`.
   * @param {Query & {every_ms?: number}} query `every_ms`: how often to ask while there is no stream
   * @param {OnList} onList
   * @param {(error: Error) => void} [onError]
   * @param {(list: Recommendations) => void} [onPush] told of all that the stream brings, also of
   *   what an answer has brought before
   * @returns {Subscription}
   */
  subscribe(query, onList, onError = console.error, onPush = () => {}) {
    return new Subscription(this, query, onList, onError, onPush);
  }

  /**
   * Tell what the user did. The token names the event's place in the log.
   * @param {string} action view, click, like, hide, cart, purchase, rating...
   * @param {string} itemId
   * @param {Partial<UserEvent>} [more] `value` of a rating, `request_id` and `position` of a list.
   * @returns {Promise<{accepted: number, token: string}>}
   */
  track(action, itemId, more = {}) {
    return this.send(this.event(action, itemId, more));
  }

  /**
   * An event with an id of its own, so that sending it again counts once.
   * @param {string} action @param {string} itemId @param {Partial<UserEvent>} [more]
   * @returns {UserEvent}
   */
  event(action, itemId, more = {}) {
    const event = { event_id: randomId(), user_id: this.userId, session_id: this.sessionId };
    return { ...event, item_id: itemId, action, ts: new Date().toISOString(), ...more };
  }

  /**
   * @param {UserEvent | {events: UserEvent[]}} event
   * @param {?string} [token] of their user, where that was another one
   * @returns {Promise<{accepted: number, rejected: Refusal[], token: string}>}
   */
  async send(event, token = this.token) {
    return (await this.#call("/v1/events", { body: event, keepalive: true, token })).json();
  }

  /**
   * Tell what the user saw of a list: items that were on the screen.
   * @param {{user_id?: string, request_id: string,
   *   items: {item_id: string, position: number, score?: number}[]}} seen
   * @param {?string} [token] of its user, where that was another one
   * @returns {Promise<{accepted: number}>}
   */
  async seen(seen, token = this.token) {
    const body = { user_id: this.userId, ...seen };
    return (await this.#call("/v1/impressions", { body, keepalive: true, token })).json();
  }

  /**
   * What goes with some items, for the user if one is known; nothing of it is stored.
   * @param {string[]} itemIds @param {number} [limit]
   * @returns {Promise<{request_id: string, items: ListedItem[]}>}
   */
  async goesWith(itemIds, limit = 8) {
    const body = { items: itemIds, user_id: this.userId || null, limit };
    return (await this.#call("/v1/recommendations", { body })).json();
  }

  /**
   * A page of a list across kinds, with what its items embed.
   * @param {{limit?: number, cursor?: string}} [query] `cursor`: `next_cursor` of the page before
   * @returns {Promise<{request_id: string, items: (ListedItem & {embeds: any[]})[],
   *   next_cursor: ?string}>}
   */
  async feed(query = {}) {
    const own = this.userId ? { user_id: this.userId } : {};
    return (await this.#call("/v1/feed", { query: { ...query, ...own } })).json();
  }

  /** What is known of the user's taste. @returns {Promise<any>} */
  async profile() {
    return (await this.#call(`/v1/users/${part(this.userId)}/profile`)).json();
  }

  /** @param {string} itemId @returns {Promise<any>} */
  async item(itemId) {
    return (await this.#call(`/v1/items/${part(itemId)}`)).json();
  }

  /** @param {string} itemId @param {number} [limit] @returns {Promise<ListedItem[]>} */
  async similar(itemId, limit = 8) {
    const response = await this.#call(`/v1/items/${part(itemId)}/similar`, { query: { limit } });
    return (await response.json()).items;
  }

  /** @param {Query} [query] @returns {Promise<ListedItem[]>} */
  async trending(query = {}) {
    return (await (await this.#call("/v1/trending", { query })).json()).items;
  }

  /**
   * What a text may become: categories, tags and titles.
   * @param {string} text @param {{limit?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<{suggestions: {text: string, type: string}[], corrected: ?string}>}
   */
  async suggestions(text, { signal, ...more } = {}) {
    return (await this.#call("/v1/suggestions", { query: { q: text, ...more }, signal })).json();
  }

  /**
   * Items by text, the user's taste deciding among equals.
   * @param {string} text @param {{limit?: number, kind?: string, signal?: AbortSignal}} [options]
   * @returns {Promise<import("./client.js").SearchResults>}
   */
  async search(text, { signal, ...more } = {}) {
    const query = { q: text, user_id: this.userId, ...more };
    return (await this.#call("/v1/search", { query, signal })).json();
  }

  /**
   * Open a session: of an account by its email, or of a new anonymous visitor.
   * @param {{email?: string}} [who]
   * @returns {Promise<{user_id: string, token: string}>}
   */
  async openSession(who = {}) {
    return (await this.#call("/v1/sessions", { body: who })).json();
  }

  /**
   * The user was a visitor until now, and has what the visitor did; again changes nothing.
   * @param {{user_id: string, token?: string}} visitor as `openSession` gave it
   * @returns {Promise<{user_id: string, version: number}>}
   */
  async merge({ user_id: visitor, token }) {
    const body = { visitor, visitor_token: token };
    return (await this.#call(`/v1/users/${part(this.userId)}/merge`, { body })).json();
  }

  /**
   * Create an account. There are no passwords: accounts are for demonstrations.
   * @param {string} email @param {string} [name]
   * @returns {Promise<{user_id: string, email: string, name: string}>}
   */
  async createAccount(email, name = "") {
    return (await this.#call("/v1/accounts", { body: { email, name } })).json();
  }

  /** @param {string} path @param {object} query @returns {string} */
  #target(path, query) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
    return `${this.base}${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
  }

  /**
   * @param {string} path
   * @param {{query?: object, body?: object, headers?: object, signal?: AbortSignal,
   *   keepalive?: boolean, token?: ?string}} [options]
   * @returns {Promise<Response>}
   */
  async #call(path, { query = {}, body, headers = {}, signal, keepalive = false, token } = {}) {
    const target = this.#target(path, query);
    const speaks = token === undefined ? this.token : token;
    const own = speaks ? { Authorization: `Bearer ${speaks}` } : {};
    const type = body ? { "Content-Type": "application/json" } : {};
    const init = { headers: { ...headers, ...own, ...type }, keepalive };
    init.signal = signal ?? AbortSignal.timeout(TIMEOUT_MS);
    if (body) Object.assign(init, { method: "POST", body: JSON.stringify(body) });
    const response = await fetch(target, init).catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Unreachable("Vane does not answer");
    });
    if (response.ok || response.status === 304) return response;
    const problem = await response.json().catch(() => ({}));
    const detail = problem.detail ?? `HTTP status ${response.status}`;
    if (AWAY.has(response.status)) throw new Unreachable(detail);
    throw new VaneError(response.status, detail, problem.field);
  }
}
