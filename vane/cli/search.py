"""`vane search`: items by words."""

from typing import Annotated, Any

import typer

from api.recommender import Query, Recommender
from api.search import checked_query
from api.search import search as build_results
from vane.cli.ask import Limit, ask_recommender, checked_id, print_items
from vane.cli.context import DataDir, Json
from vane.cli.output import print_json
from vane.errors import InvalidRequest, UsageError


def search(
    text: Annotated[str, typer.Argument(help="Words, unfinished or misspelt ones too.")],
    user: Annotated[
        str | None, typer.Option(help="Whose taste orders what fits equally well.")
    ] = None,
    limit: Limit = 10,
    as_json: Json = False,  # noqa: FBT002
    data_dir: DataDir = None,
) -> None:
    """Items that match some words.

    Example: `vane search "skoda octvia" --user john1`
    """
    user_id = None if user is None else checked_id("user", user)
    try:
        checked_query("text", text)
    except InvalidRequest as error:
        raise UsageError(str(error)) from None

    async def question(recommender: Recommender) -> Any:
        return await build_results(recommender, text, user_id, Query(limit))

    body = ask_recommender(question, data_dir)
    if as_json:
        print_json(body)
        return
    if body.corrected is not None:
        typer.echo(f"Did you mean: {body.corrected}")
    print_items(body.items)
