"""A site's files, or a running Vane, as what an evaluation replays."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from vane.catalogue import Item, apply_update, item_text, parse_update
from vane.cli.input_file import event_messages, item_messages
from vane.client.topic import Keyed
from vane.embedding import DIMENSIONS, load_encoder
from vane.errors import InvalidEvent, UsageError
from vane.evaluation import positive_actions
from vane.interaction import decode_plain, event_weight, timestamp_us
from vane.item_table import ItemTable
from vane.learning import first_touches, strong_actions
from vane.replica import Events
from vane.settings import Settings
from vane.tuning import Tuning

Flags = NDArray[np.bool_]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SiteLog:
    """n events on a catalogue, in the order of time.

    Attributes:
        catalogue: its items; the number of each is its place.
        ids: item id of each number; behind the catalogue items that only the events name.
        users: id of each user code.
        events: items as numbers, users as codes.
        positive: (n,) which events are worth predicting.
        wanted: (n,) which ones Vane learns from.
        messages: (n) as they are produced to Kafka.
    """

    catalogue: list[Item]
    ids: list[str]
    users: list[str]
    events: Events
    positive: Flags
    wanted: Flags
    messages: list[Keyed]

    def table(self) -> ItemTable:
        """The items, with no event on any."""
        table, items = ItemTable(), self.catalogue
        table.numbers(self.ids)
        since = {
            item.item_id: timestamp_us(item.published_at) for item in items if item.published_at
        }
        table.put(
            [item.item_id for item in items],
            kind=[item.kind for item in items],
            category=[item.category for item in items],
            author=[item.author for item in items],
            available=np.array([item.available for item in items], np.bool_),
            filled=np.ones(len(items), np.bool_),
        )
        table.put([*since], since_us=np.array([*since.values()], np.int64))
        return table


def read_site_log(
    items: Path | None, events: Path, settings: Settings, tuning: Tuning, share: float
) -> SiteLog:
    """Read a catalogue and what happened on it.

    Args:
        items: None: every item that an event names, without text.
        events: in any order.
        settings: the largest message.
        tuning: weights of the actions.
        share: of the events, the first ones: which actions count as strong is learned from these.

    Raises:
        InputFileError: names line, field and reason.
        UsageError: the files have nothing to evaluate.
    """
    messages = _in_order(event_messages(events, settings.event_bytes_max, tuning))
    catalogue = [] if items is None else _read_items(items, settings.event_bytes_max)
    number = {item.item_id: place for place, item in enumerate(catalogue)}
    rows = [decode_plain(message.value) for message in messages]
    for row in rows:
        number.setdefault(row.item_id, len(number))
    if items is None:
        catalogue = [Item(item_id=item) for item in number]
    users: dict[str, int] = {}
    actions = [row.action for row in rows]
    weight = np.array([event_weight(row, tuning) for row in rows])
    found = Events(
        user=np.array([users.setdefault(row.user_id, len(users)) for row in rows], np.int64),
        item=np.array([number[row.item_id] for row in rows], np.int64),
        ts_us=np.array([timestamp_us(row.ts) for row in rows], np.int64),
        weight=weight,
        excluding=np.array([action in tuning.excluding_actions for action in actions], np.bool_),
    )
    may_be_shown = np.zeros(len(number), np.bool_)
    may_be_shown[: len(catalogue)] = [item.available for item in catalogue]
    first = first_touches(found.user, found.item)[: round(share * len(actions))]
    early = Counter(action for action, new in zip(actions, first, strict=False) if new)
    strong = strong_actions(early, tuning.action_weights)
    return SiteLog(
        catalogue=catalogue,
        ids=[*number],
        users=[*users],
        events=found,
        positive=positive_actions(np.array(actions)) & (weight > 0) & may_be_shown[found.item],
        wanted=np.array([action in strong for action in actions], np.bool_) & (weight > 0),
        messages=messages,
    )


def item_message(item: Item) -> Keyed:
    """What makes this item, for `product-updates`."""
    fields = {name: value for name, value in msgspec.to_builtins(item).items() if value is not None}
    return Keyed(item.item_id.encode(), msgspec.json.encode(fields))


def read_contents(
    items: list[Item], settings: Settings, cache: Path, told: Callable[[int], None]
) -> Floats:
    """The items' texts as vectors (n, DIMENSIONS), zero without text, as the store keeps them.

    Args:
        items: n of them.
        settings: the model.
        cache: folder of vectors that were made before.
        told: is told how many were made.
    """
    texts = [item_text(item) for item in items]
    vectors = np.zeros((len(texts), DIMENSIONS), np.float16)
    worded = np.array([place for place, text in enumerate(texts) if text], np.int64)
    if not len(worded):
        return vectors.astype(np.float32)
    named = msgspec.json.encode([settings.embedding_model, texts])
    file = cache / f"contents-{xxhash.xxh3_128_hexdigest(named)}.npy"
    if file.exists():
        return np.asarray(np.load(file), np.float32)
    encode = load_encoder(settings.embedding_model, settings.embedding_batch_items)
    step = 10 * settings.embedding_batch_items
    for low in range(0, len(worded), step):
        rows = worded[low : low + step]
        vectors[rows] = encode([texts[row] for row in rows.tolist()])
        told(low + len(rows))
    cache.mkdir(parents=True, exist_ok=True)
    np.save(file, vectors)
    return vectors.astype(np.float32)


def _read_items(path: Path, bytes_max: int) -> list[Item]:
    """The catalogue after all updates of a file."""
    found: dict[str, Item | None] = {}
    for message in item_messages(path, bytes_max):
        update = parse_update(message.value)
        try:
            found[update.item_id] = apply_update(found.get(update.item_id), update)
        except InvalidEvent as error:
            raise UsageError(f"{path}: item {update.item_id}: {error}") from None
    return [item for item in found.values() if item is not None]


def _in_order(messages: Iterable[Keyed]) -> list[Keyed]:
    """By time; an event id counts once, as in a running Vane."""
    known: dict[str, tuple[int, Keyed]] = {}
    for message in messages:
        event = decode_plain(message.value)
        known.setdefault(event.event_id, (timestamp_us(event.ts), message))
    return [message for _, message in sorted(known.values(), key=lambda timed: timed[0])]
