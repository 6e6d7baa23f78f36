"""Every metric that a process of Vane exposes: one list, for code, documentation and dashboards.

Names follow Prometheus' conventions: base units, `_total` for what only grows. A label has a fixed
set of values or one that grows with the installation (partitions, routes), never with its users or
items: no id is ever a label.
"""

import re
from itertools import chain

from msgspec import structs

from schemas.events import AdminCommand, InteractionEvent, ProductUpdate
from vane import api_metrics, installation_metrics, server_metrics
from vane.meter import (
    LONG_S,
    OTHER,
    SHORT_S,
    SIZES,
    Counter,
    Gauge,
    Histogram,
    Label,
    Meter,
    Metric,
    Process,
)

FLOWS: tuple[Process, ...] = ("interactions", "catalog", "trends", "learning", "commands")
KAFKA_FLOWS: tuple[Process, ...] = ("interactions", "catalog", "commands")
PROCESSES: tuple[Process, ...] = ("api", *FLOWS, "monitor")

PARTS: dict[str, tuple[str, ...]] = {
    "interactions": ("wait", "plan", "turn", "positions", "states", "log", "commit"),
    "catalog": ("wait", "plan", "embed", "positions", "items", "commit"),
    "trends": ("read", "write"),
    "learning": ("read", "learn"),
    "commands": ("plan", "commit"),
}
"""What each flow's time for a transaction is split into, in this order."""

_MESSAGE_FIELDS = {
    field.name
    for message in (InteractionEvent, ProductUpdate, AdminCommand)
    for field in structs.fields(message)
}
DEAD_LETTER_FIELDS = ("$", *sorted(_MESSAGE_FIELDS), OTHER)


def dead_letter_field(path: str) -> str:
    """The label for the place of an error in a message, such as `data.tags[...]`: `tags`."""
    name = path.removeprefix("data.").replace("[", ".").partition(".")[0]
    return name if name in DEAD_LETTER_FIELDS else OTHER


DEAD_LETTER_REASONS = ("missing", "type", "unknown", "unreadable", "size", "value")
_REASONS_BY_START = {
    "missing": "missing",
    "unknown": "unknown",
    "not JSON": "unreadable",
    "not UTF-8": "unreadable",
    "nested": "unreadable",
    "empty message": "unreadable",
    "larger": "size",
    "message of": "size",
}
_TYPE = re.compile(r"Expected `[^`]+`, got")


def dead_letter_reason(reason: str) -> str:
    """The label for a reason in words, which may quote what a client sent."""
    if _TYPE.match(reason):
        return "type"
    starts = _REASONS_BY_START.items()
    return next((name for start, name in starts if reason.startswith(start)), "value")


FLOW = Label("flow", "of the process", FLOWS)
PARTITION = Label("partition", "of the topic whose messages these are, or whose log rows")

