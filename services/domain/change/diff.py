"""A change as rows for people: which field of which object, before and after, secrets hidden."""

import json
from typing import Any

import pandas as pd

from services.domain.change import redact
from services.domain.change.plan import Plan
from services.domain.change.refs import Ref

LONGEST = 400
NOT_THERE = "not there"

CHANGES = {
    "object": "str",
    "field": "str",
    "change": "str",
    "before": "str",
    "after": "str",
    "cluster": "str",
}
"""One row per field; ``change`` is added, changed, removed, evicted or commented (turned into a comment)."""


def table(plan: Plan) -> pd.DataFrame:
    """The plan's field-level difference, frame :data:`CHANGES`, in the order of its steps."""
    rows = []
    for change in plan.changes:
        was, then = (said(change.ref, change.path, value) for value in (change.before, change.after))
        rows.append((str(change.ref), named(change.path), _word(change.before, change.after), was, then,
                     change.ref.cluster))  # fmt: skip
    return pd.DataFrame(rows, columns=list(CHANGES)).astype(CHANGES)


def named(path: tuple[str, ...]) -> str:
    """A path for people: spec.replicas, metadata.labels[nvidia.com/gpu.product]; "the object" for none."""
    text = ""
    for part in path:
        text += f"[{part}]" if "." in part or part.isdigit() else f".{part}" if text else part
    return text or "the object"


def said(ref: Ref, path: tuple[str, ...], value: Any) -> str:
    """A field's value as text, bounded, without its secrets."""
    if value is None:
        return NOT_THERE
    shown = redact.field(ref.kind, path, value)
    text = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _word(before: Any, after: Any) -> str:
    if after == "evicted":
        return "evicted"
    if before is None:
        return "commented" if after is None else "added"
    return "removed" if after is None else "changed"
