import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from vane.errors import SettingError, Unauthenticated
from vane.settings import Settings, with_access
from vane.tokens import LEEWAY_S, TOKEN_BYTES_MAX, Tokens

SECRET = "a secret of more than thirty-two bytes"
SITE = Settings(
    admin_key="an admin key",
    access="keys",
    jwt_secret=SECRET,
    jwt_issuer="https://shop.example",
    jwt_audience="vane",
)
NOW = int(time.time())
CLAIMS: dict[str, Any] = {
    "iss": "https://shop.example",
    "aud": "vane",
    "sub": "ada",
    "exp": NOW + 86_400,
}
MAKERS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65_537, 2_048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def signed(key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A token with other claims; None leaves one out."""
    changed = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode(changed, key, algorithm)


def unsigned(algorithm: str) -> str:
    parts = ({"alg": algorithm, "typ": "JWT"}, CLAIMS)
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return b".".join([*encoded, b""]).decode()


def public_pem(private: Any) -> str:
    raw: bytes = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return raw.decode()


def jwk(private: Any, algorithm: str, key_id: str) -> dict[str, Any]:
    found = jwt.get_algorithm_by_name(algorithm).to_jwk(private.public_key(), as_dict=True)
    return {**found, "kid": key_id, "use": "sig"}


FOREIGN_SET = json.dumps({"keys": [jwk(MAKERS["RS256"](), "RS256", "a")]})


def by_file(algorithm: Any) -> Settings:
    return replace(SITE, jwt_algorithm=algorithm, jwt_secret="", jwt_key_file="keys")


def test_a_token_names_its_user_and_its_end() -> None:
    assert Tokens(SITE).verify(signed()) == ("ada", CLAIMS["exp"] + LEEWAY_S)
    assert Tokens(SITE).verify(signed(exp=int(time.time()) - LEEWAY_S // 2)).user_id == "ada"
    assert Tokens(SITE).verify(signed(aud=["shop", "vane"])).user_id == "ada"


@pytest.mark.parametrize(
    "token",
    [
        signed(exp=NOW - LEEWAY_S - 2),
        signed(nbf=NOW + 3_600),
        signed(iss="https://other.example"),
        signed(iss=None),
        signed(aud="shop"),
        signed(aud=None),
        signed(sub=None),
        signed(sub=7),
        signed(exp=None),
        signed(exp="soon"),
        signed("another secret of more than 32 bytes"),
        signed(SECRET * 2, "HS512"),
        signed(SECRET * 2, "HS384"),
        signed()[:-2],
        signed() + "x" * TOKEN_BYTES_MAX,
        unsigned("none"),
        unsigned("None"),
        unsigned("HS256"),
        unsigned("RS256"),
        "",
        "a.b.c",
        "é",
        "\udc00",
        base64.urlsafe_b64encode(b"[" * 5_000).decode() + ".e30.",
        base64.urlsafe_b64encode(b"[]").decode() + ".e30.",
    ],
)
def test_a_token_that_is_not_valid_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        Tokens(SITE).verify(token)


@pytest.mark.parametrize("algorithm", MAKERS)
def test_a_public_key_is_for_its_algorithm_alone(algorithm: str) -> None:
    private, other = MAKERS[algorithm](), MAKERS[algorithm]()
    pem = public_pem(private)
    tokens = Tokens(by_file(algorithm), pem)
    assert tokens.verify(signed(private, algorithm)).user_id == "ada"
    header = json.dumps({"alg": "HS256", "typ": "JWT"}).encode()
    forged = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    body = b".".join(base64.urlsafe_b64encode(p).rstrip(b"=") for p in (header, b"{}"))
    confused = body + b"." + base64.urlsafe_b64encode(forged.sign(body, pem.encode())).rstrip(b"=")
    wrong = [signed(other, algorithm), signed(), unsigned("none"), confused.decode()]
    wrong += [signed(make(), name) for name, make in MAKERS.items() if name != algorithm]
    for token in wrong:
        with pytest.raises(Unauthenticated):
            tokens.verify(token)


@pytest.mark.parametrize("algorithm", MAKERS)
def test_keys_of_a_set_are_found_by_their_ids(algorithm: str) -> None:
    old, new = MAKERS[algorithm](), MAKERS[algorithm]()
    keys = {"keys": [jwk(old, algorithm, "old"), jwk(new, algorithm, "new")]}
    tokens = Tokens(by_file(algorithm), json.dumps(keys))

    def named(private: Any, key_id: str | None) -> str:
        return jwt.encode(CLAIMS, private, algorithm, {"kid": key_id} if key_id else None)

    assert tokens.verify(named(old, "old")).user_id == tokens.verify(named(new, "new")).user_id
    for token in (named(old, "new"), named(old, "third"), named(old, None)):
        with pytest.raises(Unauthenticated):
            tokens.verify(token)
    only = Tokens(by_file(algorithm), json.dumps({"keys": keys["keys"][:1]}))
    assert only.verify(named(old, None)).user_id == "ada"


def private_pem() -> str:
    key = MAKERS["ES256"]()
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


@pytest.mark.parametrize(
    ("settings", "key_file", "named"),
    [
        (replace(SITE, jwt_secret="short"), None, "VANE_JWT_SECRET"),
        (replace(SITE, jwt_issuer=""), None, "VANE_JWT_ISSUER"),
        (replace(SITE, jwt_issuer="vane"), None, "VANE_JWT_ISSUER"),
        (replace(SITE, jwt_audience=""), None, "VANE_JWT_AUDIENCE"),
        (SITE, public_pem(MAKERS["ES256"]()), "VANE_JWT_ALGORITHM"),
        (replace(by_file("ES256"), jwt_secret=SECRET), None, "VANE_JWT_SECRET"),
        (by_file("ES256"), private_pem(), "VANE_JWT_KEY_FILE"),
        (by_file("ES256"), public_pem(MAKERS["RS256"]()), "VANE_JWT_KEY_FILE"),
        (by_file("RS256"), public_pem(MAKERS["EdDSA"]()), "VANE_JWT_KEY_FILE"),
        (by_file("EdDSA"), public_pem(MAKERS["ES256"]()), "VANE_JWT_KEY_FILE"),
        (by_file("RS256"), '{"keys": []}', "VANE_JWT_KEY_FILE"),
        (by_file("RS256"), '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "VANE_JWT_KEY_FILE"),
        (by_file("ES256"), FOREIGN_SET, "VANE_JWT_KEY_FILE"),
        (by_file("RS256"), "ssh-rsa", "VANE_JWT_KEY_FILE"),
    ],
)
def test_settings_that_do_not_go_together_name_one(
    settings: Settings, key_file: str | None, named: str
) -> None:
    with pytest.raises(SettingError, match=named) as raised:
        Tokens(settings, key_file)
    assert SECRET not in str(raised.value)


def test_a_session_is_vanes_own_token() -> None:
    tokens = Tokens(replace(SITE, session_days=2))
    token = tokens.session("ada", NOW)
    assert tokens.verify(token) == ("ada", NOW + 2 * 86_400 + LEEWAY_S)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("vane", "vane", "ada")
    for other in (
        replace(SITE, admin_key="another key"),
        replace(SITE, access="open"),  # there, whoever asks gets a token of any account
        replace(SITE, admin_key=""),
    ):
        with pytest.raises(Unauthenticated):
            Tokens(other).verify(token)
    with pytest.raises(Unauthenticated):
        tokens.verify(tokens.session("ada", NOW - 3 * 86_400))
    stolen = jwt.encode({**claims, "sub": "bob"}, SECRET, "HS256", {"kid": "vane"})
    with pytest.raises(Unauthenticated):
        tokens.verify(stolen)


def test_without_settings_only_sessions_are_tokens() -> None:
    tokens = Tokens(Settings(admin_key="an admin key"))
    assert tokens.verify(tokens.session("ada", NOW)).user_id == "ada"
    with pytest.raises(Unauthenticated, match="POST /v1/sessions"):
        tokens.verify(signed())


@pytest.mark.parametrize(
    ("host", "access"),
    [
        ("127.0.0.1", "open"),
        ("127.9.9.9", "open"),
        ("::1", "open"),
        ("localhost", "open"),
        ("0.0.0.0", "keys"),
        ("::", "keys"),
        ("10.0.0.7", "keys"),
        ("localhost.example.com", "keys"),
        ("", "keys"),
    ],
)
def test_only_a_loopback_address_is_open_by_itself(host: str, access: str) -> None:
    assert with_access(Settings(), host).access == access
    assert with_access(Settings(access="open"), host).access == "open"
    assert with_access(Settings(access="keys"), host).access == "keys"
