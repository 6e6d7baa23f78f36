/** Addresses of the page: `#/item/a%2Fb?kind=car` is ["item", "a/b"] with {kind: "car"}. */

/** @typedef {{path: string[], query: Object<string, string>}} Route */

/** @param {string} hash @returns {Route} */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const parts = path.split("/").filter(Boolean).map(decoded);
  return { path: parts, query: Object.fromEntries(new URLSearchParams(query)) };
}

/** @param {string} text @returns {string} */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {string[]} path @param {Object<string, string | undefined>} [query] @returns {string} */
export function href(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const tail = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${path.map(encodeURIComponent).join("/")}${tail}`;
}

/**
 * Follow the address bar, from now on.
 * @param {(route: Route) => void} onRoute
 * @returns {{go: (hash: string) => void, replace: (hash: string) => void, reread: () => void}}
 *   `replace` leaves no entry in the history
 */
export function startRouter(onRoute) {
  const read = () => onRoute(parse(location.hash));
  addEventListener("hashchange", read);
  return {
    reread: read,
    go(hash) {
      if (location.hash === hash) read();
      else location.hash = hash;
    },
    replace(hash) {
      history.replaceState(null, "", hash);
      read();
    },
  };
}
