"""`vane merge`: an anonymous visitor turns out to be an account."""

import time
from typing import Annotated

import typer

from schemas.events import PreferenceHint
from vane.bus import PREFERENCES, Publisher
from vane.cli.ask import checked_id
from vane.cli.context import DataDir, Json, command_settings
from vane.cli.output import print_json
from vane.errors import InvalidRequest, UsageError
from vane.merge import merge_users
from vane.store.connection import connect


def merge(
    visitor: Annotated[str, typer.Argument(help="User id until now, such as anon-81f3.")],
    account: Annotated[str, typer.Argument(help="User id from now on.")],
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Give an account what an anonymous visitor did, once and for all.

    Later events of the visitor count for the account, too. The same merge again changes nothing.

    Example: `vane merge anon-81f3 john1`
    """
    settings = command_settings(data_dir, needs=["database_url", "redis_url"])
    try:
        with connect(settings, "vane merge") as connection:
            changes = merge_users(
                connection, checked_id("visitor", visitor), checked_id("account", account)
            )
    except InvalidRequest as error:
        raise UsageError(str(error)) from None
    hint = PreferenceHint(changes, 0, 0, 0, time.time())
    Publisher(settings.redis_url).publish(PREFERENCES, hint)
    _, (target, version) = changes
    if as_json:
        print_json({"visitor": visitor, "account": target, "version": version})
    else:
        typer.echo(f"{visitor} is {target} from now on (version {version})")
