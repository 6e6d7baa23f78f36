"""The settings of a process: one environment variable each, read once, at the entry points only."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import ip_address
from typing import Any, Literal, get_args, get_origin

from vane.errors import SettingError

PREFIX = "VANE_"


def _setting(default: Any, meaning: str, low: float = -math.inf, high: float = math.inf) -> Any:
    return field(default=default, metadata={"meaning": meaning, "low": low, "high": high})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings; a field `cache_ttl_ms` is the environment variable `VANE_CACHE_TTL_MS`."""

    data_dir: str = _setting("vane-data", "folder of an embedded Vane (`vane up`)")
    kafka_bootstrap: str = _setting("", "Kafka brokers, host:port, comma-separated")
    database_url: str = _setting("", "libpq URI of PostgreSQL with pgvector")
    redis_url: str = _setting("", "Redis URL")
    admin_key: str = _setting("", "key for /v1/admin in X-API-Key; empty: the admin API is closed")
    access: Literal["auto", "open", "keys"] = _setting(
        "auto", "open: only admin needs a key; keys: every call does; auto: open on loopback alone"
    )
    jwt_algorithm: Literal["HS256", "RS256", "ES256", "EdDSA"] = _setting(
        "HS256", "the one algorithm of your users' tokens (JWT)"
    )
    jwt_secret: str = _setting("", "shared secret of HS256, at least 32 bytes; empty: none")
    jwt_key_file: str = _setting("", "file with the public key of the others: PEM or JWKS")
    jwt_issuer: str = _setting("", "issuer (iss) that your users' tokens must name")
    jwt_audience: str = _setting("", "audience (aud) that your users' tokens must name")
    user_calls_per_s_max: int = _setting(
        50, "calls of one user's token, to each API process; 0: any number", 0, 1e6
    )
    key_calls_per_s_max: int = _setting(
        0, "calls with one API key, to each API process; 0: any number", 0, 1e6
    )
    cors_origins: str = _setting(
        "", "origins of front ends elsewhere, comma-separated, such as https://shop.example"
    )
    session_days: int = _setting(30, "a token of POST /v1/sessions is valid so long", 1, 3_650)
    clock: Literal["wall", "event"] = _setting(
        "wall", "what serving takes for now: the wall clock or the newest committed event"
    )
    embedding_model: str = _setting(
        "all-MiniLM-L6-v2", "sentence-transformers model: a name or a folder"
    )
    search_meaning: Literal["auto", "off"] = _setting(
        "auto", "search by meaning, too, where the model is installed; its process takes 0.9 GB"
    )
    embedding_batch_items: int = _setting(32, "texts in one pass through the model", 1, 10_000)
    chunk_events_max: int = _setting(5_000, "messages in one chunk, so in one transaction", 1, 1e6)
    fetch_wait_ms: int = _setting(
        500, "how long a broker may hold a fetch while there is nothing; `vane up` sets 20", 1, 6e4
    )
    event_bytes_max: int = _setting(1 << 20, "larger messages are dead letters", 256, 1 << 26)
    dead_letter_percent_max: int = _setting(
        50, "a flow stops when more of its last 10,000 messages are dead letters", 1, 100
    )
    dead_letters_max: int = _setting(
        1_000_000, "a flow stops when a partition has more dead letters", 1, 1e12
    )
    user_cache_users: int = _setting(50_000, "user states a worker keeps in memory", 0, 1e8)
    item_cache_items: int = _setting(200_000, "item vectors a worker keeps in memory", 1_000, 1e9)
    trends_flush_ms: int = _setting(1_000, "time between two flushes of the trends", 10, 3.6e6)
    log_retention_days: int = _setting(
        0,
        "days that rows of the interaction log stay, to the end of their month; 0: for ever",
        0,
        1e5,
    )
    learning_events_max: int = _setting(
        100_000, "newest events that flow learning and `vane tune` replay", 1_000, 1e8
    )
    learning_targets_per_s: int = _setting(
        10, "events a second that flow learning learns from at most; each takes 10 ms", 0, 1_000
    )
    learning_publish_ms: int = _setting(
        5_000, "time between two publications of learned weights", 100, 3.6e6
    )
    learning_fit_s: int = _setting(
        3_600, "time between two fits of the network; early on also as lists double", 10, 1e7
    )
    cache_ttl_ms: int = _setting(5_000, "an answer lives at most this long in the API", 0, 3.6e6)
    cache_entries: int = _setting(100_000, "answers an API process keeps in memory", 0, 1e8)
    served_log_percent: int = _setting(
        0, "of the lists that are made, those recorded as served in `recommendation-log`", 0, 100
    )
    grpc_port: int = _setting(0, "port of gRPC that `vane up` serves; 0: none", 0, 65_535)
    grpc_tls_cert: str = _setting(
        "", "file with the certificate chain (PEM) of `vane grpc`; empty: plain text"
    )
    grpc_tls_key: str = _setting("", "file with its private key (PEM)")
    streams_max: int = _setting(4_000, "streams that an API process serves; more get a 503", 0, 1e6)
    shutdown_grace_ms: int = _setting(
        2_000, "on SIGTERM `/readyz` says no this long before the API stops listening", 0, 6e5
    )
    topic_partitions: int = _setting(8, "partitions of the topics that `vane up` creates", 1, 1_000)
    metrics_port: int = _setting(
        0, "a flow's `/metrics`, the first of a port each with `--processes`; 0: none", 0, 65_500
    )
    metrics_host: str = _setting(
        "127.0.0.1", "address on which flows serve `/metrics`; 0.0.0.0: on all"
    )
    log_format: Literal["text", "json"] = _setting(
        "text", "lines of services on stderr: for people, or one JSON object each"
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "lines of services below are not written"
    )
    otlp_endpoint: str = _setting(
        "", "OTLP/HTTP receiver of traces, such as http://alloy:4318; empty: no traces"
    )
    trace_sample: float = _setting(
        0.01, "of the requests without a `traceparent`, the part that is traced", 0, 1
    )
    sentry_dsn: str = _setting(
        "", "where unexpected errors are reported, without ids: https://KEY@HOST/PROJECT"
    )
    monitor_interval_ms: int = _setting(
        5_000, "time between two looks of `vane monitor` at positions and servers", 100, 3.6e6
    )
    api_url: str = _setting("", "the API, for the canary of `vane monitor`; empty: no canary")
    api_key: str = _setting("", "key with which the canary calls it, with scopes read and ingest")
    canary_interval_ms: int = _setting(
        10_000, "time between two events of the canary of `vane monitor`; 0: none", 0, 3.6e6
    )
    canary_limit_ms: int = _setting(1_000, "a list that shows it later is late", 10, 10_000)
    drain: Literal["chunk", "end"] = _setting(
        "chunk", "on SIGTERM a flow finishes its chunk, or reads to the end of its log"
    )
    lock_timeout_ms: int = _setting(2_000, "wait for a lock before its holder is ended", 1, 6e5)
    statement_timeout_ms: int = _setting(30_000, "longest single SQL statement", 10, 3.6e6)


