"""Words of PromQL: literals, matchers and selectors, escaped in one place."""

import re
from collections.abc import Iterable, Mapping, Sequence

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def quoted(text: str) -> str:
    """A PromQL string literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def literal_pattern(text: str) -> str:
    """An RE2 pattern that matches exactly the text. (``re.escape`` also escapes what RE2 refuses to see escaped.)"""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)


def matcher(label: str, values: Sequence[str]) -> str:
    """``label`` equals one of the values. Raises ValueError for what is no label name or for no value."""
    if not _LABEL_NAME.fullmatch(label):
        raise ValueError(f"{label!r} is not a label name")
    if not values:
        raise ValueError(f"no value for label {label!r}")
    if len(values) == 1:
        return f"{label}={quoted(values[0])}"
    return f"{label}=~{quoted('|'.join(literal_pattern(value) for value in values))}"


def matchers_of(pairs: Mapping[str, str]) -> tuple[str, ...]:
    """The matchers a source's settings add to every selector."""
    return tuple(matcher(label, (value,)) for label, value in pairs.items())


def selector(metric: str, matchers: Iterable[str] = ()) -> str:
    """A metric with matchers."""
    return f"{metric}{{{','.join(matchers)}}}"


def names_selector(names: Iterable[str], matchers: Iterable[str] = ()) -> str:
    """Several metrics at once, for look-ups of labels and counts; never inside a range selector."""
    pattern = "|".join(sorted(names))
    return "{" + ",".join((f"__name__=~{quoted(pattern)}", *matchers)) + "}"
