"""Who a token says its bearer is: JSON Web Tokens of the site, and Vane's own for its sessions.

Every verifier has one algorithm and keys of that kind alone: what the token names is never
believed, so neither `alg: none` nor a public key taken for a shared secret gets through (RFC 8725).
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import jwt
import msgspec

from vane.errors import SettingError, Unauthenticated
from vane.settings import Settings

LEEWAY_S = 10
"""Clocks differ."""
TOKEN_BYTES_MAX = 8_192
SECRET_BYTES_MIN = 32
"""As many as HS256 gives (RFC 7518, section 3.2)."""
SESSIONS = "vane"
"""Issuer, audience and key id of Vane's own tokens."""
REQUIRED = ("sub", "exp", "iss", "aud")

_PEM = "-----BEGIN"
_SCRYPT = {"n": 1 << 14, "r": 8, "p": 1}
"""Whoever has a session's token could else try admin keys on it, a hundred million a second."""


class Bearer(NamedTuple):
    """What a token proves.

    Attributes:
        user_id: its subject.
        until_s: its end, seconds since 1970.
    """

    user_id: str
    until_s: float


class Verifier:
    """Reads the tokens of one issuer."""

    def __init__(
        self, algorithm: str, keys: Mapping[str | None, Any], issuer: str, audience: str
    ) -> None:
        """Args: the one algorithm, keys by id (None: of no id), who issues, and for whom."""
        self._algorithm, self._keys = algorithm, keys
        self._issuer, self._audience = issuer, audience

    def verify(self, token: str, key_id: str | None) -> Bearer:
        """Who the bearer is.

        Raises:
            Unauthenticated: the token is not valid now; says why.
        """
        only = next(iter(self._keys.values())) if len(self._keys) == 1 else None
        key = self._keys.get(key_id, only)
        if key is None:
            raise Unauthenticated("the token is signed by a key that is not known")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[self._algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_S,
                options={"require": list(REQUIRED)},
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthenticated(f"the token is not valid: {error}") from None
        return Bearer(claims["sub"], float(claims["exp"]) + LEEWAY_S)


class Tokens:
    """All that a process needs for tokens: verifies the site's and Vane's own, signs these.

    Args:
        settings: who issues tokens, and how they are signed.
        key_file: content of the site's key file; None: it has none.

    Raises:
        SettingError: the settings of the site's tokens do not go together.
    """

    def __init__(self, settings: Settings, key_file: str | None = None) -> None:
        self._site = _site_verifier(settings, key_file)
        self._key = session_key(settings.admin_key, settings.access)
        self._own = Verifier("HS256", {SESSIONS: self._key}, SESSIONS, SESSIONS)
        self._session_s = settings.session_days * 86_400

    def verify(self, token: str) -> Bearer:
        """Who the bearer of a token is.

        Raises:
            Unauthenticated: the token is not valid now; says why.
        """
        if len(token) > TOKEN_BYTES_MAX:
            raise Unauthenticated("the token is too long")
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthenticated(f"the token cannot be read: {error}") from None
        verifier = self._own if key_id == SESSIONS else self._site
        if verifier is None:
            raise Unauthenticated("no tokens but those of POST /v1/sessions are accepted here")
        return verifier.verify(token, key_id)

    def session(self, user_id: str, now_s: float) -> str:
        """A token of Vane's own for a user, issued at `now_s`, seconds since 1970."""
        issued_s = int(now_s)
        claims = {
            "iss": SESSIONS,
            "aud": SESSIONS,
            "sub": user_id,
            "iat": issued_s,
            "exp": issued_s + self._session_s,
        }
        return jwt.encode(claims, self._key, "HS256", {"kid": SESSIONS})


@cache
def session_key(admin_key: str, access: str) -> bytes:
    """The key that signs sessions: derived from the admin key, or random where there is none.

    Another access mode has another key: where access is open whoever asks gets the token of any
    account, and these must be worth nothing once it is not.
    """
    if not admin_key:
        return secrets.token_bytes(SECRET_BYTES_MIN)
    salt = f"vane session {access}".encode()
    return hashlib.scrypt(admin_key.encode(), salt=salt, dklen=SECRET_BYTES_MIN, **_SCRYPT)


def _site_verifier(settings: Settings, key_file: str | None) -> Verifier | None:
    algorithm, secret = settings.jwt_algorithm, settings.jwt_secret
    if not secret and key_file is None:
        return None
    for name in ("jwt_issuer", "jwt_audience"):
        if not getattr(settings, name):
            raise SettingError(f"VANE_{name.upper()}", "", "what the tokens of your users say")
    if settings.jwt_issuer == SESSIONS:
        raise SettingError("VANE_JWT_ISSUER", SESSIONS, "any name but that of Vane's own sessions")
    keys = _keys(algorithm, secret, key_file)
    return Verifier(algorithm, keys, settings.jwt_issuer, settings.jwt_audience)


def _keys(algorithm: str, secret: str, key_file: str | None) -> Mapping[str | None, Any]:
    if algorithm == "HS256":
        if key_file is not None:
            raise SettingError("VANE_JWT_ALGORITHM", algorithm, "that of the VANE_JWT_KEY_FILE")
        if len(secret.encode()) < SECRET_BYTES_MIN:
            raise SettingError("VANE_JWT_SECRET", "***", f"at least {SECRET_BYTES_MIN} bytes")
        return {None: secret.encode()}
    if secret or key_file is None:
        raise SettingError("VANE_JWT_SECRET", "***", f"none; {algorithm} has a VANE_JWT_KEY_FILE")
    try:
        return _public_keys(algorithm, key_file)
    except (jwt.PyJWTError, msgspec.MsgspecError, ValueError, TypeError) as error:
        allowed = f"a public key (PEM) or a JWKS of {algorithm} ({error})"
        raise SettingError("VANE_JWT_KEY_FILE", "***", allowed) from None


class _KeySet(msgspec.Struct):
    keys: Sequence[dict[str, Any]]


def _public_keys(algorithm: str, content: str) -> Mapping[str | None, Any]:
    """Keys of the algorithm's kind by their ids; one of another kind is refused by its type."""
    kind = jwt.get_algorithm_by_name(algorithm)
    if _PEM in content:
        if "PRIVATE KEY" in content:
            raise ValueError("this is a private key, which Vane must not have")
        return {None: kind.prepare_key(content.encode())}
    entries = msgspec.json.decode(content, type=_KeySet).keys
    signing = [entry for entry in entries if entry.get("use", "sig") == "sig"]
    if not signing:
        raise ValueError("it has no signing key")
    return {entry.get("kid"): kind.from_jwk(entry) for entry in signing}
