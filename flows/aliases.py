"""Users who were merged into others, as far as a worker has met them."""

from collections.abc import Iterable, Mapping


class UsersMerged(Exception):  # noqa: N818 - named by what happened
    """A user of the plan counts as another one by now: nothing was written, plan again."""


class UsersErased(UsersMerged):
    """Users were erased: nothing was written, plan again, without what they did before."""


class Aliases:
    """A bounded map from a merged user to the account.

    What is forgotten is met again: reading a merged user's state tells.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._account: dict[str, str] = {}

    def resolve(self, users: Iterable[str]) -> Iterable[str]:
        """Each user, or the account that the user counts as."""
        return map(self._resolved, users) if self._account else users

    def add(self, found: Mapping[str, str]) -> None:
        """Learn into whom users were merged, all those of one plan at once."""
        if len(self._account) + len(found) > self._capacity:
            self._account.clear()
        self._account.update(found)

    def clear(self) -> None:
        """Forget everything."""
        self._account.clear()

    def _resolved(self, user: str) -> str:
        """An account that is known here may itself have been merged since."""
        while (account := self._account.get(user)) is not None:
            user = account
        return user
