"""Recorded starts of pods: written by hand as the API server's watches would have told them, with what they come to.

A timeline is a YAML file of ``tests/data/startup``::

    about: one sentence
    cluster_version: "1.36"
    begin: 2026-05-12T08:00:00Z
    pod: the one whose start is expected; may be left out when there is one
    watch:
      - {at: -00:10, kind: nodes, object: {metadata: …}}             ADDED
      - {at: +00:05, kind: pods, patch: {status: …}}                 MODIFIED: merged into the object seen before
      - {at: +00:05, kind: events, said: {by: kubelet, reason: …}}   ADDED: an event in short
      - {at: +10:00, kind: pods, type: DELETED}
    expected: {outcome: ready, …}
    midway: [{at: +02:00, expected: …}]   asked while it was under way
    late: [{begin: +06:00, expected: …}]  a collector that starts then: it lists what is there, and goes on watching

``at`` is when the collector saw the line. Instants are offsets from ``begin``, +MM:SS or +H:MM:SS with a fraction where
there is one; they may stand wherever the API has a time. ``name`` says which object is meant where there are several
of a kind; "*" means all. A patch merges lists by the ``type`` or ``name`` of their items; a container's ``state`` and
``lastState`` are replaced whole. ``as`` names an event for later lines.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import yaml

from services.domain.objects import Event, Generic, Node, Obj, Pod
from services.domain.startup.observe import Early, Observed, observe
from services.domain.startup.trace import NodeSeen, Trace

CLUSTER = "lab"
FOLDER = Path(__file__).parent / "data" / "startup"
TYPES: dict[str, type[Obj]] = {"pods": Pod, "nodes": Node, "events": Event, "nodeclaims": Generic}
WHOLE = ("state", "lastState")
"""One of several: what was said before must not shine through."""
_OFFSET = re.compile(r"(?P<sign>[+-])(?:(?P<h>\d+):)?(?P<m>\d+):(?P<s>\d\d(?:\.\d+)?)")

Json = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """What the collector saw at one moment: an object as the API sends it."""

    at: datetime
    type: str
    kind: str
    raw: Json

    @property
    def object(self) -> Obj:
        return msgspec.json.decode(msgspec.json.encode(self.raw), type=TYPES[self.kind])

    @property
    def uid(self) -> str:
        return str(self.raw["metadata"]["uid"])


@dataclass(frozen=True)
class Question:
    """What is expected of the start when asked at ``at``; only what it names is compared."""

    at: datetime
    expected: Json


@dataclass(frozen=True)
class Timeline:
    name: str
    about: str
    cluster_version: str
    begin: datetime
    pod: str  # uid
    lines: tuple[Line, ...]
    question: Question
    midway: tuple[Question, ...] = ()
    late: tuple[tuple[datetime, Question], ...] = ()

    def until(self, at: datetime) -> "Timeline":
        """What was seen up to a moment."""
        return replace(self, lines=tuple(line for line in self.lines if line.at <= at))


def names() -> list[str]:
    """Of all timelines."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def load(name: str) -> Timeline:
    """The timeline of a file."""
    text = yaml.load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), _Loader)
    begin = datetime.fromisoformat(text["begin"])
    lines = tuple(_Reader(begin, text["cluster_version"]).lines(text["watch"]))
    last = max(line.at for line in lines)
    pods = [line.raw["metadata"] for line in lines if line.kind == "pods" and line.type == "ADDED"]
    return Timeline(
        name=name,
        about=text["about"],
        cluster_version=text["cluster_version"],
        begin=begin,
        pod=next(one["uid"] for one in pods if one["name"] == text.get("pod", pods[0]["name"])),
        lines=lines,
        question=Question(last, _timed(text["expected"], begin)),
        midway=tuple(
            Question(_instant(one["at"], begin), _timed(one["expected"], begin)) for one in text.get("midway", ())
        ),
        late=tuple(
            (_instant(one["begin"], begin), Question(last, _timed(one["expected"], begin)))
            for one in text.get("late", ())
        ),
    )


def twice(lines: Sequence[Line]) -> list[Line]:
    """Every line two times."""
    return [line for line in lines for _ in range(2)]


