"""Are Vane's own tables as flows and lists need them? Every check looks at `Contents`."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from vane.doctor.check import Check, Fault, hint, time_text, warning
from vane.installation_metrics import OUTCOMES
from vane.store.doctor import Contents

PENDING_S_MAX = 3_600.0
DEAD_LETTERS_MAX = 100
"""In the last hour."""
SHARE_MAX = 0.01
MESSAGES_MIN = 1_000
TRENDS_LAG_MAX = 50_000
RANKER_AGE_S_MAX = 7 * 86_400.0
LEARNABLE_EVENTS = 10_000
NEXT_MONTH = timedelta(days=32)


def pending(contents: Contents) -> Iterator[Fault]:
    """Events on items that nobody has sent."""
    counts = contents.counts
    if counts.pending and counts.oldest_s > PENDING_S_MAX:
        yield warning(
            f"{counts.pending:,} events wait for items that are not in the catalogue, the oldest "
            f"for {time_text(counts.oldest_s)}",
            "produce these items: select item_id, count(*) from pending group by 1 order by 2 desc",
        )


def dead_letters(contents: Contents) -> Iterator[Fault]:
    """Producers that send what nobody can read."""
    recent, reason = contents.dead_letters
    if recent > DEAD_LETTERS_MAX:
        yield warning(
            f"{recent:,} dead letters in the last hour, most of them: {reason}",
            "vane dead-letters list; mend the producer, then vane dead-letters retry",
        )
    for flow, counts in contents.outcomes.items():
        named = dict(zip(OUTCOMES, counts, strict=True))
        dead, applied = named["dead_lettered"], named["applied"]
        if dead + applied >= MESSAGES_MIN and dead > SHARE_MAX * (dead + applied):
            yield hint(
                f"flow {flow}: {100 * dead / (dead + applied):.1f} % of all messages ever were "
                "dead letters",
                "vane dead-letters list",
            )


def clocks(contents: Contents) -> Iterator[Fault]:
    """Producers whose clocks are ahead."""
    for flow, counts in contents.outcomes.items():
        named = dict(zip(OUTCOMES, counts, strict=True))
        if named["applied"] >= MESSAGES_MIN and named["clamped"] > SHARE_MAX * named["applied"]:
            yield warning(
                f"flow {flow}: {100 * named['clamped'] / named['applied']:.1f} % of the events "
                "came from the future",
                "set the clocks of the producers (NTP)",
            )


def trends(contents: Contents) -> Iterator[Fault]:
    """Popularity and neighbours follow the log."""
    if contents.counts.trends_lag > TRENDS_LAG_MAX:
        yield warning(
            f"trends lack {contents.counts.trends_lag:,} events", "start or add flow trends"
        )


def embeddings(contents: Contents) -> Iterator[Fault]:
    """Content vectors are there, and of one model."""
    if contents.not_embedded:
        yield warning(
            f"{contents.not_embedded} of {contents.items_sampled} sampled items have text and no "
            "content vector",
            "look at flow catalog, then produce these items again",
        )
    if contents.other_model:
        yield warning(
            f"{contents.other_model} of {contents.items_sampled} sampled items have a content "
            "vector of another model or text than now",
            "set VANE_EMBEDDING_MODEL here as for flow catalog; after a change of the model "
            "produce all items again: vectors of two models cannot be compared",
        )


def items(contents: Contents) -> Iterator[Fault]:
    """There is something to recommend."""
    if contents.counts.available + contents.counts.without_text == 0:
        yield hint("no item is available: every list is empty", "vane load items FILE")


def half_lives(contents: Contents) -> Iterator[Fault]:
    """All states decay by the half-lives that hold now."""
    users, others = contents.half_lives
    if others:
        yield warning(
            f"{others} of {users} sampled users have states of other half-lives than the settings",
            "vane rebuild",
        )


def ranker(contents: Contents) -> Iterator[Fault]:
    """The ranking learns from the site's own traffic."""
    events = contents.outcomes.get("interactions", (0,))[0]
    if contents.ranker_age_s is None and events >= LEARNABLE_EVENTS:
        yield warning(
            f"nothing was ever learned from {events:,} events: lists are ranked by defaults",
            "start flow learning, or vane tune once",
        )
    elif contents.ranker_age_s is not None and contents.ranker_age_s > RANKER_AGE_S_MAX:
        yield warning(
            f"the ranking has learned nothing for {time_text(contents.ranker_age_s)}",
            "start flow learning, or read its log",
        )


def months(contents: Contents) -> Iterator[Fault]:
    """The log has a partition for each month."""
    if contents.strays:
        yield warning(
            f"{contents.strays:,} rows of the log, or more, are in interaction_default: their "
            "month has no partition, and they cannot be dropped by month",
            "move them to a partition of their month at a quiet hour, as docs/retention.md says",
        )
    following = (datetime.now(UTC).date().replace(day=1) + NEXT_MONTH).strftime("interaction_%Y_%m")
    if contents.outcomes and following not in contents.months:
        yield warning(
            "next month has no partition of the log yet",
            "start flow interactions: it makes them ahead, once a day",
        )


def keys(contents: Contents) -> Iterator[Fault]:
    """No key ends unawares."""
    for name, left_s in contents.keys:
        yield warning(f"API key {name!r} ends in {time_text(left_s)}", "vane keys rotate")


def commands(contents: Contents) -> Iterator[Fault]:
    """What operators asked for was done."""
    waiting, failed = contents.commands
    if waiting:
        yield warning(
            f"{waiting:,} commands have waited or run for more than an hour", "start flow commands"
        )
    if failed:
        yield hint(f"{failed:,} commands failed in the last day", "GET /v1/admin/commands says why")


CHECKS: tuple[Check[Contents], ...] = (
    Check(
        "vane-pending",
        "no event waits for its item for an hour",
        "runbooks/VanePendingOld.md",
        pending,
    ),
    Check(
        "vane-dead-letters",
        "fewer than 100 in an hour, and 1 % of all",
        "runbooks/VaneDeadLetters.md",
        dead_letters,
    ),
    Check(
        "vane-clocks", "1 % of the events are clamped at most", "runbooks/VaneClamped.md", clocks
    ),
    Check("vane-trends", "trends hold the log", "runbooks/VaneTrendsBehind.md", trends),
    Check(
        "vane-embeddings",
        "every sampled item with text has a content vector, of the model that is set",
        "learning.md",
        embeddings,
    ),
    Check("vane-items", "some are available", "events.md", items),
    Check(
        "vane-half-lives",
        "every sampled user has those of the settings",
        "operations.md",
        half_lives,
    ),
    Check("vane-ranker", "it has learned, within the last week", "learning.md", ranker),
    Check("vane-months", "the log has its monthly partitions", "retention.md", months),
    Check("vane-keys", "no API key ends within two weeks", "security.md", keys),
    Check("vane-commands", "commands are carried out", "operations.md", commands),
)
