/** Keeping a list up to date. */

const STREAM_FIRST_MS = 1_500;
const STREAM_AGAIN_MS = 15_000;

/**
 * A list that is kept up to date while the page can be seen: by a stream, and by asking again for as
 * long as there is none.
 */
export class Subscription {
  #vane;
  #query;
  #everyMs;
  #onList;
  #onError;
  #onPush;
  /** @type {?string} */
  #etag = null;
  #version = -1;
  #asked = 0;
  #answered = 0;
  #following = 0;
  #stopped = false;
  #timer = 0;
  /** @type {?EventSource} */
  #stream = null;
  #streaming = false;
  #reopening = 0;
  #wake = () => (document.hidden ? this.#close() : this.#open());

  /**
   * @param {import("../vane.js").Vane} vane
   * @param {import("../vane.js").Query & {every_ms?: number}} query
   * @param {import("../vane.js").OnList} onList @param {(error: Error) => void} onError
   * @param {(list: import("../vane.js").Recommendations) => void} onPush
   */
  constructor(vane, { every_ms: everyMs = 2_000, ...query }, onList, onError, onPush) {
    this.#vane = vane;
    this.#query = query;
    this.#everyMs = everyMs;
    this.#onList = onList;
    this.#onError = onError;
    this.#onPush = onPush;
    document.addEventListener("visibilitychange", this.#wake);
    this.#open();
  }

  /**
   * Ask now. With `after` the answer waits until that event counts.
   * @param {import("../vane.js").Wait} [wait]
   * @returns {Promise<import("../vane.js").Answer>} also given to `onList` where the list changed
   */
  async refresh({ after, wait_ms = 1_000 } = {}) {
    const turn = ++this.#asked;
    const wait = after ? { after, wait_ms } : {};
    this.#following += after ? 1 : 0;
    try {
      const query = { ...this.#query, ...wait, etag: this.#etag };
      const answer = await this.#vane.recommendations(query);
      const old = turn < this.#answered || (answer.list && answer.list.version < this.#version);
      if (this.#stopped || old) return { ...answer, list: null };
      this.#answered = turn;
      if (answer.list) this.#show(answer.list, answer.etag, answer.applied);
      return answer;
    } finally {
      this.#following -= after ? 1 : 0;
    }
  }

  /** Open the stream anew, as with another token. */
  reopen() {
    if (!document.hidden) this.#open();
  }

  /** End it. */
  stop() {
    this.#stopped = true;
    this.#close();
    document.removeEventListener("visibilitychange", this.#wake);
  }

  /** Open a stream; where it says nothing soon, something on the way holds it back: ask meanwhile. */
  #open() {
    this.#close();
    if (this.#stopped) return;
    this.#stream = this.#vane.stream(this.#query);
    this.#stream.addEventListener("recommendations", (event) => this.#take(event));
    this.#stream.addEventListener("error", () => this.#lost());
    this.#stream.addEventListener("open", () => (this.#version = -1)); // a restored Vane knows less
    this.#timer = setTimeout(() => this.#poll(), STREAM_FIRST_MS);
  }

  #close() {
    this.#stream?.close();
    this.#stream = null;
    this.#streaming = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#reopening);
  }

  /** @param {MessageEvent} event */
  #take(event) {
    clearTimeout(this.#timer);
    this.#streaming = true;
    const etag = `"${event.lastEventId}"`;
    const list = JSON.parse(event.data);
    this.#onPush(list);
    if (this.#stopped || etag === this.#etag || list.version < this.#version) return;
    this.#show(list, etag, false);
  }

  /** @param {import("../vane.js").Recommendations} list @param {?string} etag @param {boolean} applied */
  #show(list, etag, applied) {
    this.#etag = etag;
    this.#version = list.version;
    this.#onList(list, applied);
  }

  /** The stream ended or never began; the browser tries again by itself unless it was refused. */
  #lost() {
    if (!this.#stream) return;
    this.#streaming = false;
    if (this.#stream.readyState === EventSource.CLOSED) {
      clearTimeout(this.#reopening);
      this.#reopening = setTimeout(() => this.#open(), STREAM_AGAIN_MS);
    }
    this.#poll();
  }

  async #poll() {
    clearTimeout(this.#timer);
    if (!this.#following) await this.refresh().catch((error) => this.#stopped || this.#onError(error));
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    if (document.hidden || this.#streaming) return;
    this.#timer = setTimeout(() => this.#poll(), this.#everyMs);
  }
}
