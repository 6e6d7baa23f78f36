/** Whether Vane answers: says so while it does not, tries again by itself, keeps what was done. */

import { VaneError } from "./vane.js";

const PAUSE_MS_MIN = 500;
const PAUSE_MS_MAX = 4_000;
const OUTBOX_MAX = 200;

/** A refusal is an answer, too. @param {Error} error */
function refused(error) {
  if (!(error instanceof VaneError)) throw error;
}

/** The state of the connection, with an outbox for the events of the time without one. */
export class Connection {
  /**
   * @param {import("./vane.js").Vane} vane
   * @param {{away: (waiting: number, pauseMs: number) => void, back: () => void}} show
   */
  constructor(vane, show) {
    this.vane = vane;
    this.show = show;
    this.away = false;
    /** @type {import("./vane.js").UserEvent[]} */
    this.outbox = [];
    this.timer = 0;
    this.pauseMs = PAUSE_MS_MIN;
  }

  /**
   * Send an event, or keep it for later.
   * @param {import("./vane.js").UserEvent} event
   * @returns {Promise<?string>} its token; null where it waits
   */
  async send(event) {
    try {
      return (await this.vane.send(event)).token;
    } catch (error) {
      if (error instanceof VaneError) throw error;
      this.outbox = [...this.outbox, event].slice(-OUTBOX_MAX);
      this.lost();
      return null;
    }
  }

  /** A call got no answer. */
  lost() {
    if (!this.away) {
      this.away = true;
      this.pauseMs = PAUSE_MS_MIN;
      this.#later();
    }
    this.show.away(this.outbox.length, this.pauseMs);
  }

  /** Try now. */
  async retry() {
    clearTimeout(this.timer);
    try {
      await this.vane.trending({ limit: 1 }).catch(refused);
      await this.#empty();
    } catch {
      this.pauseMs = Math.min(2 * this.pauseMs, PAUSE_MS_MAX);
      this.show.away(this.outbox.length, this.pauseMs);
      this.#later();
      return;
    }
    this.away = false;
    this.show.back();
  }

  #later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.retry(), this.pauseMs);
  }

  /** Send what waited; an event that is refused now would be refused again. */
  async #empty() {
    while (this.outbox.length) {
      await this.vane.send(this.outbox[0]).catch(refused);
      this.outbox.shift();
    }
  }
}
