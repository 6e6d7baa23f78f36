"""Categories from a file: what is wrong with one, and which items get them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import vane.cli.taxonomy
from flows.catalog_writer import CatalogWriter
from flows.meter import FlowMeter
from tests.integration.test_catalog import Log
from vane.bus import Publisher
from vane.cli import build_app
from vane.embedding import DIMENSIONS, Vectors
from vane.errors import InvalidRequest
from vane.settings import Settings, variable
from vane.store.connection import Connection
from vane.taxonomy import parse_taxonomy, texts_of

WORDS = ("car", "van", "film", "comedy", "bread")


def encode(texts: list[str]) -> Vectors:
    """A direction for each word of WORDS that a text has."""
    rows = np.zeros((len(texts), DIMENSIONS), np.float32)
    for row, text in zip(rows, texts, strict=True):
        for place, word in enumerate(WORDS):
            row[place] = word in text.lower()
        row[-1] = 0.1
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.fixture
def log(connection: Connection) -> Log:
    return Log(connection)


@pytest.fixture
def update(settings: Settings, log: Log) -> Iterator[Callable[..., None]]:
    """Updates pass through flow catalog."""
    publisher = Publisher(settings.redis_url)
    writer = CatalogWriter(settings, encode, publisher, FlowMeter("catalog"))

    def apply(**fields: Any) -> None:
        list(writer.apply(log.chunk(fields)))

    yield apply
    writer.close()


@pytest.fixture
def apply(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Any], Any]:
    """`vane taxonomy apply` with these categories."""
    monkeypatch.setattr(vane.cli.taxonomy, "load_encoder", lambda *_: encode)
    environ = {variable(n): getattr(settings, n) for n in ("database_url", "redis_url")}

    def run(categories: Any) -> Any:
        file = tmp_path / "categories.json"
        file.write_text(json.dumps(categories))
        arguments = ["taxonomy", "apply", str(file), "--json"]
        return json.loads(CliRunner().invoke(build_app("taxonomy"), arguments, env=environ).stdout)

    return run


def categories(connection: Connection) -> dict[str, str | None]:
    return dict(connection.execute("select item_id, category from item").fetchall())


CATEGORIES = [{"name": "vehicles", "description": "car"}, {"name": "films", "description": "film"}]


def test_items_without_a_category_get_the_nearest_one(
    connection: Connection, update: Callable[..., None], apply: Callable[[Any], Any]
) -> None:
    update(item_id="a", title="A red car")
    update(item_id="b", title="A film", category="bargains")
    update(item_id="c", title="Fresh bread")
    update(item_id="d")
    assert categories(connection) == {"a": None, "b": "bargains", "c": None, "d": None}
    found = apply(CATEGORIES)
    assert found == {"categories": 2, "undeclared": 3, "classified": 1, "changed": 1}
    assert categories(connection) == {"a": "vehicles", "b": "bargains", "c": None, "d": None}
    assert apply(CATEGORIES)["changed"] == 0


def test_new_items_are_classified_as_they_come(
    connection: Connection, update: Callable[..., None], apply: Callable[[Any], Any]
) -> None:
    apply(CATEGORIES)
    update(item_id="a", title="A film")
    assert categories(connection) == {"a": "films"}
    update(item_id="a", op="patch", price=3)
    assert categories(connection) == {"a": "films"}
    update(item_id="a", op="patch", title="A car")
    assert categories(connection) == {"a": "vehicles"}
    update(item_id="a", op="patch", category="mine")
    assert categories(connection) == {"a": "mine"}
    update(item_id="a", op="patch", category=None)
    assert categories(connection) == {"a": "vehicles"}
    assert apply([])["changed"] == 1
    assert categories(connection) == {"a": None}


def test_a_category_is_told_by_its_parents_too() -> None:
    taxonomy = parse_taxonomy(
        "threshold: 0.4\ncategories:\n"
        "- {name: vans, parent: vehicles, description: room for five}\n- name: vehicles\n"
    )
    assert taxonomy.threshold == 0.4
    assert texts_of(taxonomy) == {"vans": "vehicles. vans. room for five", "vehicles": "vehicles"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "neither YAML nor JSON"),
        ("7", "Expected `object`"),
        ("[{}]", "missing required field `name`"),
        ("[{name: a}, {name: a}]", r'categories\[1\].name: "a" comes twice'),
        ("[{name: a, parent: b}]", r'categories\[0\].parent: there is no category "b"'),
        ("[{name: a, parent: b}, {name: b, parent: a}]", '"a" is below itself'),
        ("[{name: a, colour: red}]", "unknown field `colour`"),
        ("{threshold: 2, categories: []}", "<= 1"),
        ('[{"name": "a\\u0007"}]', "control character"),
        ("[" * 5_000, r"nested too deep|neither YAML nor JSON"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(text: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        parse_taxonomy(text)