def shuffled(lines: Sequence[Line], seed: int) -> list[Line]:
    """Watches of different kinds do not wait for each other: within a second any of them may come first.

    The order within a kind stays as it was.
    """
    chance = random.Random(seed)
    mixed: list[Line] = []
    for _, second in groupby(lines, key=lambda line: line.at.replace(microsecond=0)):
        group = list(second)
        waiting = {kind: [line for line in group if line.kind == kind] for kind in TYPES}
        order = [line.kind for line in group]
        chance.shuffle(order)
        mixed += [waiting[kind].pop(0) for kind in order]
    return mixed


@dataclass
class Present:
    """What a list of the cluster would show."""

    objects: dict[str, dict[str, Obj]] = field(default_factory=lambda: {kind: {} for kind in TYPES})

    def apply(self, line: Line) -> None:
        if line.type == "DELETED":
            self.objects[line.kind].pop(line.uid, None)
        else:
            self.objects[line.kind][line.uid] = line.object

    def of(self, kind: str) -> list[Any]:
        return list(self.objects[kind].values())


@dataclass
class Collector:
    """Feeds :func:`observe` as a process would that watches a cluster, and keeps what it answers."""

    traces: dict[str, Trace] = field(default_factory=dict)
    nodes: dict[str, NodeSeen] = field(default_factory=dict)
    early: Mapping[str, Early] = field(default_factory=dict)
    present: Present = field(default_factory=Present)

    def see(self, line: Line, *, list_all: bool = False) -> bool:
        """Look at one line, or at everything there is after it. Was it news?"""
        self.present.apply(line)
        gone = [line.uid] if (line.kind, line.type) == ("pods", "DELETED") else []
        if list_all:
            return self.list_all(line.at, gone)
        objects = [line.object] if line.type != "DELETED" else []
        return self._observe({line.kind: objects}, line.at, gone)

    def list_all(self, at: datetime, gone: Sequence[str] = ()) -> bool:
        """Look at everything there is."""
        return self._observe({kind: self.present.of(kind) for kind in TYPES}, at, gone)

    def restarted(self) -> "Collector":
        """Another process that continues from what this one wrote down."""
        return Collector(
            msgspec.json.decode(msgspec.json.encode(self.traces), type=dict[str, Trace]),
            msgspec.json.decode(msgspec.json.encode(self.nodes), type=dict[str, NodeSeen]),
            present=self.present,
        )

    def _observe(self, objects: Mapping[str, list[Any]], at: datetime, gone: Sequence[str]) -> bool:
        seen = observe(
            Observed(self.traces, self.nodes, self.early),
            CLUSTER,
            pods=objects.get("pods", []),
            nodes=objects.get("nodes", []),
            events=objects.get("events", []),
            claims=objects.get("nodeclaims", []),
            at=at,
            gone=gone,
        )
        self.traces |= seen.traces
        self.nodes |= seen.nodes
        self.early = seen.early
        return bool(seen.traces or seen.nodes)


