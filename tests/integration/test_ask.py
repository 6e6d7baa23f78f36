"""What the commands that ask do beside what the API does."""

import pytest

from schemas.responses import Profile
from vane.cli import ask
from vane.rebuild import change_half_lives
from vane.settings import Settings
from vane.store.connection import Connection
from vane.store.serving import ServingStore
from vane.store.tuning import read_tuning
from vane.tuning import DAY_S, HOUR_S


def test_a_profile_is_told_by_the_half_life_that_is_stored(
    settings: Settings, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_tuning(connection)  # stores the defaults
    change_half_lives(connection, 3 * DAY_S, HOUR_S)
    asked = list[float]()

    async def build(_store: ServingStore, user: str, half_life_s: float) -> Profile:
        asked.append(half_life_s)
        return Profile(
            user_id=user,
            version=0,
            as_of=None,
            events=0,
            categories={},
            tags={},
            recent_items=[],
            interests=[],
        )

    monkeypatch.setattr(ask, "command_settings", lambda *_, **__: settings)
    monkeypatch.setattr(ask, "build_profile", build)
    ask.profile("u")
    assert asked == [3 * DAY_S]
