"""The collector: does what is due, for as long as this process holds the lease."""

import logging
import threading
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial

from services.cost import budgets
from services.errors import OpsError, SourceUnavailable
from services.jobs.alerting import Alerting
from services.jobs.backfill import ALIVE, Backfill
from services.jobs.metering import Metering
from services.jobs.prune import prune
from services.jobs.record import Recorder
from services.jobs.tenure import Lost, Tenure
from services.ports import Sources, UnitOfWork

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=1)
"""First times that no object states, such as when a startup probe passed, are known to this."""
WRITE_EVERY = timedelta(seconds=5)
MARK_EVERY = timedelta(seconds=10)
"""The lease is prolonged, and noted when was looked last, at least so often."""
CLOSE_EVERY = timedelta(seconds=10)
"""Hours of cost that are over are closed, one at a time, at least so often."""
BUDGETS_EVERY = timedelta(minutes=5)
"""What budgets crossed is noted so often; hours are closed once an hour."""
PRUNE_EVERY = timedelta(hours=1)
TRY_EVERY = timedelta(seconds=5)
"""From one try to take the lease, or to reach the database, to the next."""
KEPT_WITHOUT_DATABASE = 20_000
"""Starts remembered while they cannot be written; beyond, the oldest are let go."""
_SLICE_S = 0.02  # of work on the past; then it rests as long as that took
_AFTER_FAULT_S = 30.0


