"""The contracts in `schemas/`: files equal the types, and both judge messages alike."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from schemas import discovery, events, requests, responses
from schemas.generate import DOCUMENTS, FOLDER, documents
from vane import bus
from vane.catalogue import parse_update
from vane.cli import machine
from vane.errors import InvalidEvent
from vane.interaction import check_text, parse_interaction

ASYNCAPI = yaml.safe_load((FOLDER.parent / "asyncapi.yaml").read_text(encoding="utf-8"))
FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _has_offset(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def _schema_accepts(document: str, value: Any) -> bool:
    schema = json.loads((FOLDER / f"{document}.json").read_text(encoding="utf-8"))
    try:
        Draft202012Validator(schema, format_checker=FORMATS).validate(value)
    except ValidationError:
        return False
    return True


def _type_accepts(document: str, value: Any) -> bool:
    raw = json.dumps(value).encode()
    try:
        if document == "user-interactions":
            check_text(parse_interaction(raw))
        elif document == "product-updates":
            parse_update(raw)
        else:
            (kind,) = DOCUMENTS[document]
            msgspec.json.decode(raw, type=kind)
    except (InvalidEvent, msgspec.ValidationError):
        return False
    return True


def test_the_files_equal_the_types() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()} == documents()


def test_every_type_is_part_of_a_document() -> None:
    types = {
        name
        for module in (discovery, events, requests, responses)
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, msgspec.Struct)
        and value is not msgspec.Struct
    }
    assert types == {name for text in documents().values() for name in json.loads(text)["$defs"]}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_is_a_json_schema(document: str) -> None:
    schema = json.loads((FOLDER / f"{document}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)


EVENT = {"event_id": "e", "user_id": "u", "item_id": "i", "action": "click", "ts": 1_795_273_445}
ITEM = {"item_id": "i"}
COMMAND = {"command_id": "c", "command": "tune", "args": {}, "ts": 1_795_273_445_123}
PLACE = {"item_id": "i", "position": 0, "score": 0.5, "sources": ["long"], "propensity": 1.0}
LIST = {"request_id": "r", "user_id": "u", "kind": "served", "items": [PLACE], "ts": 1_795_273_445}
HINT = {"changes": [["u", 3]], "log": 1, "partition": 0, "next_offset": 9, "ts": 1.5}
MISSING = object()


def _with(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {key: v for key, v in {**base, **changes}.items() if v is not MISSING}


GOOD: list[tuple[str, Any]] = [
    ("user-interactions", EVENT),
    ("user-interactions", _with(EVENT, ts="2026-11-21T15:04:05+01:00")),
    ("user-interactions", _with(EVENT, ts=1_795_273_445.25, value=4.5, position=0)),
    ("user-interactions", _with(EVENT, user_id="ü" * 128, session_id=None, unknown=[1])),
    ("user-interactions", {"specversion": "1.0", "id": "x", "data": EVENT}),
    ("product-updates", ITEM),
    ("product-updates", _with(ITEM, title="", price=0, tags=[], attributes={"a": [1]})),
    ("product-updates", _with(ITEM, op="patch", title=None, stats={"plays": 1}, available=False)),
    ("product-updates", _with(ITEM, embeds=["j"], published_at="1999-03-31T00:00:00Z")),
    ("product-updates", {"specversion": "1.0", "id": "x", "data": ITEM}),
    ("admin-commands", COMMAND),
    ("recommendation-log", LIST),
    ("recommendation-log", _with(LIST, items=[], kind="seen", variant="b")),
    ("preferences-hint", HINT),
    ("preferences-hint", _with(HINT, changes=[])),
    ("catalog-hint", {"items": ["i"], "ts": 1}),
    ("trends-hint", {"items": 3, "ts": 1.5}),
    ("settings-hint", {"changed": "model", "ts": 1.5}),
]
BAD: list[tuple[str, Any]] = [
    ("user-interactions", []),
    ("user-interactions", None),
    *(("user-interactions", _with(EVENT, **{name: MISSING})) for name in EVENT),
    *(("user-interactions", _with(EVENT, **{name: None})) for name in EVENT),
    ("user-interactions", _with(EVENT, user_id="")),
    ("user-interactions", _with(EVENT, item_id="i" * 129)),
    ("user-interactions", _with(EVENT, user_id="a\nb")),
    ("user-interactions", _with(EVENT, item_id="a\x85b")),
    ("user-interactions", _with(EVENT, event_id="a\0b")),
    ("user-interactions", _with(EVENT, session_id="a\x7fb")),
    ("user-interactions", _with(EVENT, user_id=7)),
    ("user-interactions", _with(EVENT, ts="yesterday")),
    ("user-interactions", _with(EVENT, ts="2026-11-21T15:04:05")),
    ("user-interactions", _with(EVENT, ts=True)),
    ("user-interactions", _with(EVENT, value="5")),
    ("user-interactions", _with(EVENT, position=-1)),
    ("user-interactions", _with(EVENT, position=1.5)),
    ("user-interactions", {"specversion": "0.3", "data": EVENT}),
    ("user-interactions", {"specversion": "1.0", "data": _with(EVENT, action=MISSING)}),
    ("product-updates", {}),
    ("product-updates", _with(ITEM, op="insert")),
    ("product-updates", _with(ITEM, price=-1)),
    ("product-updates", _with(ITEM, price="3.99")),
    ("product-updates", _with(ITEM, tags="action")),
    ("product-updates", _with(ITEM, tags=["t"] * 101)),
    ("product-updates", _with(ITEM, title="t" * 1_001)),
    ("product-updates", _with(ITEM, stats={"plays": -1})),
    ("product-updates", _with(ITEM, available=None)),
    ("product-updates", _with(ITEM, embeds=[""])),
    ("product-updates", {"specversion": "1.0", "data": {}}),
    ("admin-commands", _with(COMMAND, command="stop")),
    ("admin-commands", _with(COMMAND, args=[])),
    ("recommendation-log", _with(LIST, kind="shown")),
    ("recommendation-log", _with(LIST, items=[_with(PLACE, propensity=0)])),
    ("preferences-hint", _with(HINT, changes=[["u", "3"]])),
    ("preferences-hint", _with(HINT, changes=[["u"]])),
    ("catalog-hint", {"items": [1], "ts": 1}),
    ("trends-hint", {"ts": 1}),
    ("settings-hint", {"changed": "weather", "ts": 1.5}),
]


@pytest.mark.parametrize(("document", "value"), GOOD)
def test_schema_and_type_accept(document: str, value: Any) -> None:
    assert _schema_accepts(document, value)
    assert _type_accepts(document, value)


@pytest.mark.parametrize(("document", "value"), BAD)
def test_schema_and_type_refuse(document: str, value: Any) -> None:
    assert not _schema_accepts(document, value)
    assert not _type_accepts(document, value)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        yield from _references(child)


def _resolve(reference: str) -> Any:
    path, _, pointer = reference.partition("#")
    node = json.loads((FOLDER.parent / path).read_text(encoding="utf-8")) if path else ASYNCAPI
    for part in filter(None, pointer.split("/")):
        node = node[part]
    return node


def test_every_reference_of_asyncapi_resolves() -> None:
    references = list(_references(ASYNCAPI))
    assert references
    for reference in references:
        assert _resolve(reference), reference


def test_asyncapi_has_exactly_the_topics_and_channels_of_the_code() -> None:
    kafka = [c for c in ASYNCAPI["channels"].values() if "bindings" in c]
    hints = [c["address"] for c in ASYNCAPI["channels"].values() if "bindings" not in c]
    assert {channel["address"] for channel in kafka} == set(machine.TOPICS)
    assert set(hints) == {bus.PREFERENCES, bus.CATALOG, bus.TRENDS, bus.SETTINGS}
    for channel in kafka:
        binding = channel["bindings"]["kafka"]
        policy = machine.COMPACTED.get(channel["address"], {}).get("cleanup.policy")
        assert binding["topic"] == channel["address"]
        assert binding.get("topicConfiguration", {}).get("cleanup.policy") == (policy and [policy])


EXAMPLES = [
    pytest.param(Path(message["payload"]["$ref"]).stem, example["payload"], id=example["name"])
    for message in ASYNCAPI["components"]["messages"].values()
    for example in message["examples"]
]


@pytest.mark.parametrize(("document", "payload"), EXAMPLES)
def test_the_examples_of_asyncapi_are_valid(document: str, payload: Any) -> None:
    assert _schema_accepts(document, payload)
    assert _type_accepts(document, payload)


PAGES = [FOLDER.parents[1] / "README.md", *sorted((FOLDER.parents[1] / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(json|jsonl)(?: ([a-z-]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
POSTED = re.compile(r"/v1/events .*?-d '([^']+)'", re.DOTALL)
FILLED_IN = {"event_id": "e", "ts": 1_795_273_445}


def _page_examples() -> Iterator[Any]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for form, document, body in BLOCK.findall(text):
            for example in body.splitlines() if form == "jsonl" else [body]:
                yield pytest.param(document, json.loads(example), id=f"{page.name} {document}")
        for body in POSTED.findall(text):
            event = FILLED_IN | json.loads(body)
            yield pytest.param("user-interactions", event, id=f"{page.name} curl")


@pytest.mark.parametrize(("document", "value"), list(_page_examples()))
def test_the_examples_of_the_pages_are_valid(document: str, value: Any) -> None:
    assert _schema_accepts(document, value)
    assert _type_accepts(document, value)


def test_the_pages_have_examples() -> None:
    shown = {example.id for example in _page_examples()}
    assert {"README.md curl", "README.md user-interactions", "events.md product-updates"} <= shown
