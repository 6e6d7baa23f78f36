import { useCallback, useEffect, useState } from "react";
import type { Query, Recommendations, VaneClient } from "../../../web/client.js";

export interface Following {
  /** Null until the first one has come. */
  list: Recommendations | null;
  /** For `ref` of the element that shows the item at a place: what is seen of it is told. */
  seen: (position: number) => (element: Element | null) => (() => void) | undefined;
  /** What the user did with the item at a place. */
  track: (action: string, position: number) => Promise<string | null>;
}

/** The user's list; it follows every event by itself. */
export function useRecommendations(vane: VaneClient, query: Query): Following {
  const [list, setList] = useState<Recommendations | null>(null);
  const asked = JSON.stringify(query);
  useEffect(() => {
    setList(null);
    return vane.onChange(JSON.parse(asked) as Query, setList);
  }, [vane, asked]);

  const seen = useCallback(
    (position: number) => (element: Element | null) =>
      element && list ? vane.watch(element, list, position) : undefined,
    [vane, list],
  );
  const track = useCallback(
    async (action: string, position: number) => {
      const item = list?.items[position];
      if (!list || !item) return null;
      return vane.track(action, item.item_id, { request_id: list.request_id, position });
    },
    [vane, list],
  );
  return { list, seen, track };
}