def variable(name: str) -> str:
    """The environment variable of a settings field."""
    return PREFIX + name.upper()


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read every setting from `environ`.

    Raises:
        SettingError: a value is not allowed; names key, value and what is allowed.
    """
    given = {}
    for spec in fields(Settings):
        raw = environ.get(variable(spec.name))
        if raw is not None:
            given[spec.name] = _parse(variable(spec.name), raw, spec.type, spec.metadata)
    return Settings(**given)


def with_access(settings: Settings, host: str) -> Settings:
    """The settings of an API that listens on `host`: who may call is decided."""
    if settings.access != "auto":
        return settings
    return replace(settings, access="open" if _loopback(host) else "keys")


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name: nobody knows where it will lead
        return False


def _parse(key: str, raw: str, kind: Any, metadata: Mapping[str, Any]) -> Any:
    if get_origin(kind) is Literal:
        if raw not in get_args(kind):
            raise SettingError(key, raw, " or ".join(get_args(kind)))
        return raw
    if kind not in {int, float}:
        return raw
    low, high = metadata["low"], metadata["high"]
    allowed = f"a {'whole ' if kind is int else ''}number from {low:.0f} to {high:.0f}"
    try:
        number = kind(raw)
    except ValueError:
        raise SettingError(key, raw, allowed) from None
    if not low <= number <= high:  # nor what is no number
        raise SettingError(key, raw, allowed)
    return number
