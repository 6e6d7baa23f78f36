/** Suggestions while one types: the browser shows them as it does its own, keys and all. */

import { byId, h } from "../dom.js";

const PAUSE_MS = 60;

/** @param {import("../app.js").App} app @param {HTMLInputElement} box with a `datalist` */
export function suggestFor(app, box) {
  let timer = 0;
  let asking = new AbortController();

  const ask = async () => {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const text = box.value.trim();
    const none = { suggestions: [] };
    const answer = text ? await app.vane.suggestions(text, { signal }).catch(() => none) : none;
    if (signal.aborted) return;
    const options = answer.suggestions.map(({ text: value, type }) =>
      h("option", { value }, type === "title" ? "" : type),
    );
    byId("suggestions").replaceChildren(...options);
  };

  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS);
  });
}
