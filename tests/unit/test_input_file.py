import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vane.cli.input_file import event_messages, item_messages
from vane.errors import InputFileError, UsageError
from vane.tuning import Tuning

BYTES_MAX = 10_000


def write(folder: Path, content: str | bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def items(path: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(value) for _, value in item_messages(path, BYTES_MAX)]


def events(path: Path) -> list[dict[str, Any]]:
    messages = event_messages(path, BYTES_MAX, Tuning())
    return [msgspec.json.decode(value) for _, value in messages]


def test_csv_items_are_typed_and_empty_cells_are_absent(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "\ufeffitem_id,title,tags,price,available,published_at,plays,attributes,author,year\n"
        '1,"A, ""B""\nC",x|y z,2.5,false,1362062307,7,"{""a"": 1}",,1999\n'
        "2,T,,,,2024-01-02T03:04:05Z,,,w,\n",
    )
    assert items(path) == [
        {
            "item_id": "1",
            "title": 'A, "B"\nC',
            "tags": ["x", "y z"],
            "price": 2.5,
            "available": False,
            "published_at": "2013-02-28T14:38:27Z",
            "stats": {"plays": 7},
            "attributes": {"a": 1},
        },
        {"item_id": "2", "title": "T", "published_at": "2024-01-02T03:04:05Z", "author": "w"},
    ]


def test_json_lines_with_gzip_blank_lines_and_unknown_fields(tmp_path: Path) -> None:
    text = '{"item_id": "a", "year": 1913}\n\n{"item_id": "b", "op": "delete"}'
    assert items(write(tmp_path, text)) == [{"item_id": "a"}, {"item_id": "b", "op": "delete"}]
    packed = write(tmp_path, gzip.compress(text.encode()), "packed.gz")
    assert items(packed) == items(write(tmp_path, text))


def test_keys_are_item_and_user(tmp_path: Path) -> None:
    path = write(tmp_path, '{"item_id": "ü"}')
    assert [key for key, _ in item_messages(path, BYTES_MAX)] == ["ü".encode()]
    path = write(tmp_path, "user_id,item_id,action,ts\nu,i,view,1362062307\n")
    assert [key for key, _ in event_messages(path, BYTES_MAX, Tuning())] == [b"u"]


def test_timestamp_stands_for_ts_and_cells_are_typed(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "user_id,item_id,action,timestamp,value,position,event_id\n"
        "u,i,rating,1362062307,4.5,3,e\nu,i,view,2013-02-28T14:38:27Z,,,f\n",
    )
    first, second = events(path)
    assert (first["ts"], first["value"], first["position"]) == (1_362_062_307, 4.5, 3)
    assert (second["event_id"], second["ts"]) == ("f", "2013-02-28T14:38:27Z")


def test_derived_ids_are_stable_and_tell_equal_events_apart(tmp_path: Path) -> None:
    rows = ["u,i,view,1362062307", "u,i,view,1362062307", "u,i,click,1362062307"]
    header = "user_id,item_id,action,timestamp\n"
    path = write(tmp_path, header + "\n".join(rows))
    ids = [event["event_id"] for event in events(path)]
    assert len(set(ids)) == 3
    assert [event["event_id"] for event in events(path)] == ids
    as_json = (
        '{"user_id": "u", "item_id": "i", "action": "view", "ts": "2013-02-28T14:38:27Z"}\n'
        '{"user_id": "u", "item_id": "i", "action": "click", "ts": 1362062307000}\n'
        '{"user_id": "u", "item_id": "i", "action": "view", "ts": 1362062307}\n'
    )
    again = [event["event_id"] for event in events(write(tmp_path, as_json, "other.jsonl"))]
    assert again == [ids[0], ids[2], ids[1]]


@pytest.mark.parametrize(
    ("content", "line", "field"),
    [
        ("", 1, "item_id"),
        ("hello\nworld\n", 1, "item_id"),
        ("[1, 2]", 1, "item_id"),
        ("item_id,title\n", 1, "$"),
        ("item_id,title\na\n", 2, "$"),
        ("item_id,title\na,b,c\n", 2, "$"),
        ("item_id,price\na,1\nb,cheap\n", 3, "price"),
        ("item_id,price\na,nan\n", 2, "price"),
        ("item_id,available\na,perhaps\n", 2, "available"),
        ("item_id,attributes\na,{\n", 2, "attributes"),
        ("item_id,plays\na,1.5\n", 2, "stats.plays"),
        ('item_id,title\na,"open\n', 2, "$"),
        ('item_id,title\n"two\nlines",x\n', 3, "item_id"),
        ('{"item_id": "a"}\n{"item_id": "b"\n', 2, "$"),
        ('{"item_id": "a"}\n\n[1]\n', 3, "$"),
        ('{"item_id": "a"}\n{"title": "b"}\n', 2, "item_id"),
        ('{"item_id": "a", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", 1, "$"),
        ('{"item_id": "a"}\n{"item_id": 7}\n', 2, "item_id"),
        ('{"item_id": "a", "description": "' + "x" * BYTES_MAX + '"}', 1, "$"),
        (b'{"item_id": "a"}\n{"item_id": "\xff"}\n', 2, "$"),
        (b"item_id\na\n\xff\n", 3, "$"),
        (gzip.compress(b'{"item_id": "a"}\n')[:-9], 1, "$"),
    ],
)
def test_a_wrong_file_of_items_names_line_and_field(
    tmp_path: Path, content: str | bytes, line: int, field: str
) -> None:
    with pytest.raises(InputFileError) as caught:
        items(write(tmp_path, content))
    assert (caught.value.line, caught.value.field) == (line, field)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("u,i,view,", "ts"),
        ("u,i,view,yesterday", "ts"),
        ("u,i,view,1", "ts"),
        ("u,i,fly,1362062307", "action"),
        ("u,i,rating,1362062307", "value"),
        (",i,view,1362062307", "user_id"),
    ],
)
def test_a_wrong_event_names_line_and_field(tmp_path: Path, row: str, field: str) -> None:
    path = write(tmp_path, f"user_id,item_id,action,ts\nu,i,view,1362062307\n{row}\n")
    with pytest.raises(InputFileError) as caught:
        events(path)
    assert (caught.value.line, caught.value.field) == (3, field)


def test_a_file_that_cannot_be_opened_is_a_usage_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UsageError, match=str(path)):
            items(path)