FRESHNESS = Histogram(
    name="vane_freshness_seconds",
    unit="seconds",
    meaning="From an event's own time until it is committed; until the hint about it is pushed;"
    " until an answer that shows it is served. The last one counts users who look within"
    " `VANE_CACHE_TTL_MS` of the hint. Events that come late, as from old logs, count as they are.",
    processes=("interactions", "api"),
    labels=(Label("stage", "how far it has come", ("committed", "pushed", "served")),),
    buckets=LONG_S,
)
FLOW_LAG_EVENTS = Gauge(
    name="vane_flow_lag_events",
    unit="offsets",
    meaning="Offsets between what is committed and the end of the log as far as it is known.",
    processes=FLOWS,
    labels=(FLOW, PARTITION),
)
FLOW_LAG_SECONDS = Gauge(
    name="vane_flow_lag_seconds",
    unit="seconds",
    meaning="For how long the oldest message that is not committed may have been waiting: since"
    " the broker took the newest committed one, or since the flow had caught up; trends and"
    " learning: since they saw it in the log. 0: caught up.",
    processes=FLOWS,
    labels=(FLOW, PARTITION),
)
FLOW_EPOCH = Gauge(
    name="vane_flow_epoch",
    unit="count",
    meaning="How often a worker has taken the partition. A fenced worker ends at once and exposes"
    " nothing: `vane_log_fenced_total` counts it.",
    processes=KAFKA_FLOWS,
    labels=(FLOW, PARTITION),
)
_OUTCOME = Label("outcome", "what became", ("applied", "duplicate", "dead_letter", "erased"))
FLOW_MESSAGES = Counter(
    name="vane_flow_messages_total",
    unit="messages",
    meaning="Committed messages (trends and learning: log rows), by what became of them.",
    processes=FLOWS,
    labels=(FLOW, _OUTCOME),
)
FLOW_DEAD_LETTERS = Counter(
    name="vane_flow_dead_letters_total",
    unit="messages",
    meaning="Dead letters by the field that is wrong, `$` for the message as a whole, and what is"
    " wrong with it: it is `missing`, of another `type`, names what is `unknown`, cannot be read,"
    " is too large, or has a `value` that is not allowed.",
    processes=KAFKA_FLOWS,
    labels=(
        FLOW,
        Label("field", "top-level field of the message", DEAD_LETTER_FIELDS),
        Label("reason", "what is wrong", DEAD_LETTER_REASONS),
    ),
)
FLOW_TRANSACTION_MESSAGES = Histogram(
    name="vane_flow_transaction_messages",
    unit="messages",
    meaning="Messages (trends and learning: log rows) in one transaction: one group of chunks.",
    processes=FLOWS,
    labels=(FLOW,),
    buckets=SIZES,
)
FLOW_TRANSACTION_SECONDS = Histogram(
    name="vane_flow_transaction_seconds",
    unit="seconds",
    meaning="Time of each part of a transaction. interactions: `wait` in the group that forms,"
    " `plan`, `turn` behind the transaction before, `positions`, `states`, `log`, `commit`."
    " catalog: `wait` for texts that were embedded ahead.",
    processes=FLOWS,
    labels=(FLOW, Label("part", "of the way", tuple(dict.fromkeys(chain(*PARTS.values()))))),
    buckets=SHORT_S,
)
FLOW_HINTS = Counter(
    name="vane_flow_hints_total",
    unit="count",
    meaning="Hints to Redis: sent, or lost because Redis did not take them.",
    processes=(*KAFKA_FLOWS, "trends"),
    labels=(FLOW, Label("result", "whether Redis took it", ("sent", "lost"))),
)
CLAMPED_EVENTS = Counter(
    name="vane_interactions_clamped_events_total",
    unit="events",
    meaning="Applied events whose time was too far ahead, and was cut.",
    processes=("interactions",),
)
REFUSED_STATES = Counter(
    name="vane_interactions_refused_states_total",
    unit="count",
    meaning="User states that another writer had changed meanwhile, and that were computed again.",
    processes=("interactions",),
)
RETRIES = Counter(
    name="vane_interactions_retries_total",
    unit="count",
    meaning="Transactions begun again: PostgreSQL was away, or users had been merged.",
    processes=("interactions",),
    labels=(Label("reason", "why", ("unavailable", "merged")),),
)
CACHE_LOOKUPS = Counter(
    name="vane_interactions_cache_lookups_total",
    unit="count",
    meaning="Look-ups of users' states and of items' vectors in the worker's memory.",
    processes=("interactions",),
    labels=(
        Label("cache", "which", ("user_states", "item_vectors")),
        Label("result", "whether it was there", ("hit", "miss")),
    ),
)
PENDING_EVENTS = Counter(
    name="vane_interactions_pending_events_total",
    unit="events",
    meaning="Events that began to wait for their item, and events whose item has come.",
    processes=("interactions",),
    labels=(Label("change", "which", ("began", "ended")),),
)
EMBEDDED_TEXTS = Counter(
    name="vane_catalog_embedded_texts_total",
    unit="count",
    meaning="Texts of items that were embedded.",
    processes=("catalog",),
)
LEARNING_STEP = Gauge(
    name="vane_learning_step_length",
    unit="count",
    meaning="How far the last step has moved the weights of the linear ranker.",
    processes=("learning",),
)
LEARNING_TARGETS = Counter(
    name="vane_learning_targets_total",
    unit="count",
    meaning="What users chose, by its place in the list that was predicted just before, which was"
    " learned from after: `top` 10, `lower`, or `missed` by every source.",
    processes=("learning",),
    labels=(Label("place", "in the list", ("top", "lower", "missed")),),
)

METRICS = tuple(
    metric
    for module in (globals(), *map(vars, (api_metrics, installation_metrics, server_metrics)))
    for metric in list(module.values())
    if isinstance(metric, Metric)
)
"""All that Vane defines, in the order of the files."""

STANDARD = (
    Counter(
        name="process_cpu_seconds_total",
        unit="seconds",
        meaning="CPU time of the process.",
        processes=PROCESSES,
    ),
    Gauge(
        name="process_resident_memory_bytes",
        unit="bytes",
        meaning="Memory of the process that is in RAM.",
        processes=PROCESSES,
    ),
    Gauge(
        name="process_virtual_memory_bytes",
        unit="bytes",
        meaning="Address space of the process.",
        processes=PROCESSES,
    ),
    Gauge(
        name="process_start_time_seconds",
        unit="seconds",
        meaning="When the process began, in seconds since 1970.",
        processes=PROCESSES,
    ),
    Gauge(
        name="process_open_fds",
        unit="count",
        meaning="Open file descriptors.",
        processes=PROCESSES,
    ),
    Gauge(
        name="process_max_fds",
        unit="count",
        meaning="Limit of open file descriptors.",
        processes=PROCESSES,
    ),
)
"""What prometheus_client tells of every process, where there is a /proc."""


def meter_of(process: str) -> Meter:
    """A meter for all that a process exposes."""
    return Meter(metric for metric in METRICS if process in metric.processes)
