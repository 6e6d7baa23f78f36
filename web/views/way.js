/** The way of the last events, in milliseconds from the click: taken, committed, pushed. */

import { h } from "../dom.js";
import { reconcile } from "../flip.js";
import { done, duration, titleOf } from "../format.js";

const EVENTS_MAX = 3;
const PUSHES_MAX = 20;
/** What each time is the time of, and how it is known. */
const STAGES = {
  taken: "Kafka has it: the answer to the event, or what followed if that is faster",
  committed: "It counts: the answer to a call that waits for it, or the pushed list if that is faster",
  pushed: "The list that it changed has come by the stream",
};

/** An event on its way. */
class Step {
  /** @type {Object<string, number>} stage to milliseconds */
  times = {};
  /** @type {?number} of the user's state that holds it */
  version = null;

  constructor(id, action, item, sentAt) {
    Object.assign(this, { id, text: `${done(action)} ${titleOf(item)}`, sentAt });
  }

  /** @param {string} stage @param {number} [at] */
  reach(stage, at = performance.now()) {
    this.times[stage] ??= Math.max(0, at - this.sentAt);
  }
}

/** The section of the page's side. */
export class Way {
  #list = h("ol", { class: "steps", role: "list", "aria-label": "The last events" });
  #empty = h("p", {}, "Each event shows here how fast it got where: to Kafka, into your taste, to this page.");
  /** @type {Step[]} newest first */
  #steps = [];
  /** @type {{version: number, at: number}[]} */
  #pushes = [];
  #count = 0;

  /** @param {import("../feed.js").Feed} feed */
  constructor(feed) {
    const heading = h("h2", {}, "An event’s way");
    this.element = h("section", { class: "way" }, heading, this.#empty, this.#list);
    feed.onPush((list) => this.#pushed(list.version));
  }

  /** Another user. */
  reset() {
    this.#steps = [];
    this.#pushes = [];
    this.#draw();
  }

  /**
   * An event sets out.
   * @param {string} action @param {{title: string, kind: string}} item
   * @param {number} sentAt by `performance.now`
   * @returns {{taken: () => void, committed: (version: number) => void}} `version` of a state with it
   */
  begin(action, item, sentAt) {
    const step = new Step(`${++this.#count}`, action, item, sentAt);
    this.#steps = [step, ...this.#steps].slice(0, EVENTS_MAX);
    this.#draw();
    return {
      taken: () => this.#reach(step, "taken"),
      committed: (version) => {
        step.version = version;
        this.#reach(step, "committed");
      },
    };
  }

  #reach(step, stage) {
    step.reach(stage);
    this.#match(step);
    this.#draw();
  }

  #pushed(version) {
    this.#pushes = [...this.#pushes, { version, at: performance.now() }].slice(-PUSHES_MAX);
    this.#steps.forEach((step) => this.#match(step));
    this.#draw();
  }

  /** The first list pushed that holds the event; the push is often here before the answer. */
  #match(step) {
    if (step.version === null) return;
    const push = this.#pushes.find(({ version, at }) => version >= step.version && at >= step.sentAt);
    if (!push) return;
    step.reach("pushed", push.at);
    step.times.committed = Math.min(step.times.committed, step.times.pushed);
    step.times.taken = Math.min(step.times.taken, step.times.committed);
  }

  #draw() {
    this.#empty.hidden = this.#steps.length > 0;
    const longest = Math.max(1, ...this.#steps.flatMap((step) => Object.values(step.times)));
    reconcile(this.#list, this.#steps, {
      key: (step) => step.id,
      make: row,
      update: (element, step) => update(element, step, longest),
    });
  }
}

/** @param {Step} step @returns {HTMLElement} */
function row(step) {
  const stages = Object.entries(STAGES);
  const marks = stages.map(([name]) => h("span", { class: `mark-${name}` }));
  const times = stages.map(([name, title]) =>
    h("div", { class: `time-${name}`, title }, h("dt", {}, name), h("dd", {}, "–")),
  );
  return h(
    "li",
    {},
    h("span", { class: "step-name" }, step.text),
    h("span", { class: "track", "aria-hidden": "true" }, marks),
    h("dl", { class: "times" }, times),
  );
}

/** @param {HTMLElement} element @param {Step} step @param {number} longest of all, in milliseconds */
function update(element, { times }, longest) {
  for (const [name, ms] of Object.entries(times)) {
    element.querySelector(`.time-${name} dd`).textContent = duration(ms);
    const mark = element.querySelector(`.mark-${name}`);
    mark.style.insetInlineStart = `${(100 * ms) / longest}%`;
    mark.classList.add("reached");
  }
}
