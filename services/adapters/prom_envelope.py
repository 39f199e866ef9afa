"""The envelope of the Prometheus HTTP API: ``{"status", "data", "errorType", "error", "warnings", "infos"}``."""

import re
from dataclasses import dataclass

import msgspec

from services.errors import SourceUnavailable

MAX_NOTES = 5
MAX_NOTE_LENGTH = 200

_LABEL_SET = re.compile(r"\{[^{}]*\}")


class _Envelope(msgspec.Struct):
    status: str
    data: msgspec.Raw = msgspec.Raw()
    error_type: str = msgspec.field(default="", name="errorType")
    error: str = ""
    warnings: list[str] | None = None
    infos: list[str] | None = None


@dataclass(frozen=True)
class Answer:
    """A good answer: its ``data`` as JSON bytes, the server's remarks, and how many seconds it took."""

    data: msgspec.Raw
    notes: tuple[str, ...]
    seconds: float


_decode = msgspec.json.Decoder(_Envelope).decode


def opened(source: str, body: bytes, *, seconds: float) -> Answer:
    """The answer inside a body with status 200. Raises SourceUnavailable when it is none."""
    if body.lstrip()[:1] == b"<":
        raise SourceUnavailable(
            source,
            f"{source} answered with a web page instead of data.",
            hint="A login page, usually: set a credential, or the address of the API behind it.",
        )
    try:
        envelope = _decode(body)
    except msgspec.MsgspecError as error:
        raise unreadable(source) from error
    if envelope.status != "success" or not bytes(envelope.data):
        raise unreadable(source)
    return Answer(envelope.data, _notes((envelope.warnings or []) + (envelope.infos or [])), seconds)


def error_of(body: bytes) -> tuple[str, str]:
    """Error type and text of a refusal; two empty strings when it is not the API that refused."""
    try:
        envelope = _decode(body)
    except msgspec.MsgspecError:
        return "", ""
    return envelope.error_type, envelope.error


def unreadable(source: str) -> SourceUnavailable:
    """The answer is not what the API promises."""
    return SourceUnavailable(
        source, f"The answer of {source} cannot be read.", hint="Check that the address is a Prometheus API."
    )


def _notes(texts: list[str]) -> tuple[str, ...]:
    """The first remarks, shortened and without label sets, each once."""
    short = dict.fromkeys(_LABEL_SET.sub("{…}", text)[:MAX_NOTE_LENGTH] for text in texts)
    return tuple(short)[:MAX_NOTES]
