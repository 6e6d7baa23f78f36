/**
 * Vane for a web page: lists that follow by themselves, events that are never lost, what was seen.
 * Its types are in client.d.ts; it needs vane.js and client/ beside it, and nothing else.
 *
 *     import { createVane } from "/web/client.js";
 *     const vane = createVane({ userId: "ada" });
 *     vane.onChange({ limit: 12 }, (list) => draw(list.items));
 *     vane.track("like", "skoda-octavia");
 */

import { Impressions } from "./client/impressions.js";
import { Outbox } from "./client/outbox.js";
import { Unreachable, Vane, VaneError } from "./vane.js";

export { Unreachable, VaneError };

/** @param {import("./client.js").Options} options @returns {import("./client.js").VaneClient} */
export function createVane({ url = "", userId, token = null, sessionId, onError = console.error }) {
  const calls = new Vane({ base: url.replace(/\/$/, ""), userId, token, sessionId });
  const outbox = new Outbox(calls, onError);
  const impressions = new Impressions(calls);
  const open = new Set();
  /** @type {Map<string, {etag: ?string, list: import("./vane.js").Recommendations}>} */
  const known = new Map();

  return {
    async recommendations(query = {}) {
      const key = JSON.stringify(query);
      const { list, etag } = await calls.recommendations({ ...query, etag: known.get(key)?.etag });
      if (list) known.set(key, { etag, list });
      return /** @type {import("./vane.js").Recommendations} */ (known.get(key)?.list);
    },
    onChange(query, listener) {
      const following = calls.subscribe(query, (list) => listener(list), onError);
      open.add(following);
      return () => {
        following.stop();
        open.delete(following);
      };
    },
    similar: (itemId, limit) => calls.similar(itemId, limit),
    trending: (query) => calls.trending(query),
    search: (text, options) => calls.search(text, options),
    profile: () => calls.profile(),
    item: (itemId) => calls.item(itemId),
    track: (action, itemId, details) => outbox.put(calls.event(action, itemId, details)),
    watch(element, list, position) {
      impressions.watch(element, list.request_id, list.items[position], position);
      return () => impressions.forget(element);
    },
    get waiting() {
      return outbox.size;
    },
    renew(fresh) {
      calls.token = fresh;
      open.forEach((following) => following.reopen());
      outbox.retry();
    },
    stop() {
      open.forEach((following) => following.stop());
      open.clear();
      outbox.stop();
      return impressions.stop();
    },
  };
}
