"""The DaemonSet controller and the kubelets of its pods: one pod for each node that fits, one image after another.

Rules: kubernetes ``pkg/controller/daemon`` (``update.go`` for how many pods are replaced at a time). A pull that has
begun goes on when its pod goes.
"""

import heapq
import json
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from services.demo import noise
from services.demo.daemonpods import FAILS_S, PAUSES_S, DaemonPod, Ran, Standing
from services.demo.imagestore import Brought, Fetched
from services.demo.journal import Write
from services.demo.ledger import Key
from services.demo.lives import NEVER
from services.demo.names import uid
from services.demo.nodeimages import EVERYWHERE
from services.demo.seating import Wanted, tolerated
from services.demo.world import Site
from services.domain.startup.imagenames import canonical

_SEES_S = 1  # from what happens until the controller acts
_GRACE_S = 1  # a pod that is told to stop does
_SANDBOX_S = 2

Event = Callable[[int], None]


class Daemons:
    """The DaemonSets people made in one cluster and their pods, up to a time.

    ``others`` are what other pods pulled. ``brought`` is what these did, ``moments`` when anything visible happened.
    """

    def __init__(self, site: Site, keys: Sequence[Key], nodes: Sequence[Standing], until: int, others: Brought) -> None:
        self.site, self.nodes = site, nodes
        self.until = until
        self.pods: list[DaemonPod] = []
        self.brought: Brought = {}
        self._others = others
        self._queue: list[tuple[int, int, Event]] = []
        self._sequence = 0
        self.controllers = {key: Controller(self, key) for key in keys}
        self._run()
        self.moments = sorted({at for pod in self.pods for at in pod.times() if at <= until})

    def last(self, at: int) -> int:
        """When something visible happened last; 0 for never."""
        place = bisect_right(self.moments, at)
        return self.moments[place - 1] if place else 0

    def alive(self, at: int) -> list[DaemonPod]:
        """The pods that are there."""
        return [pod for pod in self.pods if pod.there(at)]

    def later(self, at: int, event: Event) -> None:
        """Have something happen."""
        self._sequence += 1
        heapq.heappush(self._queue, (at, self._sequence, event))

    def _run(self) -> None:
        for write in self.site.ledger.writes:
            for controller in self.controllers.values():
                controller.hear(write)
        for node in self.nodes:
            begins = [turn.at + _SEES_S for turn in node.turns]
            for at in (*begins, node.facts.gone):
                for controller in self.controllers.values() if at < NEVER else ():
                    self.later(at, controller.visit(node))
        while self._queue and self._queue[0][0] <= self.until:
            at, _, event = heapq.heappop(self._queue)
            event(at)

    # -- kubelet -----------------------------------------------------------------------------------------------------

    def admit(self, pod: DaemonPod) -> None:
        """Have the kubelet of its node take a pod up; it waits for the network of a node that has just joined."""
        self.pods.append(pod)
        pod.sandbox = max(pod.created, pod.standing.facts.ready) + _SANDBOX_S + pod.key % 3
        self.later(pod.sandbox, self._want(pod, 0))

    def _want(self, pod: DaemonPod, place: int, tries: int = 0) -> Event:
        """A container's turn: its image is there, another pod is pulling it, or it is pulled; or there is none."""

        def event(now: int) -> None:
            if pod.gone <= now:
                return
            ran, recipes = pod.containers[place], self.site.recipes
            ran.wanted = min(ran.wanted, now)
            if canonical(ran.image) in EVERYWHERE:
                ran.tried = ran.pulled = now
            elif ran.found is None or recipes.pushed(*ran.found) > now:
                ran.failed = min(ran.failed, now + FAILS_S)
                if ran.found is not None:
                    pause = PAUSES_S[min(tries, len(PAUSES_S) - 1)]
                    self.later(now + FAILS_S + pause, self._want(pod, place, tries + 1))
                return
            else:
                self._pull(pod, ran, ran.found, now)
            self.later(ran.pulled, self._begin(pod, place))

        return event

    def _pull(self, pod: DaemonPod, ran: Ran, image: tuple[int, int], now: int) -> None:
        node, recipes = pod.standing.id, self.site.recipes
        pulls = (brought.get(node, {}).get(image) for brought in (self.brought, self._others))
        known = [pull for pull in pulls if pull is not None and pull.wanted <= now]
        there = min(known).there if known else None  # the first wins, whoever else would have pulled
        if there is not None and there <= now:
            ran.tried = ran.pulled = now
            return
        ran.size = recipes.size(*image)
        if there is not None:
            ran.tried, ran.pulled = there, there + 1
            return
        key = noise.key(self.site.seed, self.site.name, "prepull", pod.node, *image, now)
        ran.tried, ran.pulled = now, now + recipes.pull_s(*image, pod.standing.zone, key)
        self.brought.setdefault(node, {})[image] = Fetched(now, ran.pulled)

    def _begin(self, pod: DaemonPod, place: int) -> Event:
        """A container has its image: it runs; those that only pull have ended at once."""

        def event(now: int) -> None:
            if pod.gone <= now:
                return
            ran = pod.containers[place]
            ran.started = now + 1
            if ran.init:
                ran.finished = ran.started
            if place + 1 < len(pod.containers):
                self.later(ran.started + 1, self._want(pod, place + 1))
            else:
                pod.ready = ran.started + 1
                self.later(pod.ready, self.controllers[pod.owner].came_up(pod))

        return event


