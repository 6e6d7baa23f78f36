"""Settings that somebody broke by hand do not stop a flow."""

from psycopg.types.json import Jsonb

from flows.live_tuning import LiveTuning
from vane.store.connection import Connection
from vane.tuning import default_weights

OVERWRITE = "update setting set version = version + 1, value = %s"


def test_the_last_good_settings_go_on_until_there_are_better_ones(connection: Connection) -> None:
    live = LiveTuning(connection)
    connection.execute(OVERWRITE, [Jsonb({"action_weights": 1})])
    assert live.refresh(connection) is None
    assert live.current.action_weights == default_weights()
    connection.execute(OVERWRITE, [Jsonb({"action_weights": {"view": 2.0}})])
    before = live.refresh(connection)
    assert before is not None
    assert before.action_weights == default_weights()
    assert live.current.action_weights == {"view": 2.0}
