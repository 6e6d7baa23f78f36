/**
 * Lists whose elements move to their new places (FLIP: first, last, invert, play).
 */

const MOVE_MS = 420;
const EASING = "cubic-bezier(.2,.8,.2,1)";
const FRESH_MS = 2_600;
const still = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * Bring the children of `list` in line with `items`, reusing the element of each key.
 * @template T
 * @param {HTMLElement} list
 * @param {T[]} items
 * @param {{key: (item: T) => string, make: (item: T) => HTMLElement,
 *   update: (element: HTMLElement, item: T, index: number) => void}} how
 * @returns {{added: number, moved: number}} what a person sees change; nothing at the first time
 */
export function reconcile(list, items, { key, make, update }) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  const first = new Map([...old].map(([name, child]) => [name, child.getBoundingClientRect()]));
  const focus = focusIn(list);
  const kept = items.map((item, index) => {
    const element = old.get(key(item)) ?? make(item);
    element.dataset.key = key(item);
    update(element, item, index);
    return element;
  });
  const before = [...old.keys()].filter((name) => kept.includes(old.get(name)));
  list.replaceChildren(...kept);
  restoreFocus(list, focus);
  if (!old.size || !list.isConnected) return { added: 0, moved: 0 };
  const added = kept.filter((child) => !old.has(child.dataset.key));
  const after = kept.map((child) => child.dataset.key).filter((name) => old.has(name));
  kept.forEach((child) => play(child, first.get(child.dataset.key)));
  return { added: added.length, moved: after.filter((name, i) => name !== before[i]).length };
}

/** @param {HTMLElement} child @param {?DOMRect} from its old place; none for a new child */
function play(child, from) {
  const to = child.getBoundingClientRect();
  if (!from) {
    child.classList.add("fresh");
    setTimeout(() => child.classList.remove("fresh"), FRESH_MS);
  }
  if (still.matches || to.top > innerHeight + to.height || to.bottom < -to.height) return;
  const frames = from
    ? [{ transform: `translate(${from.left - to.left}px, ${from.top - to.top}px)` }, {}]
    : [{ opacity: 0, transform: "scale(.92)" }, {}];
  if (from && from.left === to.left && from.top === to.top) return;
  child.animate(frames, { duration: MOVE_MS, easing: EASING });
}

/** Where in the list the keyboard is. @param {HTMLElement} list */
function focusIn(list) {
  const element = /** @type {HTMLElement} */ (document.activeElement);
  if (!list.contains(element)) return null;
  return { element, index: [...list.children].findIndex((child) => child.contains(element)) };
}

/**
 * Moving an element takes its focus; where it is gone, its place's new element gets it.
 * @param {HTMLElement} list @param {?{element: HTMLElement, index: number}} focus
 */
function restoreFocus(list, focus) {
  if (!focus) return;
  const heir = list.children[Math.min(focus.index, list.children.length - 1)];
  const target = list.contains(focus.element) ? focus.element : heir?.querySelector("a");
  target?.focus({ preventScroll: true });
}