class Controller:
    """Of one DaemonSet. ``seen`` are times, numbers of nodes that are to have a pod, and the newest revision."""

    def __init__(self, play: Daemons, key: Key) -> None:
        self.key = key
        self.seen: list[tuple[int, int, str]] = []
        self._play, self._site = play, play.site
        self._made, self._revision = 0, ""
        self._spec: Mapping[str, Any] = {}
        self._fitting: set[str] = set()
        self._alive: dict[str, DaemonPod] = {}
        self._old: dict[str, DaemonPod] = {}  # those of an older revision
        self._lacking: dict[str, None] = {}  # nodes that are to have a pod and have none that is ready
        self._ordinal = 0

    def state(self, at: int) -> tuple[int, str]:
        """How many nodes were to have a pod, and the newest revision, as the controller saw it."""
        place = bisect_right(self.seen, at, key=lambda one: one[0])
        return self.seen[place - 1][1:] if place else (0, "")

    def last(self, at: int) -> int:
        """When something of it last changed; 0 for never."""
        times = [one for pod in self._play.pods if pod.owner == self.key for one in pod.times() if one <= at]
        return max([*times, *(seen for seen, *_ in self.seen if seen <= at)], default=0)

    def hear(self, write: Write) -> None:
        """Act on a write to it, to its namespace or to one of its pods."""
        ref = write.ref
        ours = (ref.kind, ref.namespace, ref.name) == self.key
        if ours or (ref.kind == "Namespace" and ref.name == self.key[1] and write.verb == "delete"):
            self._play.later(write.at + _SEES_S, self._reconcile)
        elif ref.kind == "Pod" and ref.namespace == self.key[1] and write.verb in ("delete", "evict"):
            self._play.later(write.at, self._taken(ref.name))

    def visit(self, node: Standing) -> Event:
        """A node joined, changed or went."""

        def event(now: int) -> None:
            self._settle(node, now)
            self._replace(now)
            self._note(now)

        return event

    def came_up(self, pod: DaemonPod) -> Event:
        """A pod is ready."""

        def event(now: int) -> None:
            if pod.gone > now:
                self._lacking.pop(pod.node, None)
                self._play.later(now + int(self._spec.get("minReadySeconds") or 0) + _SEES_S, self._replace)

        return event

    def _taken(self, name: str) -> Event:
        def event(now: int) -> None:
            for pod in [pod for pod in self._alive.values() if pod.name == name]:
                self._remove(pod, now)
                pod.replaced = False

        return event

    def _reconcile(self, now: int) -> None:
        folded = self._site.ledger.folded(self.key, None, now)
        self._made = folded.made.id if folded is not None and folded.made is not None else 0
        self._spec = (folded.body.get("spec") or {}) if folded is not None else {}
        text = json.dumps(self._spec.get("template") or {}, sort_keys=True)
        self._revision = noise.suffix(noise.key(text), 9)
        for node in self._play.nodes:
            if node.there(now) or node.facts.name in self._alive:
                self._settle(node, now)
        self._old = {name: pod for name, pod in self._alive.items() if pod.revision != self._revision}
        self._replace(now)
        self._note(now)

    def _settle(self, node: Standing, now: int) -> None:
        """Have a pod on the node if there is to be one, and none if not."""
        name = node.facts.name
        runs, stays = self._fits(node, now)
        if runs:
            self._fitting.add(name)
        else:
            self._fitting.discard(name)
            self._lacking.pop(name, None)
        pod = self._alive.get(name)
        if pod is not None and (not stays or pod.made != self._made):
            self._remove(pod, now)
        elif pod is None and runs:
            self._create(node, now)

    def _fits(self, node: Standing, now: int) -> tuple[bool, bool]:
        """Whether a node gets a pod, and whether it may keep the one it has."""
        if not self._made or not node.there(now):
            return False, False
        pod, turn = (self._spec.get("template") or {}).get("spec") or {}, node.turn(now)
        if not Wanted.of(pod).matches(turn.labels):
            return False, False
        minded = [taint for taint in turn.taints if not tolerated(taint, pod.get("tolerations") or ())]
        return not minded, not any(taint.get("effect") == "NoExecute" for taint in minded)

    def _create(self, node: Standing, now: int) -> None:
        site, template = self._site, self._spec.get("template") or {}
        self._ordinal += 1
        key = noise.key(site.seed, site.name, "daemon", *self.key, self._made, node.facts.name, self._ordinal)
        name, given = f"{self.key[2]}-{noise.suffix(key)}", template.get("spec") or {}
        pod = DaemonPod(
            owner=self.key, made=self._made, name=name, uid=uid(site, "pod", self.key[1], name, key), key=key,
            template=template, revision=self._revision, standing=node, created=now,
            containers=tuple(
                self._container(one, init=init)
                for init, kind in ((True, "initContainers"), (False, "containers"))
                for one in given.get(kind) or ()
            ),
        )  # fmt: skip
        self._alive[node.facts.name] = pod
        self._lacking[node.facts.name] = None
        self._play.admit(pod)

    def _container(self, given: Mapping[str, Any], *, init: bool) -> Ran:
        image = str(given.get("image", ""))
        return Ran(str(given.get("name", "")), image, init, self._site.recipes.find(image, self._play.until))

    def _remove(self, pod: DaemonPod, now: int) -> None:
        grace = (pod.template.get("spec") or {}).get("terminationGracePeriodSeconds")
        pod.removed, pod.replaced = now, pod.made == self._made and pod.standing.there(now)
        pod.gone = max(min(now + (0 if grace == 0 else _GRACE_S), pod.standing.facts.gone), pod.created)
        self._alive.pop(pod.node, None)
        self._old.pop(pod.node, None)
        if pod.node in self._fitting:
            self._lacking[pod.node] = None
        self._play.later(pod.gone + _SEES_S, self.visit(pod.standing))

    def _replace(self, now: int) -> None:
        """Take away pods of older revisions: those that are not ready, and as many others as may be missing."""
        strategy = self._spec.get("updateStrategy") or {}
        if not self._old or strategy.get("type") == "OnDelete":
            return
        ahead = int(self._spec.get("minReadySeconds") or 0)
        late = [pod for pod in self._old.values() if pod.ready + ahead > now]
        missing = sum(name not in self._old for name in self._lacking)
        room = max(self._most(strategy) - missing, 0)
        ready = (pod for pod in self._old.values() if pod.ready + ahead <= now)
        for pod in [*late, *islice(ready, room)]:
            self._remove(pod, now)

    def _most(self, strategy: Mapping[str, Any]) -> int:
        """How many nodes may be without a ready pod."""
        most = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
        if isinstance(most, str) and most.endswith("%"):
            most = -(-int(most[:-1]) * len(self._fitting) // 100)
        return max(int(most), 1)

    def _note(self, now: int) -> None:
        state = (len(self._fitting), self._revision if self._made else "")
        if not self.seen or self.seen[-1][1:] != state:
            self.seen.append((now, *state))
