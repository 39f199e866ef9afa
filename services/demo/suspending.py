"""What people do to the scenario's Jobs: suspend and resume. Replica counts are the timetable's own business."""

import numpy as np

from services.demo import noise
from services.demo.journal import Write
from services.demo.ledger import Key
from services.demo.names import job
from services.demo.replay import Replay
from services.demo.seating import Stay
from services.demo.workloads import Work
from services.demo.world import Site

_SEES_S, _GRACE_S = 1, 3


def pools(site: Site, write: Write) -> list[str]:
    """Pools of the scenario's Job a write suspends or resumes; none for any other write."""
    if write.ref.kind != "Job" or write.verb != "patch" or "suspend" not in (write.body.get("spec") or {}):
        return []
    return sorted({work.plan.place.pool for work in site.works if _may_be(work, ("Job", *_place(write)))})


def _place(write: Write) -> tuple[str, str]:
    return write.ref.namespace, write.ref.name


def _may_be(work: Work, key: Key) -> bool:
    mine = work.template is None and work.plan.kind in ("Job", "CronJob")
    return mine and work.namespace == key[1] and key[2].startswith(f"{work.name}-")


class Suspender:
    """The Job controller of one pool: ends the pods of a suspended Job, and makes as many anew when it is resumed."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._ended: dict[Key, list[Stay]] = {}
        replay.hear(self._heard)

    def _heard(self, write: Write) -> None:
        if pools(self._replay.site, write):
            key, off = ("Job", *_place(write)), bool(write.body["spec"]["suspend"])
            act = self._suspend if off else self._resume
            self._replay.later(write.at + _SEES_S, lambda now: act(key, now))

    def _suspend(self, key: Key, now: int) -> None:
        replay = self._replay
        mine = [stay for stay in replay.stays if self._is(stay, key) and stay.created <= now and not stay.over(now)]
        self._ended.setdefault(key, []).extend(mine)
        for stay in mine:
            replay.end(stay, now + _GRACE_S)
        replay.shown(now)

    def _is(self, stay: Stay, key: Key) -> bool:
        return _may_be(stay.work, key) and job(stay.work, stay.cycle, stay.replica) == key[2]

    def _resume(self, key: Key, now: int) -> None:
        for stay in self._ended.pop(key, ()):
            again = int(noise.mixed(np.array([stay.key], np.uint64), np.array([now], np.int64), draw=23)[0])
            self._replay.arrive(
                Stay(
                    work=stay.work, lane=stay.lane, replica=stay.replica, cycle=stay.cycle, key=again, created=now,
                    priority=stay.priority, home=stay.home,
                )
            )  # fmt: skip
        self._replay.shown(now)
