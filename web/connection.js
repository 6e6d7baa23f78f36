/** Whether Vane answers: says so while it does not, tries again by itself, keeps what was done. */

import { Outbox } from "./client/outbox.js";
import { Unreachable, VaneError } from "./vane.js";

const PAUSE_MS_MIN = 500;
const PAUSE_MS_MAX = 4_000;

/** A refusal is an answer, too. @param {Error} error */
function refused(error) {
  if (!(error instanceof VaneError)) throw error;
}

/** The state of the connection, with an outbox for the events of the time without one. */
export class Connection {
  /** @type {Set<(token: null) => void>} who would like to know that an event waits */
  #sending = new Set();

  /**
   * @param {import("./vane.js").Vane} vane
   * @param {import("./client/outbox.js").TokenOf} tokenOf
   * @param {{away: (waiting: number, pauseMs: number) => void, back: () => void,
   *   refused: (error: Error) => void}} show
   */
  constructor(vane, tokenOf, show) {
    this.vane = vane;
    this.show = show;
    this.away = false;
    this.timer = 0;
    this.pauseMs = PAUSE_MS_MIN;
    const failed = (error) => {
      if (error instanceof Unreachable) this.lost();
      else this.show.refused(error);
    };
    this.outbox = new Outbox(vane, failed, tokenOf);
  }

  /**
   * Send an event, or keep it for later, also for the next time that the page is opened.
   * @param {import("./vane.js").UserEvent} event
   * @returns {Promise<?string>} its token; null where it waits or was refused
   */
  async send(event) {
    const sent = this.outbox.put(event);
    let told;
    const waits = new Promise((resolve) => this.#sending.add((told = resolve)));
    try {
      return await Promise.race([sent, waits]);
    } finally {
      this.#sending.delete(told);
    }
  }

  /** A call got no answer. */
  lost() {
    if (!this.away) {
      this.away = true;
      this.pauseMs = PAUSE_MS_MIN;
      this.#later();
    }
    this.#sending.forEach((told) => told(null));
    this.show.away(this.outbox.size, this.pauseMs);
  }

  /** Try now. */
  async retry() {
    clearTimeout(this.timer);
    try {
      await this.vane.trending({ limit: 1 }).catch(refused);
    } catch {
      this.pauseMs = Math.min(2 * this.pauseMs, PAUSE_MS_MAX);
      this.show.away(this.outbox.size, this.pauseMs);
      this.#later();
      return;
    }
    this.away = false;
    await this.outbox.retry();
    if (!this.away) this.show.back();
  }

  #later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.retry(), this.pauseMs);
  }
}
