"""What people did to the demo estate: where it is kept and how the world reads it.

An entry is ``{"schema": 1, "kind": "write", "verb": …, "ref": Ref.key, "body": …}``. Verbs: "create" (body: the whole
object), "patch" (a merge patch), "delete" ({}), "evict" and "delete" of a pod ({"uid": …, "pool": …}).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any, Protocol

from services.domain.change.refs import Ref
from services.ports import JournalEntry

SCHEMA = 1


class Journal(Protocol):
    """Entries in order of their ids."""

    def entries(self) -> Sequence[JournalEntry]:
        """All of them, oldest first."""
        ...

    def append(self, cluster: str, entry: Mapping[str, Any], *, at: datetime, actor: str) -> int:
        """Add an entry; its id."""
        ...


class Memory:
    """A journal that lives as long as the process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: list[JournalEntry] = []

    def entries(self) -> Sequence[JournalEntry]:
        """All entries, oldest first."""
        with self._lock:
            return tuple(self._entries)

    def append(self, cluster: str, entry: Mapping[str, Any], *, at: datetime, actor: str) -> int:
        """Add an entry; its id."""
        with self._lock:
            number = len(self._entries) + 1
            self._entries.append(JournalEntry(number, at, cluster, actor, entry))
            return number


@dataclass(frozen=True)
class Write:
    """One write to one object; ``at`` in whole seconds since the epoch."""

    id: int
    at: int
    actor: str
    verb: str
    ref: Ref
    body: Mapping[str, Any]


def entry(verb: str, ref: Ref, body: Mapping[str, Any]) -> dict[str, Any]:
    """A write as the journal keeps it."""
    return {"schema": SCHEMA, "kind": "write", "verb": verb, "ref": ref.key, "body": dict(body)}


def writes(entries: Sequence[JournalEntry], cluster: str) -> tuple[Write, ...]:
    """The writes to one cluster, oldest first; entries of another kind or schema are left out."""
    found = [
        Write(
            one.id,
            int(one.at.timestamp()),
            one.actor,
            one.entry["verb"],
            Ref.from_key(one.entry["ref"]),
            one.entry["body"],
        )
        for one in entries
        if one.cluster == cluster and one.entry.get("kind") == "write" and one.entry.get("schema") == SCHEMA
    ]
    return tuple(sorted(found, key=lambda write: (write.at, write.id)))