class _Loader(yaml.SafeLoader):
    """YAML in which offsets, instants and words stay text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the base class has it
        first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in {"null", "merge"}]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9]\d*)$"), list("-0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^\d+\.\d+$"), list("0123456789"))


class _Reader:
    """Turns lines in short into objects as the API sends them."""

    def __init__(self, begin: datetime, version: str) -> None:
        self.begin = begin
        self.old = tuple(int(part) for part in version.split(".")) < (1, 27)
        self.seen: dict[str, dict[str, Json]] = {kind: {} for kind in TYPES}
        self.version = 1000

    def lines(self, watch: Sequence[Json]) -> Iterator[Line]:
        for number, short in enumerate(watch):
            kind = short["kind"]
            seen = self.seen[kind]
            chosen = [short["name"]] if short.get("name", "*") != "*" else list(seen)
            at = _instant(short["at"], self.begin)
            if "object" in short or "said" in short:
                raw = short["object"] if "object" in short else self._event(short, number)
                yield self._line(at, "ADDED", kind, short.get("as", raw["metadata"]["name"]), raw)
            elif short.get("type") == "DELETED":
                for name in chosen:
                    yield Line(at, "DELETED", kind, seen.pop(name))
            else:
                (name,) = chosen
                yield self._line(at, "MODIFIED", kind, name, _merged(seen[name], short["patch"]))

    def _line(self, at: datetime, type_: str, kind: str, name: str, raw: Json) -> Line:
        self.version += 7
        raw = _wire(raw, self.begin)
        raw["metadata"]["resourceVersion"] = str(self.version)
        self.seen[kind][name] = raw
        return Line(at, type_, kind, raw)

    def _event(self, short: Json, number: int) -> Json:
        """An event as its recorder writes it: schedulers use events.k8s.io, everybody else the older API."""
        said = short["said"]
        kind, name = said.get("of", {"pods": next(iter(self.seen["pods"]), "")}).copy().popitem()
        target = self.seen[kind].get(name, {"metadata": {"name": name}})["metadata"]
        when = said.get("when", short["at"])
        event = {
            "metadata": {
                "name": f"{name}.{0x187A5 + number:x}",
                "namespace": target.get("namespace", "default"),
                "uid": f"event-{number}",
                "creationTimestamp": when.partition(".")[0],
            },
            "involvedObject": {
                "kind": {"pods": "Pod", "nodes": "Node", "nodeclaims": "NodeClaim"}[kind],
                "name": name,
                "namespace": target.get("namespace", ""),
                "uid": "" if kind == "nodes" else target.get("uid", ""),
            },
            "reason": said["reason"],
            "message": said["message"],
            "type": said.get("type", "Normal"),
        }
        for place, list_ in (("container", "containers"), ("init", "initContainers")):
            if place in said:
                event["involvedObject"]["fieldPath"] = f"spec.{list_}{{{said[place]}}}"
        if "scheduler" in said["by"]:
            return event | {
                "eventTime": when,
                "firstTimestamp": None,
                "lastTimestamp": None,
                "reportingComponent": said["by"],
                "action": said.get("action", "Scheduling"),
            }
        host = {"host": self._node_of(name)} if said["by"] == "kubelet" else {}
        return event | {
            "eventTime": None,
            "firstTimestamp": said.get("first", when),
            "lastTimestamp": when,
            "count": said.get("count", 1),
            "source": {"component": said["by"]} | host,
            "reportingComponent": "" if self.old else said["by"],
        }

    def _node_of(self, pod: str) -> str:
        return str(self.seen["pods"].get(pod, {}).get("spec", {}).get("nodeName", pod))


def _instant(text: str, begin: datetime) -> datetime:
    found = _OFFSET.fullmatch(text)
    if found is None:
        return datetime.fromisoformat(text)
    offset = timedelta(hours=int(found["h"] or 0), minutes=int(found["m"]), seconds=float(found["s"]))
    return begin + offset if found["sign"] == "+" else begin - offset


def _mapped(value: Any, change: Callable[[str], Any]) -> Any:
    if isinstance(value, dict):
        return {key: _mapped(one, change) for key, one in value.items()}
    if isinstance(value, list):
        return [_mapped(one, change) for one in value]
    return change(value) if isinstance(value, str) else value


def _wire(raw: Json, begin: datetime) -> Json:
    """Offsets become the API's text; a copy."""

    def text(value: str) -> str:
        if not _OFFSET.fullmatch(value):
            return value
        at = _instant(value, begin).astimezone(UTC).replace(tzinfo=None)
        return at.isoformat(timespec="microseconds" if at.microsecond else "seconds") + "Z"

    written: Json = _mapped(raw, text)
    return written


def _timed(expected: Json, begin: datetime) -> Json:
    """Offsets become instants; a copy."""
    timed: Json = _mapped(expected, lambda value: _instant(value, begin) if _OFFSET.fullmatch(value) else value)
    return timed


def _merged(old: Any, patch: Any) -> Any:
    if isinstance(old, dict) and isinstance(patch, dict):
        merged = dict(old)
        for key, value in patch.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = value if key in WHOLE else _merged(old.get(key), value)
        return merged
    if isinstance(old, list) and isinstance(patch, list):
        return _merged_list(old, patch)
    return patch


def _merged_list(old: list[Any], patch: list[Any]) -> list[Any]:
    keys = [key for key in ("type", "name") if all(isinstance(one, Mapping) and key in one for one in [*old, *patch])]
    if not keys:
        return patch
    found = {one[keys[0]]: one for one in old}
    for one in patch:
        found[one[keys[0]]] = _merged(found.get(one[keys[0]]), one)
    return list(found.values())
