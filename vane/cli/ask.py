"""`vane recommend`, `profile`, `similar`, `status`, `api`: what Vane answers.

The first four read the database as the API does, and need no API.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from api.params import LIMIT_MAX, checked_text
from api.recommend import profile as build_profile
from api.recommend import recommend as build_recommendations
from api.recommend import similar as build_similar
from api.recommender import Query, Recommender, open_recommender
from schemas.responses import ListedItem, Profile, Status
from vane import telemetry
from vane.child import announce_ready, watch_parent
from vane.cli.context import DataDir, Json, command_settings
from vane.cli.output import console, note, print_json, print_table, table
from vane.errors import InvalidRequest, UsageError
from vane.settings import Settings, with_access
from vane.store.connection import connect
from vane.store.serving import ServingStore, open_store
from vane.store.status import read_status
from vane.store.tuning import read_tuning

Limit = Annotated[int, typer.Option(min=1, max=LIMIT_MAX, help="How many items.")]
Body = TypeVar("Body", bound=msgspec.Struct)


NO_ADMIN_KEY = (
    "VANE_ADMIN_KEY is not set: the admin API is closed, and sessions hold in this process alone"
)


def recommend(
    user: Annotated[str, typer.Argument(help="A user's id; an unknown one gets what is popular.")],
    limit: Limit = 10,
    kind: Annotated[str | None, typer.Option(help="Only items of this kind.")] = None,
    category: Annotated[str | None, typer.Option(help="Only items of this category.")] = None,
    explain: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--explain", help="With what each feature added to the score.")
    ] = False,
    as_json: Json = False,  # noqa: FBT002
    data_dir: DataDir = None,
) -> None:
    """Recommendations for a user, with the reason for each.

    Example: `vane recommend alice --limit 5 --explain`
    """
    user_id, query = checked_id("user", user), Query(limit, kind, category, explain=explain)

    async def ask(recommender: Recommender) -> Any:
        return (await build_recommendations(recommender, user_id, query))[0]

    body = ask_recommender(ask, data_dir)
    if as_json:
        print_json(body)
        return
    print_items(body.items)
    console().print(f"{body.strategy}, version {body.version}", style="dim")


def profile(
    user: Annotated[str, typer.Argument(help="A user's id.")],
    as_json: Json = False,  # noqa: FBT002
    data_dir: DataDir = None,
) -> None:
    """What Vane knows of a user's taste.

    Example: `vane profile alice`
    """
    user_id = checked_id("user", user)
    with connect(command_settings(data_dir, needs=["database_url"]), "vane") as connection:
        half_life_s = read_tuning(connection)[0].half_life_long_s

    async def ask(store: ServingStore) -> Profile:
        return await build_profile(store, user_id, half_life_s)

    body = ask_store(ask, data_dir)
    if as_json:
        print_json(body)
        return
    screen = console()
    as_of = f", as of {body.as_of:%Y-%m-%d %H:%M:%S} UTC" if body.as_of else ""
    screen.print(f"{body.events:,} events, version {body.version}{as_of}")
    rows = table("likes", "", ">affinity")
    for kind, affinities in (("category", body.categories), ("tag", body.tags)):
        for name, affinity in affinities.items():
            rows.add_row(kind, name, f"{affinity:.2f}")
    print_table(rows, empty="nothing known of what the user likes")
    screen.print()
    recent = table("recent", "action", "time (UTC)", "title")
    for item in body.recent_items:
        recent.add_row(item.item_id, item.action, f"{item.ts:%Y-%m-%d %H:%M:%S}", item.title)
    print_table(recent, empty="no recent items")


def similar(
    item: Annotated[str, typer.Argument(help="An item's id.")],
    limit: Limit = 10,
    as_json: Json = False,  # noqa: FBT002
    data_dir: DataDir = None,
) -> None:
    """Items like an item.

    Example: `vane similar 0114709`
    """
    item_id = checked_id("item", item)
    body = ask_recommender(lambda asked: build_similar(asked, item_id, limit), data_dir)
    if as_json:
        print_json(body)
    else:
        print_items(body.items)


def status(as_json: Json = False, data_dir: DataDir = None) -> None:  # noqa: FBT002
    """How far each flow is, and what waits.

    Example: `vane status --json`
    """
    body = ask_store(read_status, data_dir)
    if as_json:
        print_json(body)
    else:
        _print_status(body)


def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any free one.")] = 8000,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Processes that share the port, one a core.")
    ] = 1,
    metrics_port: Annotated[
        int,
        typer.Option(min=0, max=65_000, help="Of the first worker's own /metrics; 0: none."),
    ] = 0,
    shared: Annotated[bool, typer.Option("--shared", hidden=True)] = False,  # noqa: FBT002
    data_dir: DataDir = None,
) -> None:
    """Run the HTTP API.

    SIGTERM and Ctrl-C end it behind the requests in flight. With several workers, one that ends is
    started again alone; they share nothing but Redis, and /metrics on the port is one worker's, so
    give them ports of their own.

    Example: `vane api --port 8000 --workers 4 --metrics-port 9400`
    """
    from api.server import run  # noqa: PLC0415 - slow to import, needed by this command alone
    from vane.cli.ports import ACCESS, usable_port  # noqa: PLC0415
    from vane.cli.workers import run_workers  # noqa: PLC0415

    watch_parent()
    settings = with_access(command_settings(data_dir), host)
    telemetry.begin(settings, "api")
    if shared:
        run(settings, host, port, lambda: None, metrics_port)
        return
    free = usable_port(port)
    for worker in range(workers if metrics_port else 0):
        usable_port(metrics_port + worker)
    note(settings, f"access is {ACCESS[settings.access]}", err=True)
    if not settings.admin_key:
        if workers > 1:
            raise UsageError("--workers needs VANE_ADMIN_KEY: it signs sessions for all of them")
        note(settings, NO_ADMIN_KEY, err=True)
    announce = partial(_announce, settings, host, free)
    if workers > 1:
        run_workers(host, free, workers, metrics_port, data_dir, announce)
    else:
        run(settings, host, free, announce, metrics_port)


def _announce(settings: Settings, host: str, port: int) -> None:
    note(settings, f"serving on http://{host}:{port}")
    announce_ready()


def ask_store(question: Callable[[ServingStore], Awaitable[Body]], data_dir: DataDir) -> Body:
    """One question to the database."""
    settings = command_settings(data_dir, needs=["database_url"])

    with connect(settings, "vane"):
        pass  # a pool without a connection cannot say why

    async def run() -> Body:
        async with open_store(settings, "vane") as store:
            return await question(store)

    return asyncio.run(run())


def ask_recommender(question: Callable[[Recommender], Awaitable[Body]], data_dir: DataDir) -> Body:
    """One question to a recommender that has read the whole item table."""
    settings = command_settings(data_dir, needs=["database_url"])

    async def run() -> Body:
        async with open_recommender(settings, "vane") as recommender:
            return await question(recommender)

    return asyncio.run(run())


def checked_id(name: str, text: str) -> str:
    """An id from the command line; a wrong one is wrong use."""
    try:
        return checked_text(name, text)
    except InvalidRequest as error:
        raise UsageError(str(error)) from None


def print_items(items: list[ListedItem]) -> None:
    """A list as a table."""
    columns = [">#", ">score", "item", "title", "kind", "category", "reason"]
    explained = bool(items) and isinstance(items[0].components, dict)
    rows = table(*columns, *(["components"] if explained else []))
    for place, item in enumerate(items, start=1):
        row = [str(place), f"{item.score:.3f}", item.item_id, item.title, item.kind]
        row += [item.category or "", item.reason.text]
        if isinstance(item.components, dict):
            row.append(" ".join(f"{name} {part:+.2f}" for name, part in item.components.items()))
        rows.add_row(*row)
    print_table(rows, empty="nothing found")


def _print_status(body: Status) -> None:
    rows = table("flow", ">partition", ">next offset", ">end offset", ">lag")
    for name in ("interactions", "catalog"):
        flow = getattr(body.flows, name)
        for partition, place in flow.partitions.items():
            offsets = (place.next_offset, place.end_offset, place.lag)
            rows.add_row(name, partition, *(f"{offset:,}" for offset in offsets))
        rows.add_row(name, "all", "", "", f"{flow.lag:,}")
    rows.add_row("trends", "all", "", "", f"{body.flows.trends.lag:,}")
    screen = console()
    screen.print(rows, "")
    counts = table("what", ">count")
    for name in ("items", "users", "pending", "dead_letters", "settings_version"):
        counts.add_row(name.replace("_", " "), f"{getattr(body, name):,}")
    screen.print(counts)
