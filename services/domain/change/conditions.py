"""Conditions on a live object: what a step waits for, as data that can be stored."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.domain.change.patch import at

Test = tuple[tuple[str, ...], str, Any]
"""A path, a word of :data:`WORDS`, and a value: (("status", "allocatable", "nvidia.com/gpu"), "is", "32").

Numbers and texts of numbers compare as numbers. ("rolled_out" and "gone" look at the whole object: their path is ().)
"""


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _same(found: Any, wanted: Any) -> bool:
    numbers = _number(found), _number(wanted)
    return numbers[0] == numbers[1] if None not in numbers else found == wanted


def _at_least(found: Any, wanted: Any) -> bool:
    number = _number(found)
    return number is not None and number >= float(wanted)


def _rolled_out(body: Any, _wanted: Any) -> bool:
    """Whether a Deployment or DaemonSet runs its newest template everywhere, as kubectl rollout status judges."""
    if not isinstance(body, Mapping):
        return False
    status, spec, meta = body.get("status") or {}, body.get("spec") or {}, body.get("metadata") or {}
    if (status.get("observedGeneration") or 0) < (meta.get("generation") or 0):
        return False
    if "desiredNumberScheduled" in status:
        wanted = status["desiredNumberScheduled"]
        return bool(
            (status.get("updatedNumberScheduled") or 0) >= wanted and (status.get("numberAvailable") or 0) >= wanted
        )
    wanted = 1 if spec.get("replicas") is None else spec["replicas"]
    updated, total = status.get("updatedReplicas") or 0, status.get("replicas") or 0
    return bool(updated >= wanted and total <= updated and (status.get("availableReplicas") or 0) >= updated)


WORDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "is": _same,
    "is not": lambda found, wanted: not _same(found, wanted),
    "at least": _at_least,
    "exists": lambda found, _: found is not None,
    "absent": lambda found, _: found is None,
    "rolled_out": _rolled_out,
    "gone": lambda found, _: not found,
}


def met(body: Any, tests: Sequence[Test]) -> bool:
    """Whether every test holds on the object; ``body`` is None or {} when the object does not exist."""
    return all(WORDS[word](at(body, tuple(path)), wanted) for path, word, wanted in tests)
