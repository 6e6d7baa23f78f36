import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createVane, type Recommendations, type VaneClient } from "../../../web/client.js";
import { Feed } from "./Feed.js";

/** A stream whose server is the test. */
class Stream extends EventTarget {
  static open: Stream[] = [];
  static CLOSED = 2;
  readyState = 1;

  constructor(readonly url: string) {
    super();
    Stream.open.push(this);
  }

  close() {
    Stream.open = Stream.open.filter((one) => one !== this);
  }

  push(name: string, ...ids: string[]) {
    const items = ids.map((item_id) => ({ item_id, score: 1, title: `The ${item_id}`, reason: { text: "" } }));
    const list = { request_id: name, items } as unknown as Recommendations;
    const event = new MessageEvent("recommendations", { data: JSON.stringify(list), lastEventId: name });
    act(() => void this.dispatchEvent(event));
  }
}

let vane: VaneClient;
const posted: { path: string; body: { events: Record<string, unknown>[] } }[] = [];

beforeEach(() => {
  vi.stubGlobal("EventSource", Stream);
  vi.stubGlobal("fetch", async (path: string, { body }: { body: string }) => {
    posted.push({ path, body: JSON.parse(body) });
    return Response.json({ accepted: 1, rejected: [], token: "t" });
  });
  vane = createVane({ userId: "ada" });
});

afterEach(async () => {
  cleanup();
  await vane.stop();
  posted.length = 0;
  vi.unstubAllGlobals();
});

const titles = () => screen.queryAllByRole("listitem").map((one) => one.firstChild?.textContent);

test("the list comes, and follows", () => {
  render(<Feed vane={vane} />);
  expect(screen.getByText("One moment…")).toBeTruthy();
  expect(Stream.open.map((one) => one.url)).toEqual(["/v1/users/ada/recommendations/stream?limit=12"]);
  Stream.open[0]!.push("r1", "car", "film");
  expect(titles()).toEqual(["The car", "The film"]);
  Stream.open[0]!.push("r2", "film");
  expect(titles()).toEqual(["The film"]);
});

test("an event says which list it came from", async () => {
  render(<Feed vane={vane} />);
  Stream.open[0]!.push("r1", "car", "film");
  fireEvent.click(screen.getAllByText("Like")[1]!);
  await vi.waitFor(() => expect(vane.waiting).toBe(0));
  expect(posted.map(({ path }) => path)).toEqual(["/v1/events"]);
  expect(posted[0]!.body.events).toMatchObject([
    { user_id: "ada", item_id: "film", action: "like", request_id: "r1", position: 1 },
  ]);
});

test("the stream ends with its component", () => {
  const { unmount } = render(<Feed vane={vane} />);
  unmount();
  expect(Stream.open).toEqual([]);
});
