/** Logging in by email; the demo's accounts are a click away. */

import { h } from "../dom.js";
import { href } from "../router.js";
import { DEMO_ACCOUNTS } from "../session.js";
import { VaneError } from "../vane.js";

const NOT_FOUND = 404;

/** @param {import("../app.js").App} app @returns {{element: HTMLElement, title: string}} */
export function loginView(app) {
  const message = h("p", { class: "form-error", id: "login-error", role: "alert" });
  const offer = h("p", {});
  const input = h("input", {
    type: "email",
    id: "email",
    autocomplete: "email",
    required: true,
    "aria-describedby": "login-error",
    placeholder: "you@example.com",
  });

  /** Log in or sign up, or say what is wrong. */
  const enter = async (way, email) => {
    message.textContent = "";
    offer.replaceChildren();
    input.removeAttribute("aria-invalid");
    try {
      await way(email);
    } catch (error) {
      explain(error, email);
    }
  };
  const explain = (error, email) => {
    if (!(error instanceof VaneError)) {
      app.failed(error);
      message.textContent = "Vane does not answer just now. Try again in a moment.";
      return;
    }
    const unknown = error.status === NOT_FOUND;
    message.textContent = unknown ? `There is no account for ${email}.` : error.message;
    input.setAttribute("aria-invalid", "true");
    input.focus();
    if (!unknown) return;
    const create = () => enter((address) => app.signUp(address), email);
    offer.append(h("button", { type: "button", class: "link", onclick: create }, "Create it"));
  };
  const logIn = (email) => enter((address) => app.logIn(address), email);
  const submit = (event) => {
    event.preventDefault();
    logIn(input.value.trim());
  };
  const accounts = DEMO_ACCOUNTS.map(({ email, name }) =>
    h(
      "li",
      {},
      h(
        "button",
        { type: "button", class: "account", onclick: () => logIn(email) },
        h("strong", {}, name),
        h("span", {}, email),
      ),
    ),
  );
  const element = h(
    "div",
    { class: "view login" },
    h("h1", { tabindex: -1 }, "Log in"),
    h("p", {}, "An email is enough: this is a demonstration, there are no passwords."),
    h(
      "form",
      { class: "form", onsubmit: submit },
      h("label", { for: "email" }, "Email"),
      h("div", { class: "row" }, input, h("button", { class: "button" }, "Log in")),
      message,
      offer,
    ),
    h("h2", {}, "Demo accounts"),
    h("ul", { class: "accounts wide", role: "list" }, accounts),
    h("p", {}, h("a", { href: href([]) }, "Go on without an account")),
  );
  return { element, title: "Log in" };
}
