/** Elements without markup: every piece of data becomes a text node or an attribute's value. */

const SVG = "http://www.w3.org/2000/svg";

/** Paths of 24 × 24 outline icons. */
const ICONS = {
  like: "M12 20.5s-7.5-4.6-9-9.3C1.9 7.6 4.2 4.5 7.4 4.5c2 0 3.6 1.1 4.6 2.8 1-1.7 2.6-2.8 4.6-2.8 3.2 0 5.5 3.1 4.4 6.7-1.5 4.7-9 9.3-9 9.3Z",
  hide: "M4 4l16 16M9.9 5.3A9.6 9.6 0 0 1 12 5c5.5 0 9 7 9 7a16 16 0 0 1-2.6 3.4M6.3 7.2A15.7 15.7 0 0 0 3 12s3.5 7 9 7a9 9 0 0 0 4.3-1.1M9.9 9.9a3 3 0 0 0 4.2 4.2",
  cart: "M3 4h2.2l2.3 11h10.3l2-8H6.3M9 19.5h.01M16.5 19.5h.01",
  purchase: "M5 8h14l-1 12H6L5 8Zm4 0V6.5a3 3 0 0 1 6 0V8M9.5 14l2 2 3.5-4",
  share: "M12 15V4m0 0L8 8m4-4 4 4M5 13v6h14v-6",
  car: "M4 16v-3.5l2-5.5h12l2 5.5V16M4 16h16M4 16v2.5h2.5V16m11 0v2.5H20V16M4.5 12.5h15M7.5 14.3h.01M16.5 14.3h.01",
  film: "M4 5h16v14H4zM8 5v14M16 5v14M4 9.7h4M4 14.3h4M16 9.7h4M16 14.3h4",
  video: "M3.5 6h17v12h-17zM10 9.3v5.4l4.7-2.7z",
  article: "M6 3.5h9l4 4V20.5H6zM14.5 3.5V8H19M9 12h6.5M9 15.5h6.5",
  item: "M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8",
  remove: "M6 6l12 12M18 6 6 18",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.5 15.5 20 20",
  back: "M19 12H5m0 0 6-6m-6 6 6 6",
};

/**
 * An element. Attributes named `on…` are listeners, false and null ones are left out.
 * @param {string} tag @param {Object<string, any>} [attributes]
 * @param {...(Node | string | number | false | null | undefined | Array)} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => ![null, undefined, false].includes(child)));
  return element;
}

/** A decorative icon. @param {string} name @returns {SVGElement} */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] ?? ICONS.item);
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(path);
  return svg;
}

/** The element with an id. @param {string} id @returns {HTMLElement} */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
