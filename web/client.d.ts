/** Types of client.js. */

export interface Reason {
  code: string;
  text: string;
  item_id?: string;
}

export interface ListedItem {
  item_id: string;
  score: number;
  title: string;
  kind: string;
  category: string | null;
  tags: string[];
  price: number | null;
  currency: string | null;
  image_url: string | null;
  url: string | null;
  reason: Reason;
  /** With `explain`: what each feature added to the score. */
  components?: Record<string, number>;
}

export interface Recommendations {
  user_id: string;
  /** Names the list: copies of it share the id. */
  request_id: string;
  version: number;
  strategy: "personal" | "trending";
  items: ListedItem[];
}

/** What a list is asked for by; an empty part means any. */
export interface Query {
  limit?: number;
  kind?: string;
  category?: string;
  tags?: string;
  price_min?: number;
  price_max?: number;
  exclude_seen?: boolean;
  explain?: boolean;
}

export interface EventDetails {
  /** Of a rating, 1 to 5. */
  value?: number;
  /** The list that showed the item, and its place there. */
  request_id?: string;
  position?: number;
  ts?: string;
}

export interface SearchResults {
  items: ListedItem[];
  corrected: string | null;
}

export interface Profile {
  user_id: string;
  version: number;
  as_of: string | null;
  events: number;
  categories: Record<string, number>;
  tags: Record<string, number>;
  recent_items: { item_id: string; title: string; action: string; ts: string }[];
  interests: { kind: "category" | "tag"; name: string; affinity: number }[];
}

export interface Options {
  /** Of the API; empty: the page's own site. */
  url?: string;
  userId: string;
  /** Says who the user is, where access is by keys: of `POST /v1/sessions`, or one of your site. */
  token?: string | null;
  sessionId?: string;
  /** Is told what goes wrong in the background: by default the console. */
  onError?: (error: Error) => void;
}

export interface VaneClient {
  /** The list now; one that has not changed is not sent again. */
  recommendations(query?: Query): Promise<Recommendations>;
  /** Every list, at once and with each change, by a stream or by polls. @returns ends it */
  onChange(query: Query, listener: (list: Recommendations) => void): () => void;
  similar(itemId: string, limit?: number): Promise<ListedItem[]>;
  trending(query?: Query): Promise<ListedItem[]>;
  search(
    text: string,
    options?: { limit?: number; kind?: string; signal?: AbortSignal },
  ): Promise<SearchResults>;
  profile(): Promise<Profile>;
  item(itemId: string): Promise<Record<string, unknown>>;
  /**
   * What the user did: kept in the browser until Vane has it, and counted once however often it
   * was sent.
   * @returns the token for `after=`, once Vane has it; null where it was refused
   */
  track(action: string, itemId: string, details?: EventDetails): Promise<string | null>;
  /**
   * The element shows an item of a list; half of it on the screen for a second is an impression.
   * @param position from 0
   * @returns ends it
   */
  watch(element: Element, list: Recommendations, position: number): () => void;
  /** A fresh token of the same user: lists go on with it, and what waits is sent. */
  renew(token: string): void;
  /** Events that Vane does not have yet. */
  readonly waiting: number;
  /** Ends all of it; events that wait are sent when the next page is opened. */
  stop(): Promise<void>;
}

export function createVane(options: Options): VaneClient;

/** An answer that says no. */
export class VaneError extends Error {
  status: number;
  detail: string;
  field: string | null;
}

/** No answer, or one that says "later". */
export class Unreachable extends Error {}
