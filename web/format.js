/** Words and numbers as people read them. */

const KIND_NAMES = {
  car: ["Car", "Cars"],
  film: ["Film", "Films"],
  video: ["Video", "Videos"],
  article: ["Article", "Articles"],
};
const DONE = {
  view: "Viewed",
  click: "Opened",
  like: "Liked",
  dislike: "Disliked",
  hide: "Hidden",
  share: "Shared",
  comment: "Commented",
  cart: "In the basket",
  purchase: "Bought",
  rating: "Rated",
};
const AGES = [
  [60, "second", 1],
  [3_600, "minute", 60],
  [86_400, "hour", 3_600],
  [Infinity, "day", 86_400],
];
const UNITS = { km: "km", kw: "kW", kwh: "kWh", kg: "kg", l: "l", s: "s", minutes: "min" };
const TONES = 8;

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const day = new Intl.DateTimeFormat("en", { dateStyle: "long" });
const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

/** @param {string} word @returns {string} */
export const capitalised = (word) => word.charAt(0).toUpperCase() + word.slice(1);

/** @param {string} kind @param {number} [count] @returns {string} */
export const kindName = (kind, count = 1) =>
  KIND_NAMES[kind]?.[count === 1 ? 0 : 1] ?? capitalised(kind || "item");

/** @param {{title: string, kind: string}} item @returns {string} */
export const titleOf = (item) => item.title || `Untitled ${kindName(item.kind).toLowerCase()}`;

/** @param {string} action @returns {string} */
export const done = (action) => DONE[action] ?? capitalised(action);

/** @param {?number} amount @param {?string} [currency] ISO 4217 @returns {string} */
export function price(amount, currency) {
  if (amount === null || amount === undefined) return "";
  if (amount === 0) return "Free";
  try {
    const digits = Number.isInteger(amount) ? 0 : 2;
    const options = { style: "currency", currency, minimumFractionDigits: digits };
    return new Intl.NumberFormat("en", { ...options, maximumFractionDigits: digits }).format(amount);
  } catch {
    return `${plain.format(amount)} ${currency ?? ""}`.trim();
  }
}

/**
 * "Mileage", "186,824 km" of `mileage_km`.
 * @param {string} name @param {any} value @returns {[string, string]}
 */
export function attribute(name, value) {
  const words = name.split("_");
  const unit = words.length > 1 && typeof value === "number" ? UNITS[words.at(-1)] : undefined;
  const label = capitalised(words.slice(0, unit ? -1 : undefined).join(" "));
  const text = words.at(-1) === "year" ? `${value}` : valueText(value);
  return [label, unit ? `${text} ${unit}` : text];
}

/** @param {any} value @returns {string} */
function valueText(value) {
  if (Array.isArray(value)) return value.map(valueText).join(", ");
  if (typeof value === "boolean") return value ? "Yes" : "No";
  if (typeof value === "number") return plain.format(value);
  return value !== null && typeof value === "object" ? JSON.stringify(value) : `${value ?? "–"}`;
}

/** @param {string} iso @returns {string} */
export const date = (iso) => day.format(new Date(iso));

/** "2 minutes ago". @param {string} iso @param {number} [nowMs] @returns {string} */
export function ago(iso, nowMs = Date.now()) {
  const seconds = Math.max(0, (nowMs - Date.parse(iso)) / 1_000);
  if (seconds < 10) return "just now";
  const [, unit, size] = AGES.find(([below]) => seconds < below);
  return relative.format(-Math.round(seconds / size), unit);
}

/** "84 ms", "1.2 s". @param {number} ms @returns {string} */
export const duration = (ms) => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`);

/** Which of the picture tones stands for a text; always the same one. @param {string} text */
export const tone = (text) => [...text].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) >>> 0, 7) % TONES;
