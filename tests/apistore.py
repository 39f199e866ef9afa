"""The objects of the API server of the tests, and what becomes of them when a client writes."""

import copy
import json
import queue
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.domain.kinds import KINDS
from tests import apiwrites as rules
from tests.apiwrites import Denied, Json, Target, status


@dataclass(frozen=True)
class Seen:
    """A request that arrived; ``pairs`` are its headers as they were sent, in lower case and in order."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    method: str = "GET"
    raw: bytes = b""
    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def watch(self) -> bool:
        return self.query.get("watch") == "true"

    @property
    def dry(self) -> bool:
        return self.query.get("dryRun") == "All" or "dryRun" in (self.body if isinstance(self.body, dict) else {})

    @property
    def body(self) -> Any:
        """The body as JSON; None when there is none or it is something else."""
        try:
            return json.loads(self.raw)
        except ValueError:
            return None

    def all(self, name: str) -> list[str]:
        """Every value of a header, as UTF-8."""
        return [value.encode("latin-1").decode() for key, value in self.pairs if key == name.lower()]


@dataclass
class Collection:
    objects: dict[tuple[str, str], Json] = field(default_factory=dict)
    log: list[tuple[int, str, bytes, Json]] = field(default_factory=list)  # version, namespace, line, object
    watchers: list[tuple[str, "queue.Queue[bytes | None]", Mapping[str, str]]] = field(default_factory=list)


class Store:
    """Collections of objects by path, the versions they get, and the watchers who are told.

    ``settles``: workloads roll out as soon as they are written. ``graceful``: deleted pods stay, terminating. ``at``:
    the creationTimestamp of what is created.
    """

    def __init__(self) -> None:
        self.settles = False
        self.graceful = False
        self.at = "2026-03-01T12:00:00Z"
        self._lock = threading.RLock()
        self._version = 1000
        self._collections: dict[str, Collection] = {}
        for kind in KINDS.values():
            if kind.installed:
                self.serve(kind.groups[0], kind.plural)
        self.serve("v1", "podtemplates")
        self.serve("policy/v1", "poddisruptionbudgets")

    # What it holds

    def serve(self, version: str, plural: str) -> None:
        """Offer a resource, empty."""
        self._collections.setdefault(rules.root(version, plural), Collection())

    def withdraw(self, version: str, plural: str) -> None:
        """Offer a resource no longer."""
        del self._collections[rules.root(version, plural)]

    def put(self, kind: str | Json, *objects: Json) -> None:
        """Add or change objects; watchers are told. Without a kind, the objects say theirs (and get a generation)."""
        for given in objects if isinstance(kind, str) else (kind, *objects):
            obj = copy.deepcopy(given)
            with self._lock:
                if isinstance(kind, str):
                    collection = self._of(kind)
                else:
                    target = Target(obj["apiVersion"], rules.plural_of(obj))
                    collection = self._collections[target.root]
                    generation = rules.next_generation(target, obj, None)
                    if generation is not None:
                        obj["metadata"].setdefault("generation", generation)
                self._store(collection, obj)

    def get(self, path: str) -> Json | None:
        """What is stored under an object's path; None when nothing is."""
        target = Target.of(path)
        assert target is not None, path
        with self._lock:
            found = self._collections[target.root].objects.get((target.namespace, target.name))
            return copy.deepcopy(found)

    def change(self, path: str, patch: Json) -> None:
        """Merge a patch into an object (its status too) behind every client's back."""
        with self._lock:
            obj = rules.merged(self.get(path), patch)
            target = Target.of(path)
            assert target is not None
            self._store(self._collections[target.root], obj)

    def settle(self, path: str) -> None:
        """Let a workload roll out: its status says that its newest template runs everywhere."""
        obj = self.get(path)
        assert obj is not None, path
        self.change(path, {"status": rules.settled(obj)})

    def delete(self, kind: str, name: str = "", namespace: str = "") -> None:
        """Remove an object, named by kind or by path alone; watchers are told."""
        target = Target.of(kind) if kind.startswith("/") else None
        with self._lock:
            collection = self._collections[target.root] if target else self._of(kind)
            self._drop(collection, (target.namespace, target.name) if target else (namespace, name))

    # What clients write; the lock is held

    def _written(self, seen: Seen, target: Target, collection: Collection, verb: str) -> tuple[int, Json]:
        if target.subresource == "eviction":
            return 201, self._evicted(seen, target, collection)
        if verb == "create":
            return 201, self._created(seen, target, collection)
        if verb == "delete":
            return 200, self._deleted(seen, target, collection)
        if verb == "patch":
            return 200, self._patched(seen, target, collection)
        raise Denied(status(405, "MethodNotAllowed", "the server does not allow this method on the requested resource"))

    def _created(self, seen: Seen, target: Target, collection: Collection) -> Json:
        obj = seen.body
        if not isinstance(obj, dict):
            raise Denied(status(400, "BadRequest", "the object provided is unrecognized"))
        meta = obj.setdefault("metadata", {})
        if target.namespace:
            if target.namespace not in self._namespaces():
                raise rules.not_found(Target("v1", "namespaces"), target.namespace)
            if meta.setdefault("namespace", target.namespace) != target.namespace:
                says = "the namespace of the provided object does not match the namespace sent on the request"
                raise Denied(status(400, "BadRequest", says))
        self._checked(seen, target, obj, None)
        rules.defaulted(target, obj)
        self._admitted(target, obj)
        if (target.namespace, meta["name"]) in collection.objects:
            raise rules.exists(target, meta["name"])
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": self.at}
        if rules.has_status(target) and target.plural != "pods":
            obj["status"] = {"phase": "Active"} if target.plural == "namespaces" else {}
        generation = rules.next_generation(target, obj, None)
        if generation is not None:
            meta["generation"] = generation
        return self._kept(seen, target, collection, obj, seen.body)

    def _patched(self, seen: Seen, target: Target, collection: Collection) -> Json:
        old = self._found(collection, target)
        if seen.headers.get("Content-Type") != "application/merge-patch+json":
            raise Denied(status(415, "UnsupportedMediaType", "415: Unsupported Media Type", details={}))
        patch = seen.body
        if not isinstance(patch, dict):
            raise Denied(status(400, "BadRequest", "error decoding patch: unexpected end of JSON input"))
        new = rules.merged(old, patch)
        meta = new["metadata"]
        if meta.get("resourceVersion") != old["metadata"]["resourceVersion"]:
            raise rules.modified(target)
        if meta.get("uid") != old["metadata"].get("uid"):
            why = f"Precondition failed: UID in precondition: {meta.get('uid')}, UID in object meta: "
            raise rules.modified(target, why + str(old["metadata"].get("uid")))
        if target.subresource == "status":
            new = old | {"status": new.get("status", {})}
        elif rules.has_status(target) and "status" in old:
            new["status"] = old["status"]
        self._checked(seen, target, new, old)
        if new == old:
            return old
        generation = rules.next_generation(target, new, old)
        if generation is not None:
            new["metadata"]["generation"] = generation
        return self._kept(seen, target, collection, new, patch)

    def _deleted(self, seen: Seen, target: Target, collection: Collection) -> Json:
        old = self._found(collection, target)
        options = seen.body or {}
        for key, wanted in (options.get("preconditions") or {}).items():
            if old["metadata"].get(key) != wanted:
                word = "UID" if key == "uid" else "ResourceVersion"
                is_ = old["metadata"].get(key)
                why = f"Precondition failed: {word} in precondition: {wanted}, {word} in object meta: {is_}"
                raise rules.modified(target, why)
        if seen.dry:
            return old if target.plural == "pods" else self._gone(target, old)
        return self._end(target, collection, old)

    def _evicted(self, seen: Seen, target: Target, collection: Collection) -> Json:
        pod = self._found(collection, target)
        options = (seen.body or {}).get("deleteOptions") or {}
        wanted, uid = (options.get("preconditions") or {}).get("uid"), pod["metadata"].get("uid")
        if wanted and wanted != uid:
            says = (
                f"the UID in the precondition ({wanted}) does not match the UID in record ({uid}). "
                "The object might have been deleted and then recreated"
            )
            raise rules.modified(target, says)
        budgets = list(self._collections["/apis/policy/v1/poddisruptionbudgets"].objects.values())
        denied = rules.eviction_denied(pod, budgets, collection.objects.values())
        if denied is not None:
            raise denied
        if not (seen.dry or options.get("dryRun")):
            self._end(target, collection, pod)
        return rules.success(code=201)

    def _checked(self, seen: Seen, target: Target, obj: Json, old: Json | None) -> None:
        """Refuse what strict field validation, the decoder and the validation of the kind refuse."""
        unknown = rules.unknown_fields(target, obj)
        if unknown and seen.query.get("fieldValidation") == "Strict":
            why = "strict decoding error: " + ", ".join(f'unknown field "{name}"' for name in unknown)
            raise rules.undecodable(target, obj, why, patched=old is not None)
        rules.decoded(target, obj, patched=old is not None)
        causes = rules.problems(target, obj, old)
        if causes:
            raise rules.invalid(target, obj["metadata"]["name"], causes)

    def _admitted(self, target: Target, obj: Json) -> None:
        if target.plural != "pods":
            return
        quotas, pods = (
            [held for (namespace, _), held in self._of(kind).objects.items() if namespace == target.namespace]
            for kind in ("quotas", "pods")
        )
        why = rules.over_quota(obj, quotas, pods)
        if why:
            raise rules.forbidden(target, obj["metadata"]["name"], why)

    def _kept(self, seen: Seen, target: Target, collection: Collection, obj: Json, body: Json) -> Json:
        """Store what a write made, unless it is a dry run; what the answer shows of it."""
        manager = seen.query.get("fieldManager") or seen.headers.get("User-Agent", "unknown").partition("/")[0]
        rules.managed(obj, manager, target.version, body, self.at)
        if not seen.dry:
            settling = self.settles and target.plural in {"deployments", "daemonsets", "statefulsets"}
            if settling:
                obj["status"] = rules.settled(obj)
            finished = "deletionTimestamp" in obj["metadata"] and not obj["metadata"].get("finalizers")
            self._store(collection, obj)
            if finished:
                self._drop(collection, (target.namespace, obj["metadata"]["name"]))
        return copy.deepcopy(obj)

    def _end(self, target: Target, collection: Collection, old: Json) -> Json:
        """Delete an object, or begin to where something waits for its end."""
        waits = old["metadata"].get("finalizers") or (self.graceful and target.plural == "pods")
        if waits:
            old["metadata"].setdefault("deletionTimestamp", self.at)
            self._store(collection, old)
            return old
        self._drop(collection, (target.namespace, target.name))
        if target.plural == "namespaces":
            for others in self._collections.values():
                for key in [key for key in others.objects if key[0] == target.name]:
                    self._drop(others, key)
        return old if target.plural == "pods" else self._gone(target, old)

    @staticmethod
    def _gone(target: Target, old: Json) -> Json:
        details = target.details(target.name, target.plural) | {"uid": old["metadata"]["uid"]}
        return rules.success(details=details)

    def _found(self, collection: Collection, target: Target) -> Json:
        with self._lock:
            found = collection.objects.get((target.namespace, target.name))
            if found is None:
                raise rules.not_found(target, target.name)
            return {"kind": target.kind, "apiVersion": target.version} | copy.deepcopy(found)

    def _namespaces(self) -> set[str]:
        known = {"default"} | {name for _, name in self._of("namespaces").objects}
        return known | {namespace for held in self._collections.values() for namespace, _ in held.objects}

    # How it keeps

    def _store(self, collection: Collection, obj: Json) -> None:
        """Keep an object with the next version; watchers are told. The lock is held."""
        meta = obj["metadata"]
        key = meta.get("namespace", ""), meta["name"]
        self._version += 1
        meta["resourceVersion"] = str(self._version)
        meta.setdefault("uid", f"uid-{'-'.join(key)}")
        type_ = "MODIFIED" if key in collection.objects else "ADDED"
        collection.objects[key] = copy.deepcopy(obj)
        self._tell(collection, key[0], type_, obj)

    def _drop(self, collection: Collection, key: tuple[str, str]) -> None:
        """Remove an object; watchers are told. The lock is held."""
        obj = collection.objects.pop(key)
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        self._tell(collection, key[0], "DELETED", obj)

    def _tell(self, collection: Collection, namespace: str, type_: str, obj: Json) -> None:
        told = line(type_, obj)
        collection.log.append((self._version, namespace, told, copy.deepcopy(obj)))
        for watched, lines, query in collection.watchers:
            if watched in {"", namespace} and rules.selected(obj, query):
                lines.put(told)

    def _of(self, kind: str) -> Collection:
        known = KINDS.get(kind)
        roots = [rules.root(version, known.plural) for version in known.groups] if known else [kind]
        return next(self._collections[root] for root in roots if root in self._collections)


def line(type_: str, obj: Json) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": type_, "object": obj}, separators=(",", ":")).encode() + b"\n"
