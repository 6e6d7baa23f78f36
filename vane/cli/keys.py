"""`vane keys`: make, list, rotate and revoke keys of the API."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from schemas.events import SettingsHint
from schemas.requests import GRACE_MINUTES, GRACE_MINUTES_MAX, KEY_DAYS_MAX
from schemas.responses import ApiKey, ApiKeys, NewApiKey
from vane.bus import SETTINGS, Publisher
from vane.cli.context import DataDir, Json, command_settings
from vane.cli.output import print_json, print_table, table
from vane.errors import UsageError
from vane.store.connection import Connection, connect
from vane.store.keys import create_key, list_keys, revoke_key, rotate_key

app = typer.Typer(no_args_is_help=True)


class Scope(StrEnum):
    """`schemas.requests.KeyScope`, as Typer can read it several times."""

    READ = "read"
    INGEST = "ingest"
    ADMIN = "admin"


KeyId = Annotated[int, typer.Argument(metavar="ID", min=1, help="As in the list.")]


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What it is for, such as shop-backend.")],
    scope: Annotated[
        list[Scope], typer.Option(help="read, ingest or admin, which is all; repeat for more.")
    ],
    expires_in: Annotated[
        int | None,
        typer.Option(min=1, max=KEY_DAYS_MAX, metavar="DAYS", help="Refused after this time."),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Make a key; its secret is shown now and never again.

    Example: `vane keys create --name shop-backend --scope read --scope ingest`
    """
    if not name.strip() or not name.isprintable():
        raise UsageError("--name: expected a text that can be shown")
    lifetime = None if expires_in is None else timedelta(days=expires_in)
    with _changing(data_dir) as connection:
        made = create_key(connection, name.strip(), [one.value for one in scope], lifetime)
    _show(made, as_json=as_json)


@app.command("list")
def list_command(
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """All keys that were ever made, without their secrets.

    Example: `vane keys list`
    """
    settings = command_settings(data_dir, needs=["database_url"])
    with connect(settings, "vane keys") as connection:
        keys = list_keys(connection)
    if as_json:
        print_json(ApiKeys(keys))
        return
    rows = table(">id", "name", "scopes", "state", "created", "last used", ">replaces")
    for key in keys:
        used = f"{key.last_used_at:%F %T}" if key.last_used_at else "never"
        replaces = "" if key.replaces is None else str(key.replaces)
        made = f"{key.created_at:%F %T}"
        rows.add_row(str(key.id), key.name, " ".join(key.scopes), _state(key), made, used, replaces)
    print_table(rows, empty="no keys")


@app.command()
def rotate(
    key_id: KeyId,
    grace: Annotated[
        int,
        typer.Option(
            min=0, max=GRACE_MINUTES_MAX, metavar="MINUTES", help="The old key works so long."
        ),
    ] = GRACE_MINUTES,
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Make the successor of a key; both are accepted until the time of grace is over.

    Example: `vane keys rotate 3 --grace 1440`
    """
    with _changing(data_dir) as connection:
        made = rotate_key(connection, key_id, timedelta(minutes=grace))
    _show(made, as_json=as_json)


@app.command()
def revoke(
    key_id: KeyId,
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """End a key; the API refuses it within seconds.

    Example: `vane keys revoke 3`
    """
    with _changing(data_dir) as connection:
        revoke_key(connection, key_id)
    if as_json:
        print_json({"revoked": key_id})
    else:
        typer.echo(f"key {key_id} is revoked")


@contextmanager
def _changing(data_dir: DataDir) -> Iterator[Connection]:
    """A connection; afterwards the API processes are told to look."""
    settings = command_settings(data_dir, needs=["database_url", "redis_url"])
    with connect(settings, "vane keys") as connection:
        yield connection
    Publisher(settings.redis_url).publish(SETTINGS, SettingsHint("keys", time.time()))


def _show(made: NewApiKey, *, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    typer.echo(made.secret)
    typer.echo(f"key {made.key.id}, {' '.join(made.key.scopes)}: shown this once", err=True)


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%F %T}"
    if key.expires_at is None:
        return "accepted"
    ended = key.expires_at <= datetime.now(UTC)
    return f"{'expired' if ended else 'accepted until'} {key.expires_at:%F %T}"