class Collector:
    """Records the starts of all clusters of ``sources``, which must have a database. Not shared between threads."""

    def __init__(self, sources: Sources, *, keep: timedelta, holder: str = "") -> None:
        if sources.work is None:
            raise ValueError("starts are recorded in a database")
        self._sources, self._work, self._keep = sources, sources.work, keep
        self._tenure = Tenure(sources.work, holder=holder)
        self._backfill = Backfill(sources, sources.work, self._hold)
        self._metering = Metering(sources, sources.work, self._hold)
        self._alerting = Alerting(sources, sources.work, self._hold)
        self._recorders: list[Recorder] = []
        self._due: dict[str, datetime] = {}
        self._spent = {"starts": 0.0, "costs": 0.0}  # seconds on the past of each
        self._marked: dict[str, datetime] = {}
        self._away = False
        self._waits = False
        self._dropped = False

    @property
    def works(self) -> bool:
        """Whether this process holds the lease."""
        return bool(self._recorders)

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set."""
        log.info("starts of GPU pods are recorded in: %s", ", ".join(self._sources.clusters) or "no cluster")
        while not stop.is_set():
            try:
                pause = self.tick()
            except Exception:  # whatever it is, starts must not go unrecorded from now on
                log.exception("recording starts failed; it begins anew in %.0f s", _AFTER_FAULT_S)
                self._reset()
                pause = _AFTER_FAULT_S
            stop.wait(pause)
        self.close()

    def tick(self) -> float:
        """Do what is due; seconds until something is due again."""
        now = self._sources.now()
        try:
            if not self._recorders and not self._begin(now):
                return TRY_EVERY.total_seconds()
            if self._is_due("look", now, LOOK_EVERY):
                for recorder in self._recorders:
                    recorder.look(now)
                self._metering.look(now)
            if self._is_due("write", now, TRY_EVERY if self._away else WRITE_EVERY):
                self._write(now)
            if not self._away:
                if self._is_due("close", now, CLOSE_EVERY) and self._metering.close(now):
                    self._due.pop("close")
                if self._is_due("budgets", now, BUDGETS_EVERY):
                    budgets.crossings(self._sources, now)
                if self._is_due("prune", now, PRUNE_EVERY):
                    prune(self._work, self._keep, now, self._hold, keep_hours=self._sources.policy.cost.keep_hours)
                self._alerting.tick(now)
                return self._past()
        except Lost as error:
            log.warning("%s", error)
            self._reset()
            return TRY_EVERY.total_seconds()
        except SourceUnavailable as error:
            self._unreachable(error)
        return LOOK_EVERY.total_seconds()

    def close(self) -> None:
        """Write what is left and let another process work at once."""
        self._alerting.close()
        try:
            if self._recorders:
                self._write(self._sources.now(), whole=True)
            self._tenure.release()
        except OpsError as error:
            log.warning("the last starts could not be written: %s", error)
        self._reset()

    def _begin(self, now: datetime) -> bool:
        """Take the lease if it is free, and go on from what was written last."""
        if not self._tenure.take(now):
            if not self._waits:
                log.info("another process records the starts; this one waits for its turn")
            self._waits = True
            return False
        self._waits = False
        self._backfill.plan(now)
        recorders = []
        with self._work() as unit:
            self._hold(unit)
            for name, source in self._sources.clusters.items():
                mark = unit.starts.mark(name, ALIVE) or {}
                label, settled = self._sources.policy.team_label, partial(self._settled, name)
                recorder = Recorder(source, team_label=label, begin=now - self._keep, settled=settled)
                traces, nodes = unit.starts.open(name)
                recorder.resume(traces, nodes, since=_instant(mark.get("since")), looked=_instant(mark.get("at")))
                recorders.append(recorder)
            self._metering.begin(unit, now)
            unit.commit()
        self._recorders = recorders
        self._back()
        return True

    def _settled(self, cluster: str, uids: Collection[str]) -> Collection[str]:
        """Which pods' starts are recorded and over."""
        with self._work() as unit:
            return unit.starts.settled(cluster, uids)

    def _write(self, now: datetime, *, whole: bool = False) -> None:
        for recorder in self._recorders:
            while self._write_batch(recorder, now, whole=whole):
                pass
        self._metering.write(now, whole=whole)
        self._back()

    def _write_batch(self, recorder: Recorder, now: datetime, *, whole: bool) -> bool:
        """Write what is to be written of a cluster at once; whether there is more."""
        name, looked, since = recorder.source.name, recorder.looked, recorder.since
        batch = recorder.batch(now)
        marked = self._marked.get(name)
        if not (batch or whole or marked is None or not timedelta(0) <= now - marked < MARK_EVERY):
            return False
        with self._work() as unit:
            self._hold(unit)
            unit.starts.save(name, batch.records, now)
            unit.starts.remember(name, batch.traces, batch.nodes, now)
            unit.starts.forget_traces(name, batch.over)
            unit.starts.forget_nodes(name, batch.nodes_gone)
            if looked is not None and since is not None:
                unit.starts.set_mark(name, ALIVE, {"at": looked.isoformat(), "since": since.isoformat()}, now)
            unit.commit()
        recorder.written(batch)
        self._marked[name] = now
        return batch.more

    def _past(self) -> float:
        """Work on the past for a moment; seconds to rest, or until something else is due."""
        begun = time.thread_time()
        working = True
        while working and time.thread_time() - begun < _SLICE_S:
            working = self._step_back()
        if working:
            return time.thread_time() - begun
        return LOOK_EVERY.total_seconds()

    def _step_back(self) -> bool:
        """One step into the past of starts or of costs, whichever had less time so far; False when all is known."""
        steps = {"starts": self._backfill.step, "costs": self._metering.past}
        for what in sorted(steps, key=self._spent.__getitem__):
            begun = time.thread_time()
            if steps[what]():
                self._spent[what] += time.thread_time() - begun
                return True
        return False

    def _hold(self, unit: UnitOfWork) -> None:
        self._tenure.prolong(unit, self._sources.now())

    def _is_due(self, what: str, now: datetime, every: timedelta) -> bool:
        """Whether something is due; then it counts as done now. A clock that was set back makes everything due."""
        last = self._due.get(what)
        if last is not None and timedelta(0) <= now - last < every:
            return False
        self._due[what] = now
        return True

    def _unreachable(self, error: SourceUnavailable) -> None:
        if not self._away:
            meanwhile = "remembered" if self._recorders else "not recorded"
            log.warning("%s Starts are %s until it is back.", error, meanwhile)
        self._away = True
        dropped = sum(recorder.bound(KEPT_WITHOUT_DATABASE) for recorder in self._recorders)
        if dropped and not self._dropped:
            log.error("more starts than can be remembered wait for the database; the oldest are let go")
            self._dropped = True

    def _back(self) -> None:
        if self._away:
            log.info("the database is back; starts are written again")
        self._away = self._dropped = False

    def _reset(self) -> None:
        """Forget everything; what was written is read again by whoever works next."""
        self._recorders = []
        self._tenure.token = None
        self._marked.clear()


def _instant(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
