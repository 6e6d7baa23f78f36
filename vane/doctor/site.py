"""Does everything answer and fit together? Every check looks at all `Facts`."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from vane.doctor.check import Check, Fault, error, hint, warning
from vane.doctor.facts import Facts

ROUND_TRIP_S_MAX = 0.02
"""Of PostgreSQL and Redis: a chunk and a list take some of them, one after another."""
CLOCK_S_HINT, CLOCK_S_MAX = 1.0, 30.0
SECRET_BYTES_MIN = 32
UNAUTHORIZED, OK = 401, 200
PROCESSES = {
    "vane interactions": (error, "events are not applied", "vane flow interactions"),
    "vane catalog": (warning, "items are not taken in", "vane flow catalog"),
    "vane trends": (warning, "popularity and neighbours stand still", "vane flow trends"),
    "vane learning": (hint, "the ranking does not learn", "vane flow learning"),
    "vane api": (hint, "no list is served", "vane api"),
    "vane monitor": (
        warning,
        "nobody sees lag, audits and tables: alerts stay silent",
        "vane monitor",
    ),
}


def reachable(facts: Facts) -> Iterator[Fault]:
    """Every server answers, and soon."""
    for server, reason in facts.away.items():
        yield error(f"{server} does not answer: {reason}", f"look at {server} and its address")
    trips = {"redis": facts.redis_round_trip_s}
    if facts.server is not None:
        trips["postgres"] = facts.server.round_trip_s
    for server, seconds in trips.items():
        if seconds > ROUND_TRIP_S_MAX:
            yield warning(
                f"{server} takes {1e3 * seconds:.0f} ms to answer, from here",
                "run flows and API beside it, in the same zone",
            )


def clock(facts: Facts) -> Iterator[Fault]:
    """Now is the same everywhere."""
    if facts.server is None:
        return
    ahead_s = facts.server.clock_ahead_s
    if abs(ahead_s) > CLOCK_S_HINT:
        grave = error if abs(ahead_s) > CLOCK_S_MAX else warning
        side = "ahead of" if ahead_s > 0 else "behind"
        yield grave(
            f"PostgreSQL's clock is {abs(ahead_s):.1f} s {side} this machine's",
            "set both clocks (NTP): decay, clamping and tokens go by them",
        )


def schema(facts: Facts) -> Iterator[Fault]:
    """The tables are those of this version."""
    if facts.schema is None:
        return
    if facts.schema.refused:
        yield error(facts.schema.refused, "run the version of Vane that made the tables, or newer")
    for phase, grave in (("before-deploy", error), ("after-deploy", warning)):
        waiting = [label for label, of in facts.schema.waiting if of == phase]
        if waiting:
            yield grave(f"not applied: {', '.join(waiting)}", f"vane migrate --{phase}")


def tuning(facts: Facts) -> Iterator[Fault]:
    """The settings in the database can be read."""
    if facts.broken:
        yield error(facts.broken, "PUT /v1/admin/settings with good ones; all go on with the last")


def settings(facts: Facts) -> Iterator[Fault]:
    """Variables that contradict each other."""
    found = facts.settings
    if found.lock_timeout_ms >= found.statement_timeout_ms:
        yield warning(
            f"VANE_LOCK_TIMEOUT_MS ({found.lock_timeout_ms}) is not below "
            f"VANE_STATEMENT_TIMEOUT_MS ({found.statement_timeout_ms}): a frozen owner is not "
            "found",
            "raise the second one",
        )
    if bool(found.grpc_tls_cert) != bool(found.grpc_tls_key):
        yield error("gRPC has one of certificate and key", "set both VANE_GRPC_TLS_CERT and _KEY")
    if 0 < len(found.jwt_secret.encode()) < SECRET_BYTES_MIN:
        yield error("VANE_JWT_SECRET is too short to be one", "take 32 random bytes or more")
    if found.clock == "event" and found.api_url:
        yield warning(
            "VANE_CLOCK=event, for replays of old logs, beside VANE_API_URL: no canary runs",
            "leave VANE_CLOCK out on a live site",
        )
    if found.cache_ttl_ms > 60_000:  # noqa: PLR2004 - a minute
        yield hint(
            f"VANE_CACHE_TTL_MS is {found.cache_ttl_ms}: a lost hint shows old lists for so long",
            "5,000 is enough for a warm cache",
        )


def processes(facts: Facts) -> Iterator[Fault]:
    """Each is connected to PostgreSQL under its name."""
    if facts.server is None:
        return
    names = facts.server.applications
    for process, (grave, without, command) in PROCESSES.items():
        if not any(name == process or name.startswith(f"{process} ") for name in names):
            yield grave(f"no {process} is connected to the database: {without}", command)


def api(facts: Facts) -> Iterator[Fault]:
    """The API is ready, and closed to strangers."""
    if facts.api is None:
        return
    if facts.api.ready != OK:
        told = facts.api.ready or "nothing"
        yield error(f"{facts.api.url}/readyz answers {told}", "its body names what is missing")
    if facts.api.anonymous == OK and not _loopback(facts.api.url):
        yield error(
            f"{facts.api.url} answers anyone without a key",
            "set VANE_ACCESS=keys for the API, and make keys with vane keys",
        )


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


CHECKS: tuple[Check[Facts], ...] = (
    Check(
        "reachable",
        "PostgreSQL, Kafka, Redis answer, the first and the last within 20 ms",
        "runbooks/VaneDependencyDown.md",
        reachable,
    ),
    Check("clock", "PostgreSQL's is within a second of this machine's", "reliability.md", clock),
    Check("schema", "migrations: none is missing, none is newer", "migrations.md", schema),
    Check(
        "tuning",
        "the settings in the database can be read",
        "runbooks/VaneSettingsBroken.md",
        tuning,
    ),
    Check("settings", "variables do not contradict each other", "settings.md", settings),
    Check(
        "processes",
        "flows, API and monitor are connected",
        "runbooks/VaneMonitorAbsent.md",
        processes,
    ),
    Check(
        "api",
        "`VANE_API_URL` is ready, and beyond loopback refuses who has no key",
        "security.md",
        api,
    ),
)
