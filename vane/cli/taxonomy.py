"""`vane taxonomy`: categories with descriptions, for items that declare none."""

import time
from pathlib import Path
from typing import Annotated

import typer

from schemas.events import CatalogHint
from vane.bus import CATALOG, Publisher
from vane.cli.context import DataDir, Json, command_settings
from vane.cli.output import print_json, print_table, table
from vane.cli.progress import progress
from vane.embedding import load_encoder
from vane.errors import InvalidRequest, UsageError
from vane.store.connection import connect
from vane.store.taxonomy import classify_all, list_categories, replace_categories
from vane.taxonomy import Taxonomy, parse_taxonomy, texts_of

app = typer.Typer(help="Categories for items that declare none", no_args_is_help=True)


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="YAML or JSON: name, parent, description of each.")],
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Make the categories of a file those of the site, and classify by them.

    An item that declares no category gets the one whose description is nearest to its text, if that
    is near enough; flow catalog does so with new items. What an item declares always counts.

    Example: `vane taxonomy apply categories.yaml`
    """
    settings = command_settings(data_dir, needs=["database_url", "redis_url"])
    taxonomy = _read(file)
    texts = texts_of(taxonomy)
    encode = load_encoder(settings.embedding_model, settings.embedding_batch_items)
    vectors = encode(list(texts.values())).tolist() if texts else []
    publisher = Publisher(settings.redis_url)
    looked_at = changed = 0
    with connect(settings, "vane taxonomy") as connection, progress() as bars:
        replace_categories(connection, taxonomy, dict(zip(texts, vectors, strict=True)))
        task = bars.add_task("items classified", total=None)
        for count, items in classify_all(connection):
            looked_at, changed = looked_at + count, changed + len(items)
            bars.update(task, completed=looked_at)
            if items:
                publisher.publish(CATALOG, CatalogHint(items, time.time()))
        classified = sum(row.classified for row in list_categories(connection))
    publisher.close()
    found = {
        "categories": len(texts),
        "undeclared": looked_at,
        "classified": classified,
        "changed": changed,
    }
    if as_json:
        print_json(found)
    else:
        typer.echo(
            f"{len(texts):,} categories; of {looked_at:,} items that declare none, "
            f"{classified:,} have one now ({changed:,} changed)"
        )


@app.command("list")
def list_all(
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """The categories, with their items.

    Example: `vane taxonomy list`
    """
    settings = command_settings(data_dir, needs=["database_url"])
    with connect(settings, "vane taxonomy") as connection:
        rows = list_categories(connection)
    if as_json:
        print_json([row._asdict() for row in rows])
        return
    shown = table("category", "parent", ">declared", ">classified", ">threshold")
    for row in rows:
        counts = (f"{row.declared:,}", f"{row.classified:,}", f"{row.threshold:.2f}")
        shown.add_row(row.name, row.parent or "", *counts)
    print_table(shown, empty="no categories: see vane taxonomy apply --help")


def _read(file: Path) -> Taxonomy:
    try:
        return parse_taxonomy(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file}: not UTF-8") from None
    except InvalidRequest as error:
        raise UsageError(f"{file}: {error}") from None
