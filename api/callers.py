"""Who makes a call: found by its API key or its user's token, and remembered for the next one."""

import asyncio
import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from starlette.types import Scope

from api.cache import user_subject
from api.rates import Rates
from vane.errors import Forbidden, SettingError, TooMany, Unauthenticated, Unavailable
from vane.settings import Settings
from vane.store.keys import LiveKey, live_keys
from vane.store.serving import ServingStore
from vane.tokens import Tokens

PACE_S = 2.0
"""Without a hint, keys are looked at this often."""
FIRST_WAIT_S = 5.0
"""Longest wait of a request for the first reading of the keys."""
REMEMBERED_MAX = 20_000
"""Tokens that need not be verified again."""
BEARER = b"bearer "
USER = user_subject("")
ALL_SCOPES = frozenset({"read", "ingest", "admin"})

_log = logging.getLogger(__name__)


class Caller(NamedTuple):
    """Who makes a call.

    Attributes:
        name: of the key or the user.
        scopes: of the key; a user's token has none.
        user_id: the subject of a user's token; None: may act for any user.
        until_s: end of the key or token, seconds since 1970.
    """

    name: str
    scopes: frozenset[str] = frozenset()
    user_id: str | None = None
    until_s: float = math.inf

    def require_scope(self, scope: str) -> None:
        """Pass on a key with the scope.

        Raises:
            Forbidden: it has others, or is a user's token.
        """
        if scope not in self.scopes:
            raise Forbidden(f"this call needs an API key with scope {scope}")

    def require_user(self, user_id: str) -> None:
        """Pass on who may act for the user.

        Raises:
            Forbidden: the token is another user's.
        """
        if self.user_id not in (None, user_id):
            raise Forbidden("the token is another user's")


EVERYONE = Caller("everyone", frozenset({"read", "ingest"}))
"""Where access is open."""


class Credentials(NamedTuple):
    """What came with a call, as it came: `X-API-Key`, else `Authorization`."""

    key: bytes | None
    authorization: bytes | None = None

    @classmethod
    def of(cls, scope: Scope) -> "Credentials":
        """Those in the headers of a request."""
        key = authorization = None
        for name, value in scope["headers"]:
            if name == b"x-api-key":
                key = value
            elif name == b"authorization":
                authorization = value
        return cls(key or None, authorization)


