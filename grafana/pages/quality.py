"""What lists are made of, and what is learned."""

from grafana.panels import Dashboard, Panel, Query
from grafana.queries import largest, rate, share

QUALITY = Dashboard(
    "vane-quality",
    "Vane / Recommendation quality",
    "Whether lists are made from what they should be made from.",
    {
        "What lists show": [
            Panel("Reasons", "Share of the listed items by what they say of themselves.",
                  "percentunit", [share("vane_api_listed_items_total", "reason")]),
            Panel("Personal", "Share of the lists in which something that the user did counts.",
                  "percentunit", [share("vane_api_lists_total", "strategy")]),
            Panel("Coverage", "Share of the catalogue that lists have shown.", "percentunit",
                  [largest("vane_coverage_ratio", "window")]),
        ],
        "Learning": [
            Panel("Hits", "Where the list that was predicted just before had what users then chose:"
                  " among the first ten, lower, or nowhere.", "percentunit",
                  [share("vane_learning_targets_total", "place")]),
            Panel("Weights", "Distance of the serving weights from those of an hour and a day ago,"
                  " as a share of their length.", "short",
                  [largest("vane_model_shift", "part, window")]),
            Panel("Last step", "How far it has moved the weights of the linear ranker.", "short",
                  [Query("max(vane_learning_step_length)", "step")]),
            Panel("Age of the ranking", "Since each part was activated.", "s",
                  [largest("vane_model_age_seconds", "part")]),
            Panel("Learned events", "Log rows that flow learning has taken.", "cps",
                  [rate("vane_flow_messages_total", "flow", 'flow="learning"')]),
            Panel("Time of learning", "Seconds a second of each part.", "short",
                  [rate("vane_flow_transaction_seconds_sum", "part", 'flow="learning"')]),
        ],
        "Tastes and catalogue": [
            Panel("Movement of vectors", "1 - cosine of the mean of a sample now and a while ago.",
                  "short", [largest("vane_vector_shift", "vectors, window")]),
            Panel("Length of vectors", "Mean of a sample, decayed to each user's newest event.",
                  "short", [largest("vane_vector_length", "vectors")]),
            Panel("Drift of tastes", "Mean of 1 - cosine of short and long vectors, of a sample.",
                  "short", [Query("max(vane_taste_drift)", "drift")]),
            Panel("Items", "By state.", "short",
                  [largest("vane_items", "state")], width=12),
            Panel("Users", "With a state.", "short", [Query("max(vane_users)", "users")],
                  width=12),
        ],
        "Right": [
            Panel("Audited users", "Recomputed from the log and compared.", "short",
                  [Query("sum by (result) (increase(vane_audited_users_total[$__range]))",
                         "{{result}}")]),
            Panel("Last audit", "Seconds since it ended.", "s",
                  [Query("time() - max(vane_audit_last_timestamp_seconds)", "age")], limit=600),
            Panel("Canary", "Its events by result.", "cps",
                  [rate("vane_canary_runs_total", "result")]),
        ],
    },
)  # fmt: skip
