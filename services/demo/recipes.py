"""What a start of each workload takes: its images and their releases, and how long each step of one pod lasts.

Everything is drawn from the pod's key, so it is the same wherever and whenever the pod is placed, except that pulls
take as long as the registry needs to deliver to the node's zone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from services.demo import noise
from services.demo.lanes import Lane, never
from services.demo.lives import FOUNDED, NEVER
from services.demo.noise import Floats, Ints, Keys
from services.demo.scenario import ClusterPlan, Scenario
from services.demo.startplan import ImagePlan, StartPlan
from services.demo.workloads import Work
from services.domain.startup.imagenames import parsed

Bools = npt.NDArray[np.bool_]

_WEEK = 7 * 86400
_PUSHED_S = 86400  # a release is in its registry so long before the first pod runs it
STARTUP_PERIOD_S = 5
READINESS_PERIOD_S = 10
"""The kubelet asks the probes so often."""

_NONE = np.zeros(1, np.int64)


@dataclass(frozen=True)
class Steps:
    """How long each step of a pod's start lasts, in whole seconds, one entry a pod."""

    volume: Ints
    sandbox: Ints
    init_pull: Ints  # if it pulls
    init: Ints
    stall: Ints  # a pull that fails first, and the pause after it
    pull: Ints  # if it pulls
    asks: Ints  # asking the registry for an image that is there
    create: Ints
    crash: Ints  # a first run that ends in a crash; 0 for none
    load: Ints  # until a probe notices that it has loaded
    readiness: Ints  # from the startup probe's success to the readiness probe's
    has_init: Bools
    never: Bools


