/** What a person can do with an item. */

import { h, icon } from "../dom.js";
import { titleOf } from "../format.js";

const ACTIONS = [
  { action: "like", text: "Like" },
  { action: "hide", text: "Not for me" },
  { action: "cart", text: "Add to basket", priced: true },
  { action: "purchase", text: "Buy", priced: true },
];
const STARS_MAX = 5;

/** @typedef {{item_id: string, title: string, kind: string, price: ?number}} Acted */

/**
 * Buttons; what was done stays pressed.
 * @param {import("../app.js").App} app @param {Acted} item
 * @param {() => object} origin @param {{compact?: boolean}} [options] `compact`: icons alone
 * @returns {HTMLElement}
 */
export function actionButtons(app, item, origin, { compact = false } = {}) {
  const offered = ACTIONS.filter(({ priced }) => !priced || item.price !== null);
  const buttons = offered.map(({ action, text }) => {
    const isDone = () =>
      action === "cart" ? app.basket.has(item.item_id) : app.hasDone(action, item.item_id);
    const pressed = () => String(isDone());
    const button = h(
      "button",
      {
        type: "button",
        class: `action action-${action}`,
        title: compact ? text : null,
        "aria-label": `${text}: ${titleOf(item)}`,
        "aria-pressed": pressed(),
        onclick: () => {
          if (!isDone()) app.act(action, item, origin());
          else if (action === "cart") app.basket.drop(item.item_id);
          button.setAttribute("aria-pressed", pressed());
        },
      },
      icon(action),
      compact ? null : text,
    );
    return button;
  });
  return h("div", { class: compact ? "actions compact" : "actions" }, buttons);
}

/**
 * One to five stars.
 * @param {import("../app.js").App} app @param {Acted} item @returns {HTMLElement}
 */
export function rating(app, item) {
  const stars = Array.from({ length: STARS_MAX }, (_, index) => index + 1);
  const show = (given) =>
    buttons.forEach((button, index) => {
      button.textContent = index < given ? "★" : "☆";
      button.setAttribute("aria-pressed", String(index + 1 === given));
    });
  const buttons = stars.map((value) =>
    h("button", {
      type: "button",
      class: "star",
      "aria-label": `Rate ${value} of ${STARS_MAX}`,
      onclick: () => {
        show(value);
        app.act("rating", item, { value });
      },
    }),
  );
  show(0);
  return h("div", { class: "rating", role: "group", "aria-label": "Your rating" }, buttons);
}
