"""Why the API server would not do what was asked of one object: words for a person, errors of ``services.errors``.

The API's own words are kept where they explain something, without what they drag along: whole objects (which may hold
secrets), maps of labels, differences, regular expressions.
"""

import json
import re

import msgspec

from services.adapters.kube_wire import Answer
from services.adapters.kube_words import SOURCE, refusal, seconds, shortened, unreadable, unsure
from services.domain.change import redact
from services.domain.change.refs import Ref
from services.errors import Busy, Conflict, Forbidden, NotFound, OpsError, Rejected, SourceUnavailable

_CAUSES_TOLD = 3
_VALUE_AT_MOST = 63  # no label value is longer; longer ones are texts

_LEAD = re.compile(r'^\S+ "[^"]*" is (?:forbidden|invalid): |^ "" is invalid: ')
_VALUE = re.compile(r"(?:(?:Invalid|Duplicate|Unsupported) value|Not found): (?=\S)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)', re.DOTALL)
_DECODER = re.compile(r"json: cannot unmarshal (\w+) into Go struct field \w+\.(\S+) of type (\S+)")
_TEXT = re.compile(r"(?:^|\.)(?:data|stringData|binaryData|env|args|command)\b")  # fields that may hold secrets
_RIGHT = re.compile(
    r'User "(?P<user>[^"]+)" cannot (?P<verb>\S+) resource "(?P<plural>[^"]+)"'
    r'(?: in API group "(?P<group>[^"]*)")?(?: in the namespace "(?P<namespace>[^"]+)")?'
)


class _Cause(msgspec.Struct):
    reason: str = ""
    message: str = ""
    field: str = ""


class _Details(msgspec.Struct, rename="camel"):
    name: str = ""
    kind: str = ""
    causes: list[_Cause] | None = None
    retry_after_seconds: float = 0.0


class _Status(msgspec.Struct):
    """A meta/v1 Status of an answer that is no success."""

    message: str = ""
    reason: str = ""
    details: _Details | None = None


def denied(answer: Answer, ref: Ref, *, changes: bool, sent: object = None) -> OpsError:
    """The error an answer that is no success amounts to; ``changes``: of a request that was to change something.

    Secrets in what was ``sent`` are not repeated, whoever quotes them.
    """
    status = _without(_status(answer.body), redact.held(sent))
    if answer.status < 300:
        return unread(answer, changes=changes)
    if answer.status < 400:
        return refusal(answer.status, "", answer.address)
    return _client(answer, status, ref) if answer.status < 500 else _server(answer, status, ref, changes=changes)


def _without(status: _Status, secrets: frozenset[str]) -> _Status:
    if not secrets:
        return status
    status.message = redact.without(status.message, secrets)
    for cause in (status.details.causes or []) if status.details else []:
        cause.message, cause.field = (redact.without(each, secrets) for each in (cause.message, cause.field))
    return status


def unread(answer: Answer, *, changes: bool) -> SourceUnavailable:
    """The error for an answer of a success that cannot be read."""
    error = unreadable(answer.address, answer.content_type)
    return unsure(error) if changes else error


def _client(answer: Answer, status: _Status, ref: Ref) -> OpsError:
    match answer.status:
        case 401 | 410:
            return refusal(answer.status, status.message, answer.address)
        case 403:
            return _forbidden(answer, status, ref)
        case 404:
            return _missing(status, ref)
        case 409:
            return _conflict(status, ref)
        case 429:
            return _busy(answer, status, ref)
        case _:
            return Rejected(SOURCE, f"The API server rejected {ref}: {_causes(status)}.")


def _server(answer: Answer, status: _Status, ref: Ref, *, changes: bool) -> OpsError:
    if "more than one PodDisruptionBudget" in status.message:
        return Rejected(
            SOURCE,
            f"{ref} cannot be evicted: more than one PodDisruptionBudget protects it.",
            hint="Change the selectors so that only one of them matches the pod.",
        )
    if "failed calling webhook" in status.message:
        # Admission comes before storage: the one failure of a server that certainly leaves nothing behind.
        return SourceUnavailable(
            SOURCE,
            f"An admission webhook of the cluster did not answer, so {ref} was not changed: "
            f"{explained(status.message)}.",
            hint="Ask who runs the webhook, or try again later.",
        )
    error = SourceUnavailable(
        SOURCE, f"The API server at {answer.address} failed (HTTP {answer.status}): {explained(status.message)}."
    )
    return unsure(error) if changes else error


def _forbidden(answer: Answer, status: _Status, ref: Ref) -> OpsError:
    right = _RIGHT.search(status.message)
    if right is None:
        if not status.message:
            return refusal(403, "", answer.address)
        return Rejected(SOURCE, f"The cluster does not admit {ref}: {explained(status.message)}.")
    user, verb, plural = right["user"], right["verb"], right["plural"]
    if verb.startswith("impersonate"):
        return Forbidden(
            SOURCE,
            f"{user} may not act for other people in this cluster (403).",
            hint='Bind a role that allows the verb "impersonate" on users and groups; docs/connect.md has it.',
        )
    where = f"in namespace {right['namespace']}" if right["namespace"] else "in the whole cluster"
    rule = f'{{apiGroups: ["{right["group"] or ""}"], resources: ["{plural}"], verbs: ["{verb}"]}}'
    return Forbidden(SOURCE, f"{user} may not {verb} {plural} {where} (403).", hint=f"A role with this rule: {rule}")


def _missing(status: _Status, ref: Ref) -> NotFound:
    details = status.details
    if details is None or not details.kind:
        return NotFound(f"The cluster has no API for {ref.plural} ({ref.api}).")
    if details.kind == "namespaces" and ref.kind != "Namespace":
        return NotFound(f"Namespace {details.name} does not exist.")
    return NotFound(f"{ref} does not exist.")


def _conflict(status: _Status, ref: Ref) -> Conflict:
    if status.reason == "AlreadyExists":
        return Conflict(f"{ref} exists already.")
    return Conflict(f"{ref} changed since it was read.", hint="Look at it again before you repeat the change.")


def _busy(answer: Answer, status: _Status, ref: Ref) -> Busy:
    causes = status.details.causes or [] if status.details else []
    budget = next((cause.message for cause in causes if cause.reason == "DisruptionBudget"), "")
    wait = max(seconds(answer.retry_after), status.details.retry_after_seconds if status.details else 0.0)
    if budget or "disruption budget" in status.message:
        words = explained(budget or status.message)
        return Busy(f"{ref} cannot be evicted now: {words}.", retry_after_s=wait, hint="It is tried again.")
    return Busy(
        f"The API server at {answer.address} is busy (429): {ref} was not changed.",
        retry_after_s=wait,
        hint="Kubernetes throttles this client; try again more slowly.",
    )


def _causes(status: _Status) -> str:
    """What is wrong, field by field."""
    causes = status.details.causes or [] if status.details else []
    told = [explained(cause.message, cause.field) for cause in causes]
    distinct = list(dict.fromkeys(word for word in told if word)) or [explained(status.message)]
    more = len(distinct) - _CAUSES_TOLD
    return "; ".join(distinct[:_CAUSES_TOLD]) + (f"; and {more} more" if more > 0 else "")


def explained(message: str, field: str = "") -> str:
    """A message of the API without what a person does not need and must not see, after the field it speaks of."""
    words = _LEAD.sub("", message.partition("\n@@")[0], count=1)
    words = (
        _without_values(words, scalars=not _TEXT.search(field))
        .partition(" (e.g. ")[0]
        .rpartition("strict decoding error: ")[2]
    )
    if not field:  # others' own words: a webhook may quote what it refuses
        words = redact.text(_QUOTED.sub(_without_text, words))
    wrong_type = _DECODER.search(words)
    if wrong_type:
        words, field = f"expected {wrong_type[3]}, not {wrong_type[1]}", wrong_type[2]
    words = shortened(words).rstrip(" .") or "it gave no reason"
    return f"{field}: {words}" if field and field != "patch" else words


def _without_text(quoted: re.Match[str]) -> str:
    """What stands in quotes, without a text of several lines."""
    several = "\n" in quoted[0] or "\\n" in quoted[0]
    return f'"{redact.HIDDEN}"' if several else quoted[0]


def _without_values(words: str, *, scalars: bool) -> str:
    """``words`` without values: objects, lists, texts, and short scalars unless ``scalars``.

    Whatever follows a value that does not end is left out as well: it may be part of it.
    """
    kept, at = "", 0
    for found in _VALUE.finditer(words):
        if found.start() < at:
            continue  # inside a value left out
        try:
            value, end = json.JSONDecoder().raw_decode(words, found.end())
        except ValueError:
            return kept + words[at : found.start()] + "the value does not fit"
        short = scalars and not isinstance(value, dict | list) and len(str(value)) <= _VALUE_AT_MOST
        kept += words[at : end if short else found.start()]
        at = end if short else end + len(re.match(r":?\s*", words[end:])[0])  # type: ignore[index]  # matches ""
    return kept + words[at:]


def _status(body: bytes) -> _Status:
    try:
        return msgspec.json.decode(body, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Status()