@dataclass(frozen=True)
class Recipes:
    """Of all workloads of a cluster, as arrays by workload.

    ``image`` and ``init_image`` are numbers of ``images``, -1 for none: the image is on every node (people's own).
    Releases begin at ``release_s`` and every ``period_s``, one after the other.
    """

    images: tuple[ImagePlan, ...]
    zones: tuple[str, ...]
    starts: tuple[StartPlan, ...]
    image: Ints
    init_image: Ints
    release_s: Ints
    period_s: Ints
    bytes_s: Floats  # by image and zone

    @classmethod
    def of(cls, scenario: Scenario, plan: ClusterPlan, works: Sequence[Work], lanes: Sequence[Lane]) -> "Recipes":
        """Of the scenario's workloads; ``lanes`` holds each one's first lane."""
        places = {image.name: number for number, image in enumerate(scenario.images)}
        starts = tuple(work.plan.start for work in works)
        registries = {one.name: one for one in scenario.registries}
        rates = [
            [
                registries[image.registry].mb_s * 1e6 * registries[image.registry].zones.get(zone, 1.0)
                for zone in plan.zones
            ]
            for image in scenario.images
        ]
        image = [places.get(start.image, -1) for start in starts]
        phases = [_releases(scenario.images[i], work, lane) for i, work, lane in zip(image, works, lanes, strict=True)]
        return cls(
            images=scenario.images,
            zones=plan.zones,
            starts=starts,
            image=np.array(image, np.int64),
            init_image=np.array([places[one.init.image] if one.init else -1 for one in starts], np.int64),
            release_s=np.array([phase for phase, _ in phases], np.int64),
            period_s=np.array([period for _, period in phases], np.int64),
            bytes_s=np.array(rates, np.float64).reshape(len(scenario.images), len(plan.zones)),
        )

    def grown(self, more: int) -> "Recipes":
        """The same with so many workloads more that people made: their images are on every node."""
        none = np.full(more, -1, np.int64)
        return replace(
            self,
            starts=self.starts + (StartPlan(probes=()),) * more,
            image=np.concatenate((self.image, none)),
            init_image=np.concatenate((self.init_image, none)),
            release_s=np.concatenate((self.release_s, none)),
            period_s=np.concatenate((self.period_s, none * 0 + NEVER)),
        )

    def release(self, work: Ints, created: Ints) -> Ints:
        """Number of the release pods of workloads run that were created then."""
        return np.asarray((created - self.release_s[work]) // self.period_s[work])

    def run_by(self, work: int, created: int) -> tuple[int, int]:
        """Number of the image of a workload's pod, -1 for none, and of its release."""
        return int(self.image[work]), int((created - self.release_s[work]) // self.period_s[work])

    def released(self, work: Ints, release: Ints) -> tuple[Ints, Ints]:
        """From when (included) to when pods of workloads are created with a release."""
        begin = self.release_s[work] + release * self.period_s[work]
        always = self.period_s[work] == NEVER
        return np.where(always, -NEVER, begin), np.where(always, NEVER, begin + self.period_s[work])

    def name(self, image: int, release: int) -> str:
        """A release as a pod writes it."""
        plan = self.images[image]
        return f"{plan.repository}:{plan.tag.format(n=release)}"

    def size(self, image: int, release: int) -> int:
        """Bytes of a release as the kubelet reports them; no two are alike to the byte."""
        sizes = self.images[image].gb
        return int(sizes[release % len(sizes)] * 1e9) + noise.key(self.images[image].name, release) % 9_999_991

    def full(self, image: int, release: int) -> tuple[str, str]:
        """A release as nodes list it: by its digest and by its tag, with its registry."""
        plan, name = self.images[image], self.name(image, release)
        tagged = name if "." in name.split("/", maxsplit=1)[0] else f"{plan.registry}/{name}"
        digest = "".join(f"{noise.key(name, *more):016x}" for more in ((), ("digest",), ("sha",), ("256",)))
        return f"{tagged.rpartition(':')[0]}@sha256:{digest}", tagged

    def find(self, name: str, until: int) -> tuple[int, int] | None:
        """Number and release of an image, however its name is spelled; None for what no registry has until then."""
        wanted = parsed(name)
        for number, plan in enumerate(self.images):
            own = parsed(plan.repository)
            if (own.registry, own.repository) != (wanted.registry, wanted.repository):
                continue
            tag = re.fullmatch(re.escape(plan.tag).replace(re.escape("{n}"), r"(\d{1,6})"), wanted.tag)
            if tag is not None:
                found = number, int(tag[1]) if plan.every_days else 0
                return found if self.pushed(*found) <= until else None
            releases = range(
                (until - self.pushed(number, 0)) // (plan.every_days * 86400) + 1 if plan.every_days else 1
            )
            for release in releases if wanted.digest else ():
                if parsed(self.full(number, release)[0]).digest == wanted.digest:
                    return number, release
        return None

    def pushed(self, image: int, release: int) -> int:
        """Since when the registry has a release."""
        plan = self.images[image]
        if not plan.every_days:
            return -NEVER
        period, (begin, _) = plan.every_days * 86400, _releases(plan, None, None)
        begins = [begin, *self.release_s[self.image == image].tolist()]
        return int(min(begins)) + release * period - _PUSHED_S

    def pull_s(self, image: int, release: int, zone: int, key: int) -> int:
        """Seconds a pull of a release takes to a node in a zone (number of ``zones``); ``key`` tells pulls apart."""
        slow = _slow(np.array([key], np.uint64), 35)[0]
        return int(np.ceil(self.size(image, release) / self.bytes_s[image, zone] * slow))

    @cached_property
    def _sizes(self) -> tuple[Floats, Floats, Ints]:
        """Bytes and factors of loading by image and turn of its releases, and how many turns there are."""
        most = max(len(image.gb) for image in self.images)
        gb = [[image.gb[turn % len(image.gb)] for turn in range(most)] for image in self.images]
        load = [[image.load[turn % len(image.load)] for turn in range(most)] for image in self.images]
        turns = [len(image.gb) for image in self.images]
        return np.array(gb) * 1e9, np.array(load), np.array(turns, np.int64)

    @cached_property
    def _plans(self) -> dict[str, Floats]:
        """The numbers of the start plans, and of their init containers, by workload."""

        def pair(name: str) -> Floats:
            return np.array([getattr(one, name) for one in self.starts], np.float64).reshape(-1, 2)

        init = np.array([one.init.lasts_s if one.init else (0, 0) for one in self.starts], np.float64).reshape(-1, 2)
        shares = {name: np.array([getattr(one, name) for one in self.starts]) for name in _SHARES}
        probes = {name: np.array([name in one.probes for one in self.starts], np.float64) for name in _PROBES}
        return {"load": pair("load_s"), "volume": pair("volume_s"), "init": init, **shares, **probes}

    def steps(self, work: Ints, key: Keys, created: Ints, zone: Ints) -> Steps:
        """Steps of pods of workloads, created then, in zones (numbers of ``zones``)."""
        plans, (sizes, loads, turns) = self._plans, self._sizes
        made = self.image[work] < 0

        def draw(number: int) -> Floats:
            return noise.uniform(key, _NONE, number)

        def between(pair: Floats, number: int) -> Floats:
            low, high = pair[work, 0], pair[work, 1]
            return np.asarray(low + draw(number) * (high - low))

        image, init_image = np.maximum(self.image[work], 0), np.maximum(self.init_image[work], 0)
        turn = self.release(work, created) % turns[image]
        slow, init_slow = _slow(key, 35), _slow(key, 33)
        load = between(plans["load"], 37) * np.where(made, 1.0, loads[image, turn])
        startup, readiness = plans["startup"][work] > 0, plans["readiness"][work] > 0
        period = np.where(startup, STARTUP_PERIOD_S, READINESS_PERIOD_S)
        loads_s = np.where(startup | readiness, np.ceil(load / period).astype(np.int64) * period, 0)
        crash = np.where(draw(39) < plans["restarts"][work], 6 + (draw(40) * 0.5 * load).astype(np.int64), 0)
        stall = np.where(draw(41) < plans["pull_fails"][work], 14 + (draw(42) * 20).astype(np.int64), 0)
        doomed = never(key, plans["never"][work])
        own = (key % np.uint64(3)).astype(np.int64)
        return Steps(
            volume=between(plans["volume"], 31).astype(np.int64),
            sandbox=np.where(made, 1, 2 + (draw(32) * 3).astype(np.int64)),
            init_pull=np.ceil(sizes[init_image, 0] / self.bytes_s[init_image, zone] * init_slow).astype(np.int64),
            init=between(plans["init"], 34).astype(np.int64),
            stall=stall,
            pull=np.ceil(sizes[image, turn] / self.bytes_s[image, zone] * slow).astype(np.int64),
            asks=(plans["always"][work] > 0).astype(np.int64),
            create=np.where(made, 1 + own, 1 + (draw(36) * 1.4).astype(np.int64)),
            crash=np.where(made | doomed, 0, crash),
            load=np.where(made, 1, loads_s),
            readiness=(~made & startup & readiness).astype(np.int64),
            has_init=self.init_image[work] >= 0,
            never=doomed,
        )


_SHARES = ("restarts", "pull_fails", "never", "always")
_PROBES = ("startup", "readiness")


def _slow(key: Keys, number: int) -> Floats:
    """How much longer than size and rate say a pull takes."""
    return np.asarray(0.85 + 0.4 * noise.uniform(key, _NONE, number))


def _releases(image: ImagePlan, work: Work | None, lane: Lane | None) -> tuple[int, int]:
    """When the first release began and how long one lasts; without a workload, by the periods alone."""
    period = image.every_days * 86400
    if not period:
        return 0, NEVER
    offset = int(image.offset_days * 86400)
    if work is not None and lane is not None and work.plan.rhythm == "serve":
        offset = lane.phase + offset // _WEEK * _WEEK  # a release comes with a rollout
    return offset + -(-(FOUNDED - offset) // period) * period - period, period
