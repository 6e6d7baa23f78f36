"""Every error that Vane raises on purpose, named by what the one who meets it must do.

VaneError
├── UsageError              correct the command, setting or file; exit code 2
│   ├── SettingError        … this setting, to one of the allowed values
│   └── InputFileError      … this line of the file
├── InvalidEvent            dead-letter the message and go on
├── InvalidRequest          the HTTP client corrects the named field; 422
│   └── InvalidSettings     … each of the named settings
├── NeedsRebuild            the client asks for a rebuild instead; 409
├── VersionMismatch         the client reads again and decides anew; 412
├── Unauthenticated         the client says who it is, with a key or token that is valid now; 401
├── Forbidden               the client does without, or comes with a key or token that may; 403
├── TooMany                 the client waits as long as it says; 429
├── NotFound                404
├── Gone                    the HTTP client begins again; 410
├── Unavailable             try again later; 503
├── UnusableTuning          go on with the last good one
├── UnusableModel           refuse the learned model and go on with the default one
├── Fenced                  leave the partition to its new owner; exit code 75
├── Outdated                start again, to do what is asked by now; exit code 75
└── OperatorNeeded          stop until a person has decided; exit code 78
"""

from typing import ClassVar


class VaneError(Exception):
    """Base of all of Vane's own errors: one readable line, an exit code and an HTTP status."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500


class UsageError(VaneError):
    """What the caller passed is wrong: correct it and call again."""

    exit_code = 2
    http_status = 400


class SettingError(UsageError):
    """A setting has a value that is not allowed."""

    def __init__(self, key: str, value: str, allowed: str) -> None:
        super().__init__(f"setting {key}={value!r} is not allowed; allowed: {allowed}")
        self.key, self.value, self.allowed = key, value, allowed


class InputFileError(UsageError):
    """A line of an input file cannot be read."""

    def __init__(self, path: str, line: int, field: str, reason: str) -> None:
        super().__init__(f"{path}, line {line}: {field}: {reason}")
        self.path, self.line, self.field, self.reason = path, line, field, reason


class InvalidEvent(VaneError):  # noqa: N818 - named by what the caller must do, not "Error"
    """A message that can never be applied: dead-letter it with this field and reason."""

    http_status = 422

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


class InvalidRequest(VaneError):  # noqa: N818
    """A request that the client must correct; names the field and the reason."""

    http_status = 422

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


class InvalidSettings(InvalidRequest):
    """Settings that cannot be as they are wanted; names each with its value and what is allowed."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__(*errors[0])
        self.errors = errors


class NeedsRebuild(VaneError):  # noqa: N818
    """A setting that holds for stored states: it changes only together with all of them."""

    http_status = 409

    def __init__(self, field: str) -> None:
        option = "half_life_long" if field == "half_life_long_s" else "half_life_short"
        super().__init__(
            f"{field} changes only through a rebuild: POST /v1/admin/rebuild with "
            f'{{"{option}": "6h"}}, or vane rebuild --{option.replace("_", "-")} 6h'
        )
        self.field = field


class VersionMismatch(VaneError):  # noqa: N818
    """Somebody else has changed it since it was read: read again and decide anew."""

    http_status = 412


class Unauthenticated(VaneError):  # noqa: N818
    """The request needs a key or a token, and has none that is valid now."""

    http_status = 401


class Forbidden(VaneError):  # noqa: N818
    """The key or token is valid, and not for this."""

    http_status = 403


class TooMany(VaneError):  # noqa: N818
    """More calls than one caller may make: try again after `wait_s` seconds."""

    http_status = 429

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many calls; try again in {wait_s} s")
        self.wait_s = wait_s


class NotFound(VaneError):  # noqa: N818
    """What was asked for does not exist."""

    http_status = 404


class Gone(VaneError):  # noqa: N818
    """What was asked for is over: the client begins again."""

    http_status = 410


class Unavailable(VaneError):  # noqa: N818
    """A server that is needed does not answer: try again later."""

    http_status = 503


class UnusableTuning(VaneError):  # noqa: N818
    """The document in table `setting` is no tuning: go on with the last good one."""


class UnusableModel(VaneError):  # noqa: N818
    """A learned model is damaged or reads other features: refuse it, go on with the default."""


class Fenced(VaneError):  # noqa: N818
    """Another worker owns the partition, or the chunk was applied already: nothing was written.

    Attributes:
        stream: flow, log id and partition, where it is one.
    """

    exit_code = 75

    def __init__(self, message: str, stream: tuple[str, int, int] | None = None) -> None:
        super().__init__(message)
        self.stream = stream


class Outdated(VaneError):  # noqa: N818
    """What the process was started on has changed: start it again, nothing is lost or repeated."""

    exit_code = 75


class OperatorNeeded(VaneError):  # noqa: N818
    """Going on would lose or repeat data: a person must decide; the message names the command."""

    exit_code = 78
