"""The writes of one cluster by object: what each object is at a time, as a fold over what was done to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.demo.journal import Write
from services.demo.workloads import PRIORITIES
from services.domain.change import patch
from services.domain.change.refs import API, Ref

Key = tuple[str, str, str]
"""Kind, namespace, name."""


@dataclass(frozen=True)
class Folded:
    """An object after the writes to it.

    ``made`` is the write that created it, None for one of the scenario. ``writes`` are those since then; ``specs``
    counts those that changed its spec.
    """

    body: Mapping[str, Any]
    made: Write | None
    writes: tuple[Write, ...]
    specs: int


class Ledger:
    """Writes to one cluster, oldest first."""

    def __init__(self, writes: Sequence[Write] = ()) -> None:
        self.writes = tuple(writes)
        self._by_key: dict[Key, list[Write]] = {}
        for write in self.writes:
            self._by_key.setdefault(key(write.ref), []).append(write)

    def touched(self, kind: str) -> Iterator[Key]:
        """Objects of a kind that were ever written to."""
        return (one for one in self._by_key if one[0] == kind)

    def to(self, one: Key, until: int) -> list[Write]:
        """Writes to an object up to a time, among them the deletion of its namespace."""
        own = [write for write in self._by_key.get(one, ()) if write.at <= until]
        if not one[1]:
            return own
        above = self._by_key.get(("Namespace", "", one[1]), ())
        ends = [write for write in above if write.verb == "delete" and write.at <= until]
        return sorted([*own, *ends], key=lambda write: (write.at, write.id)) if ends else own

    def folded(self, one: Key, base: Mapping[str, Any] | None, until: int) -> Folded | None:
        """The object at a time; ``base`` is what the scenario has, None when it has none. None: it does not exist.

        Pods of controllers are not folded away: the replay ends them, and others of the same name may follow.
        """
        body, made, since, specs = base, None, [], 0
        for write in self.to(one, until):
            if write.verb == "create":
                body, made, since, specs = write.body, write, [write], 0
            elif write.verb == "delete" and (one[0] != "Pod" or made is not None):
                body, made, since, specs = None, None, [], 0
            elif write.verb == "patch" and body is not None:
                body = patch.applied(body, write.body)
                specs += "spec" in write.body
                since.append(write)
        return None if body is None else Folded(body, made, tuple(since), specs)

    def priority(self, name: str, until: int) -> int | None:
        """The value of a priority class; None when there is none of that name."""
        if name in PRIORITIES:
            return PRIORITIES[name]
        folded = self.folded(("PriorityClass", "", name), None, until)
        return None if folded is None else int(folded.body.get("value", 0))

    def leaving(self, one: Key, uid: str, until: int) -> int:
        """When a pod was told to go; 0 when it was not."""
        marks = [write.at for write in self.to(one, until) if write.body.get("uid") == uid]
        return min(marks, default=0)

    def created(self, kind: str, until: int) -> list[tuple[Key, Folded]]:
        """Objects of a kind that people made and that are there."""
        found = []
        for one in self.touched(kind):
            folded = self.folded(one, None, until)
            if folded is not None:
                found.append((one, folded))
        return found


def key(ref: Ref) -> Key:
    """What tells objects of a cluster apart, whichever version of the API they are asked by."""
    return ref.kind, ref.namespace, ref.name


def ref(cluster: str, one: Key) -> Ref:
    """The reference to an object."""
    return Ref.of(cluster, one[0], one[2], one[1]) if one[0] in API else Ref(cluster, "", *one)
