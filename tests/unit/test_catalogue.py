from datetime import UTC, datetime

import msgspec
import pytest

from vane.catalogue import (
    ATTRIBUTES_BYTES_MAX,
    TEXT_CHARS_MAX,
    Item,
    apply_update,
    convert_update,
    item_text,
    parse_deletion,
    parse_update,
    text_hash,
)
from vane.errors import InvalidEvent


def update(**fields: object) -> bytes:
    return msgspec.json.encode({"item_id": "a", **fields})


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", "$"),
        (b"\xff\xfe", "$"),
        (b"[1]", "$"),
        (b'{"item_id": "a", "price": NaN}', "$"),
        (b'{"item_id": "a", "price": 1e999}', "price"),
        (b'{"item_id": "a", "attributes": {"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "$"),
        (b'{"title": "no id"}', "item_id"),
        (update(item_id=""), "item_id"),
        (update(item_id="x" * 129), "item_id"),
        (update(item_id="x\ny"), "item_id"),
        (update(embeds=["b\t"]), "embeds"),
        (update(op="merge"), "op"),
        (update(op="\0"), "op"),
        (update(title=3), "title"),
        (update(title="a\0b"), "title"),
        (update(tags=["a", 1]), "tags[1]"),
        (update(tags=["a\0"]), "tags"),
        (update(price=-1), "price"),
        (update(available=None), "available"),
        (update(stats={"plays": -1}), "stats.plays"),
        (update(published_at="2024-05-06"), "published_at"),
        (update(published_at=1e15), "published_at"),
        (update(published_at="0001-01-01T00:00:00+10:00"), "published_at"),
        (update(attributes={"a": [{"b\0": 1}]}), "attributes"),
        (update(attributes={"a": "x" * ATTRIBUTES_BYTES_MAX}), "attributes"),
        (b'{"item_id": "a", "attributes": {"x": ' + b"[" * 50 + b"]" * 50 + b"}}", "attributes"),
        (b'{"specversion": "1.0", "data": {"item_id": "a", "price": "2"}}', "data.price"),
    ],
)
def test_a_bad_update_names_its_field(raw: bytes, field: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_update(raw)
    assert caught.value.field == field
    assert "\0" not in caught.value.reason


def test_unknown_fields_are_ignored_and_a_cloud_event_is_unwrapped() -> None:
    assert parse_update(update(title="T", year=1999)).title == "T"
    enveloped = b'{"specversion": "1.0", "id": "1", "type": "x", "data": {"item_id": "a"}}'
    assert parse_update(enveloped).item_id == "a"


@pytest.mark.parametrize(
    "ts", [1_362_062_307, 1_362_062_307_000, "2013-02-28T14:38:27Z", "2013-02-28T16:38:27+02:00"]
)
def test_published_at_takes_seconds_milliseconds_and_rfc3339(ts: object) -> None:
    expected = datetime(2013, 2, 28, 14, 38, 27, tzinfo=UTC)
    assert parse_update(update(published_at=ts)).published_at == expected


def test_a_null_value_deletes_what_its_key_names() -> None:
    deletion = parse_deletion("ü".encode())
    assert (deletion.item_id, deletion.op) == ("ü", "delete")
    for key in (None, b"", b"\xff", b"a\n"):
        with pytest.raises(InvalidEvent) as caught:
            parse_deletion(key)
        assert caught.value.field == "key"


def test_upsert_replaces_and_patch_changes_what_it_names() -> None:
    item = apply_update(None, parse_update(update(title="T", tags=["x"], price=2, kind="film")))
    assert item == Item(item_id="a", title="T", tags=["x"], price=2.0, kind="film")
    patched = apply_update(item, parse_update(update(op="patch", price=3, available=False)))
    assert patched == Item(
        item_id="a", title="T", tags=["x"], price=3.0, kind="film", available=False
    )
    assert apply_update(patched, parse_update(update(title="U"))) == Item(item_id="a", title="U")


def test_null_in_a_patch_clears_the_field() -> None:
    item = Item(item_id="a", kind="film", title="T", tags=["x"], price=2.0, stats={"plays": 1})
    names = ("kind", "title", "tags", "price", "stats")
    patch = parse_update(update(op="patch", **dict.fromkeys(names)))
    assert apply_update(item, patch) == Item(item_id="a")


def test_a_patch_of_stats_keeps_the_counters_it_does_not_name() -> None:
    item = Item(item_id="a", stats={"plays": 1, "likes": 2})
    patched = apply_update(item, parse_update(update(op="patch", stats={"plays": 5})))
    assert patched is not None
    assert patched.stats == {"plays": 5, "likes": 2}


def test_a_patch_never_makes_an_item() -> None:
    with pytest.raises(InvalidEvent, match="unknown item"):
        apply_update(None, parse_update(update(op="patch", title="T")))


def test_the_text_of_an_item() -> None:
    item = Item(
        item_id="a",
        title=" The  Bank\n",
        category="Comedy",
        tags=["Comedy", "Short", "Short", ""],
        description="A bank. ",
    )
    assert item_text(item) == "The Bank. Comedy, Short. A bank."
    assert item_text(Item(item_id="a", tags=[""], kind="film", price=3.0)) == ""
    assert len(item_text(Item(item_id="a", description="x" * 9_000))) == TEXT_CHARS_MAX


def test_the_text_hash_is_signed_64_bits_over_model_and_text() -> None:
    hashes = {text_hash(model, f"text {i}") for model in ("m", "n") for i in range(100)}
    assert len(hashes) == 200
    assert min(hashes) < 0 < max(hashes)
    assert all(-(2**63) <= value < 2**63 for value in hashes)
    assert text_hash("ab", "c") != text_hash("a", "bc")


def test_a_decoded_object_is_checked_alike() -> None:
    assert convert_update({"item_id": "a", "tags": ["x"]}).tags == ["x"]
    with pytest.raises(InvalidEvent, match="price"):
        convert_update({"item_id": "a", "price": "cheap"})
