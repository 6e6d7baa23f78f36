import type { VaneClient } from "../../../web/client.js";
import { useRecommendations } from "./useRecommendations.js";

export function Feed({ vane }: { vane: VaneClient }) {
  const { list, seen, track } = useRecommendations(vane, { limit: 12 });
  if (!list) return <p>One moment…</p>;
  return (
    <ul>
      {list.items.map((item, position) => (
        <li key={item.item_id} ref={seen(position)}>
          {item.title} <small>{item.reason.text}</small>{" "}
          <button onClick={() => track("like", position)}>Like</button>{" "}
          <button onClick={() => track("hide", position)}>Not for me</button>
        </li>
      ))}
    </ul>
  );
}
