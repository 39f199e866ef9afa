"""A cluster of plain dictionaries that writes as an API server does: for tests of what stands above the adapters."""

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.access import User
from services.domain.change import patch
from services.domain.change.refs import Live, Ref
from services.errors import Busy, Conflict, Forbidden, NotFound
from services.ports import ClusterSource, Snapshot, StoreState


class MemoryCluster:
    """Objects by reference. ``before`` is called with the verb and the reference ahead of every call that asks.

    ``changed`` counts real writes by (verb, reference); ``protected`` pods answer evictions with Busy; ``forbidden``
    holds verbs nobody may use; ``people`` are those somebody wrote for.
    """

    def __init__(self) -> None:
        self.objects: dict[Ref, dict[str, Any]] = {}
        self.changed: list[tuple[str, Ref]] = []
        self.protected: set[str] = set()
        self.forbidden: set[str] = set()
        self.people: list[str] = []
        self.before: Callable[[str, Ref], None] = lambda _verb, _ref: None
        self.after: Callable[[str, Ref], None] = lambda _verb, _ref: None
        self._counter = itertools.count(1)

    def put(self, ref: Ref, body: Mapping[str, Any]) -> Live:
        """Have the object there, as if somebody else had written it."""
        known = self.objects.get(ref)
        meta = {"name": ref.name, "uid": known["metadata"]["uid"] if known else f"uid-{next(self._counter)}"}
        meta["resourceVersion"] = str(next(self._counter))
        whole = {"apiVersion": ref.api, "kind": ref.kind, **copy.deepcopy(dict(body))}
        whole["metadata"] = {**whole.get("metadata", {}), **meta}
        self.objects[ref] = whole
        return Live(ref, copy.deepcopy(whole))

    def set(self, ref: Ref, fields: Mapping[str, Any]) -> None:
        """Change fields behind everybody's back."""
        self.put(ref, patch.applied(self.objects[ref], fields))

    def read(self, ref: Ref) -> Live:
        self.before("get", ref)
        if ref not in self.objects:
            raise NotFound(f"{ref} does not exist.")
        return Live(ref, copy.deepcopy(self.objects[ref]))

    def create(self, ref: Ref, body: Mapping[str, Any], *, dry_run: bool = False) -> Live:
        self._asked("create", ref)
        if ref in self.objects:
            raise Conflict(f"{ref} exists already.")
        if dry_run:
            return Live(ref, copy.deepcopy(dict(body)))
        made = self.put(ref, body)
        self._done("create", ref)
        return made

    def patch(self, ref: Ref, body: Mapping[str, Any], *, expected: str, dry_run: bool = False) -> Live:
        self._asked("patch", ref)
        if ref not in self.objects:
            raise NotFound(f"{ref} does not exist.")
        if expected != self.objects[ref]["metadata"]["resourceVersion"]:
            raise Conflict(f"{ref} has been modified.")
        if dry_run:
            return Live(ref, patch.applied(self.objects[ref], body))
        made = self.put(ref, patch.applied(self.objects[ref], body))
        self._done("patch", ref)
        return made

    def delete(self, ref: Ref, *, expected: str, uid: str = "", dry_run: bool = False) -> None:
        self._asked("delete", ref)
        if ref not in self.objects:
            raise NotFound(f"{ref} does not exist.")
        if (expected, uid or self.objects[ref]["metadata"]["uid"]) != (
            self.objects[ref]["metadata"]["resourceVersion"],
            self.objects[ref]["metadata"]["uid"],
        ):
            raise Conflict(f"{ref} has been modified.")
        if not dry_run:
            del self.objects[ref]
            self._done("delete", ref)

    def evict(self, ref: Ref, *, uid: str = "", dry_run: bool = False) -> None:
        self._asked("evict", ref)
        if ref not in self.objects or uid not in ("", self.objects[ref]["metadata"]["uid"]):
            return
        if ref.name in self.protected:
            raise Busy("The disruption budget needs 1 healthy pod and has 1.")
        if not dry_run:
            del self.objects[ref]
            self._done("evict", ref)

    def allowed(self, verb: str, ref: Ref, *, subresource: str = "") -> bool:
        self.before("allowed", ref)
        return verb not in self.forbidden

    def pods_on(self, node: str) -> Sequence[Live]:
        pods = [ref for ref, body in self.objects.items() if (body.get("spec") or {}).get("nodeName") == node]
        return [Live(ref, copy.deepcopy(self.objects[ref])) for ref in pods if ref.kind == "Pod"]

    def as_user(self, user: User) -> "MemoryCluster":
        self.people.append(user.id)
        return self

    def snapshot(self, kind: str) -> Snapshot:
        return Snapshot(kind, (), 1, StoreState.LOADING, None)

    def _asked(self, verb: str, ref: Ref) -> None:
        self.before(verb, ref)
        if verb in self.forbidden:
            raise Forbidden("kubernetes", f"You may not {verb} {ref}.")

    def _done(self, verb: str, ref: Ref) -> None:
        self.changed.append((verb, ref))
        self.after(verb, ref)


def source(name: str, cluster: MemoryCluster) -> ClusterSource:
    """The cluster as one of a set of sources."""
    return ClusterSource(name=name, cluster=cluster, metrics=None)  # type: ignore[arg-type]