class Callers:
    """All callers of one process.

    Args:
        settings: the admin key, who issues tokens, and whether access is open.

    Attributes:
        open: whether reading and ingesting need nothing.
        tokens: verifies and signs.

    Raises:
        SettingError: the settings of tokens do not go together.
    """

    def __init__(self, settings: Settings) -> None:
        self.open = settings.access == "open"
        self.tokens = Tokens(settings, _content(settings.jwt_key_file))
        self._admin = _admin(settings.admin_key)
        self._keys: Mapping[bytes, Caller] = self._admin
        self._users = Rates(settings.user_calls_per_s_max)
        self._clients = Rates(settings.key_calls_per_s_max)
        self._used = set[bytes]()
        self._verified: dict[bytes, Caller] = {}
        self._loaded, self._tried, self._wanted = False, asyncio.Event(), asyncio.Event()

    def may_read(self, scope: Scope, subjects: Sequence[str]) -> bool:
        """Whether a call may have an answer that is ready; where not, the route says why.

        Args:
            scope: of the call.
            subjects: what the answer is about.
        """
        if self.open:
            return True
        try:
            caller = self.known(Credentials.of(scope))
        except Unauthenticated:
            return False
        if caller.user_id is None:
            allowed = "read" in caller.scopes
        else:
            own = user_subject(caller.user_id)
            allowed = not any(about != own and about.startswith(USER) for about in subjects)
        return allowed and not self._wait_s(caller)

    async def find(self, given: Credentials) -> Caller:
        """As `known`; while the keys have never been read, a key waits for that.

        Raises:
            Unauthenticated: nothing says who calls, or it is not valid now.
            Unavailable: the keys cannot be read.
        """
        with suppress(Unauthenticated):
            return self.known(given)
        if given.key is not None and not self._loaded:
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_WAIT_S):
                    await self._tried.wait()
            if not self._loaded:
                raise Unavailable("the API keys could not be read yet")
        return self.known(given)

    def known(self, given: Credentials) -> Caller:
        """Who makes a call, by all that is known now.

        Raises:
            Unauthenticated: nothing says who calls, or it is not valid now.
        """
        if given.key is not None:
            caller = self._by_key(given.key)
        elif given.authorization is not None:
            caller = self._by_token(given.authorization)
        else:
            raise Unauthenticated("this call needs an API key in X-API-Key, or a user's token")
        if caller.until_s <= time.time():
            raise Unauthenticated("the key or token has expired")
        return caller

    def count(self, caller: Caller) -> None:
        """Count a call.

        Raises:
            TooMany: there were too many before it.
        """
        wait_s = self._wait_s(caller)
        if wait_s:
            raise TooMany(wait_s)

    def require_consent(self, visitor: str, token: str) -> None:
        """Pass on what a visitor has agreed to by its token; where access is open, anything.

        Raises:
            Forbidden: the token is not the visitor's, or not valid now.
        """
        if self.open:
            return
        try:
            caller = self.known(Credentials(None, BEARER + token.encode()))
        except Unauthenticated as error:
            raise Forbidden(f"visitor_token: {error}") from None
        if caller.user_id != visitor:
            raise Forbidden("visitor_token: the token is another user's")

    def wake(self) -> None:
        """Keys may have changed: look soon."""
        self._wanted.set()

    async def follow(self, store: ServingStore) -> None:
        """Keep in step with the keys, for ever; what is known holds while PostgreSQL is away."""
        while True:
            self._wanted.clear()
            try:
                await self.refresh(store)
            except Unavailable as error:
                _log.info("the API keys are not followed: %s", error)
            self._tried.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(PACE_S):
                    await self._wanted.wait()

    async def refresh(self, store: ServingStore) -> None:
        """Learn which keys are accepted now.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        used, self._used = self._used, set()
        try:
            keys = await live_keys(store, used)
        except Unavailable:
            self._used |= used
            raise
        self._keys = {**_by_digest(keys), **self._admin}
        self._loaded = True

    def _wait_s(self, caller: Caller) -> int:
        rates = self._clients if caller.user_id is None else self._users
        return rates.wait_s(caller.name)

    def _by_key(self, key: bytes) -> Caller:
        # found by its digest: how long that takes tells nothing about any key
        digest = sha256(key).digest()
        caller = self._keys.get(digest)
        if caller is None:
            raise Unauthenticated("X-API-Key is not a key, or not any more")
        self._used.add(digest)
        return caller

    def _by_token(self, authorization: bytes) -> Caller:
        caller = self._verified.get(authorization)
        if caller is None:
            if authorization[: len(BEARER)].lower() != BEARER:
                raise Unauthenticated("Authorization is not Bearer with a token")
            token = authorization[len(BEARER) :].strip().decode("latin-1")
            user_id, until_s = self.tokens.verify(token)
            caller = Caller(user_id, user_id=user_id, until_s=until_s)
            if len(self._verified) >= REMEMBERED_MAX:
                self._verified.clear()
            self._verified[authorization] = caller
        return caller


def _admin(key: str) -> dict[bytes, Caller]:
    return {sha256(key.encode()).digest(): Caller("admin", ALL_SCOPES)} if key else {}


def _by_digest(keys: Iterable[LiveKey]) -> dict[bytes, Caller]:
    return {
        key.sha256: Caller(
            key.name,
            ALL_SCOPES if "admin" in key.scopes else frozenset(key.scopes),
            until_s=key.expires_at.timestamp() if key.expires_at else math.inf,
        )
        for key in keys
    }


def _content(file: str) -> str | None:
    try:
        return Path(file).read_text(encoding="utf-8") if file else None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            "VANE_JWT_KEY_FILE", file, f"a file that can be read ({error})"
        ) from None
