/** Who uses the page: kept in this browser, shared by its tabs. */

import { Vane, VaneError } from "./vane.js";

const SESSION = "vane.session";
const VISITOR = "vane.visitor";
const LEFT = "vane.left";

/**
 * @typedef {{user_id: string, email: ?string, token: string, persona?: string}} Session `email` is
 *   null for a visitor, and `persona` names one who was made to order.
 */

/** Accounts of a start with the demo catalogue, to try without an address of one's own. */
export const DEMO_ACCOUNTS = ["John", "Jane", "Omar", "Mei", "Lucia", "Pavel"].map(
  (name, index) => ({ name, email: `${name.toLowerCase()}${index + 1}@example.com` }),
);

/** @param {string} key @returns {any} null where there is nothing that can be read */
function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

/** @param {string} key @returns {?Session} */
function stored(key) {
  const session = read(key);
  return typeof session?.user_id === "string" ? session : null;
}

/** Sessions that were left while events of theirs waited. @returns {Session[]} */
const left = () => {
  const sessions = read(LEFT);
  return Array.isArray(sessions) ? sessions : [];
};

/** The session of this browser. */
export class Sessions {
  #renewed = false;

  /**
   * @param {Vane} vane @param {() => void} onChange also in another tab
   * @param {(userId: string) => boolean} waits whether events of a user are to be sent still
   */
  constructor(vane, onChange, waits) {
    this.vane = vane;
    this.onChange = onChange;
    this.waits = waits;
    /** @type {?Session} */
    this.current = stored(SESSION);
    addEventListener("storage", (event) => {
      if (event.key !== SESSION && event.key !== null) return;
      this.current = stored(SESSION);
      if (this.current) this.onChange();
    });
  }

  /** The name to show; empty for this browser's visitor. @returns {string} */
  get name() {
    if (this.current?.persona) return this.current.persona;
    const email = this.current?.email ?? "";
    return DEMO_ACCOUNTS.find((one) => one.email === email)?.name ?? email.split("@")[0];
  }

  /** What speaks for a user of this browser. @param {string} userId @returns {string | undefined} */
  tokenOf(userId) {
    return [this.current, ...left()].find((one) => one?.user_id === userId)?.token;
  }

  /** A session that was left is kept while events of it wait, and no longer. */
  forget(...sessions) {
    const kept = [...left(), ...sessions].filter(
      (one) => one && one.user_id !== this.current?.user_id && this.waits(one.user_id),
    );
    if (kept.length) localStorage.setItem(LEFT, JSON.stringify(kept));
    else localStorage.removeItem(LEFT);
  }

  /** Open the stored session, or a visitor's. */
  async resume() {
    this.forget();
    if (this.current) this.onChange();
    else await this.visit();
  }

  /**
   * What the visitor did is the account's from then on, before its first list is shown.
   * @param {string} email of an account; raises `VaneError` where there is none
   */
  async logIn(email) {
    const session = { ...(await this.vane.openSession({ email })), email };
    const visitor = stored(VISITOR);
    if (visitor) await this.#hand(visitor, session);
    this.#use(session);
  }

  /** @param {string} email of nobody yet */
  async signUp(email) {
    await this.vane.createAccount(email);
    await this.logIn(email);
  }

  /** Browse without an account, as the same visitor each time. */
  async visit() {
    let visitor = stored(VISITOR);
    if (!visitor) {
      visitor = { ...(await this.vane.openSession()), email: null };
      localStorage.setItem(VISITOR, JSON.stringify(visitor));
    }
    this.#use(visitor);
  }

  /** Be a new visitor of some taste, while this browser's visitor waits. @param {string} persona */
  async actAs(persona) {
    this.#use({ ...(await this.vane.openSession()), email: null, persona });
  }

  /** The token is not accepted any more: go on as a new visitor. @returns {Promise<boolean>} */
  async renew() {
    if (this.#renewed) return false;
    this.#renewed = true;
    localStorage.removeItem(VISITOR);
    await this.visit();
    return true;
  }

  /**
   * Merge a visitor into an account, once: a visitor who was handed over is nobody's any more.
   * @param {Session} visitor @param {Session} session
   */
  async #hand(visitor, { user_id: userId, token }) {
    const account = new Vane({ base: this.vane.base, userId, token });
    await account.merge(visitor).catch((error) => {
      if (!(error instanceof VaneError)) throw error; // one that is refused would be again
    });
    localStorage.removeItem(VISITOR);
  }

  /** @param {Session} session */
  #use(session) {
    const before = this.current;
    this.current = session;
    localStorage.setItem(SESSION, JSON.stringify(session));
    this.forget(before);
    this.onChange();
  }
}
