"""Running a recorded operation step by step, in a worker: nothing is done before it is recorded.

A run may end anywhere. Before each step that changes something an event says that it is about to be done; after it
another says that it was. Whatever lies between the two is settled by looking at the live object.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from services.access import User
from services.actions import sending, steps
from services.actions.base import ACTIONS, Action, Effect, Verdict
from services.actions.hands import hand, impersonates
from services.domain.change.plan import QUIET, Plan, Step, StepKind, inverse
from services.errors import Conflict, Forbidden, OpsError, SourceUnavailable
from services.ports import Event, Operation, Sources, UnitOfWork, Work, Writable

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
HOLD_EVERY_S = 15.0
RECORD_TRIES = 30
VERIFY_EVERY_S = 3.0


class Lost(Exception):
    """The operation is no longer ours."""


class Stopped(Exception):
    """The process ends; the operation can be continued later."""


@dataclass(frozen=True)
class Means:
    """What a run works with. ``wait`` lets seconds pass and returns early when ``stop`` is set."""

    sources: Sources
    work: Work
    worker: str
    stop: threading.Event
    wait: Callable[[float], Any]


def landed_steps(plan: Plan, events: Sequence[Event]) -> list[Step]:
    """The plan's steps that changed something, each with the uid of what it left behind, waits included.

    A wait that failed is among them: what it waited for is to come back as well. A request that was sent is not.
    """
    done = {event.step: event.detail for event in events if event.kind == "step-done" and event.step is not None}
    begun = {event.step for event in events if event.kind == "step-started"}
    found = []
    for index, step in enumerate(plan.steps):
        if step.kind is StepKind.SEND:
            continue
        if step.kind in QUIET:
            if index in begun:
                # When things go back, the object may still say for a while that they failed.
                found.append(step if index in done else replace(step, body={**step.body, "fails": []}))
            continue
        if index not in done or not done[index].get("landed"):
            continue
        back = step.compensation
        if back is not None and not back.uid and done[index].get("uid"):
            step = replace(step, compensation=replace(back, uid=str(done[index]["uid"])))  # noqa: PLW2901
        found.append(step)
    return found


class Run:
    """One run of one operation by one worker."""

    def __init__(self, means: Means, operation: Operation, user: User) -> None:
        self._means, self._user = means, user
        self._id = operation.id
        self._cursor = operation.cursor
        self._plan = Plan.of(operation.plan)
        self._action: Action[Any] = ACTIONS[self._plan.action]
        self._hands: dict[str, Writable] = {}
        self._since_hold = 0.0

    def __call__(self) -> None:
        """Run to the end. Never raises: how it ended is in the record, as far as the record can be reached."""
        try:
            self._run()
        except Lost:
            log.info("operation %s was taken over", self._id)
        except Stopped:
            self._finish("interrupted", "The console was stopped while this ran. Continue or undo it.")
        except SourceUnavailable as error:
            # The record cannot be written: its lease will run out, and recovery looks at the live objects.
            log.warning("operation %s: %s", self._id, error)
        except Exception:
            log.exception("operation %s broke", self._id)
            self._finish("failed", "The console made a mistake here; its log has the details.")

    def _run(self) -> None:
        events = self._recorded()
        if any(event.kind == "compensating" for event in events):
            self._put_back(self._cursor, "", events)
            return
        started = {event.step for event in events if event.kind == "step-started"}
        for index in range(self._cursor, len(self._plan.steps)):
            step = self._plan.steps[index]
            try:
                self._step(index, step, again=index in started)
            except OpsError as error:
                if isinstance(error, SourceUnavailable) and error.source == "database":
                    raise
                self._failed(index, step, error)
                return
        self._verify()

    def _step(self, index: int, step: Step, *, again: bool) -> None:
        self._tick(0)
        if step.kind is StepKind.SEND:
            self._send(index, step, again=again)
            return
        self._log("step-started", step.says, step=index)
        landed_before = again and steps.landed(step, self._hand(step.ref.cluster))
        if step.kind not in QUIET and not self._plan.undoes and not landed_before:
            self._action.recheck(self._plan, step, self._means.sources)
        done = self._done(step, lambda said: self._log("waited", said, step=index), again=again)
        detail = {"landed": done.landed, "uid": done.uid, "version": done.version, "warnings": list(done.warnings)}
        self._log("step-done", done.says, step=index, detail=detail, cursor=index + 1)

    def _send(self, index: int, step: Step, *, again: bool) -> None:
        """Send a test request, unless it may have been sent before: nobody can take back what it costs."""
        if not again:
            # Before it is said to be started: what this refuses was certainly not sent, and may be later.
            sending.ready(step, self._hand(step.ref.cluster), self._means.sources)
            sending.affordable(self._plan, index, self._recorded())
        self._log("step-started", step.says, step=index)
        done = sending.unsure(step) if again else sending.sent(step, self._means.sources)
        detail = {"landed": False, **done.detail}
        self._log("step-done", done.says, step=index, detail=detail, cursor=index + 1)

    def _done(self, step: Step, tell: steps.Tell, *, again: bool) -> steps.Done:
        writer = self._hand(step.ref.cluster)
        if not impersonates(self._means.sources, self._user):
            steps.authorised(step, writer)
        return steps.performed(step, writer, tick=self._tick, tell=tell, again=again)

    def _hand(self, cluster: str) -> Writable:
        if cluster not in self._hands:
            self._hands[cluster] = hand(self._means.sources, cluster, self._user)
        return self._hands[cluster]

    def _failed(self, index: int, step: Step, error: OpsError) -> None:
        says = f"{_first_lower(step.says)} failed: {error}"
        kind = {Conflict: "conflict", Forbidden: "forbidden"}.get(type(error), type(error).__name__.lower())
        detail = {"error": kind} | dict(error.detail if isinstance(error, steps.Failed) else {})
        self._log("step-failed", f"{error} {error.hint}".strip(), step=index, detail=detail)
        if self._plan.on_failure == "compensate":
            self._put_back(index, says, self._recorded())
            return
        landed = len([step for step in landed_steps(self._plan, self._recorded()) if step.kind not in QUIET])
        self._finish("failed", f"Step {index + 1} of {len(self._plan.steps)}, {says} {_landed(landed)}")

    def _put_back(self, index: int, says: str, events: Sequence[Event]) -> None:
        """Take back what landed. Every step of it may be repeated: what is back already is left alone."""
        if not says:
            says = next((event.says for event in events if event.kind == "compensating"), "A step failed.")
        else:
            self._log("compensating", says, step=index)
        # The step that failed may have landed all the same: its answer may have been lost.
        suspect = self._plan.steps[index] if index < len(self._plan.steps) else None
        landed = landed_steps(self._plan, events)
        if suspect is not None and suspect.compensation and steps.landed(suspect, self._hand(suspect.ref.cluster)):
            landed.append(suspect)
        for step in inverse(landed):
            self._tick(0)
            try:
                done = self._done(step, lambda said: self._log("waited", said), again=True)
            except OpsError as error:
                if isinstance(error, SourceUnavailable) and error.source == "database":
                    raise
                self._finish("failed", f"{says} Putting it back failed as well: {error}")
                return
            self._log("compensated", done.says)
        self._finish("failed", f"{says} Everything was put back.")

    def _verify(self) -> None:
        left = self._action.verify_within_s
        verdict = Verdict(Effect.WAITING, "")
        while True:
            try:
                look = self._action.verify_undo if self._plan.undoes else self._action.verify
                verdict = look(self._plan, self._means.sources)
            except OpsError as error:
                verdict = Verdict(Effect.WAITING, str(error))
            if verdict.effect is not Effect.WAITING or left <= 0:
                break
            pause = min(VERIFY_EVERY_S, left)
            self._tick(pause)
            left -= pause
        if verdict.effect is Effect.DONE:
            self._finish("done", "Done.", verification=verdict.says, kind="verified")
        elif verdict.effect is Effect.FAILED and self._plan.on_failure == "compensate":
            self._put_back(len(self._plan.steps), verdict.says, self._recorded())
        elif verdict.effect is Effect.FAILED:
            self._finish("failed", "It was applied and did not take effect.", verification=verdict.says)
        else:
            outcome = f"It was applied; the effect was not seen within {self._action.verify_within_s:.0f} seconds."
            self._finish("unverified", outcome, verification=verdict.says, kind="unverified")

    def _tick(self, seconds: float) -> None:
        """Let time pass in small pieces, keeping the lease; raises Lost or Stopped."""
        left = seconds
        while True:
            if self._means.stop.is_set():
                raise Stopped
            pause = min(left, HOLD_EVERY_S - self._since_hold)
            if pause > 0:
                self._means.wait(pause)
            left -= pause
            self._since_hold += pause
            if self._since_hold >= HOLD_EVERY_S:
                self._hold()
            if left <= 0:
                return

    def _hold(self) -> None:
        self._since_hold = 0.0
        try:
            with self._means.work() as unit:
                kept = unit.operations.hold(
                    self._id, worker=self._means.worker, lease_until=self._means.sources.now() + LEASE
                )
                unit.commit()
        except SourceUnavailable:
            return  # waiting needs no record; the next step does, and will find out
        if not kept:
            raise Lost

    def _log(
        self,
        kind: str,
        says: str,
        *,
        step: int | None = None,
        detail: dict[str, Any] | None = None,
        cursor: int | None = None,
    ) -> None:
        event = Event(
            operation=self._id,
            kind=kind,
            at=self._means.sources.now(),
            actor=self._user.id,
            says=says,
            step=step,
            detail=detail or {},
        )

        def write(unit: UnitOfWork) -> bool:
            # The lease is prolonged with every event, so that a step begins with all of it before it.
            lease = self._means.sources.now() + LEASE
            return unit.operations.hold(self._id, worker=self._means.worker, lease_until=lease) and unit.operations.log(
                event, worker=self._means.worker, cursor=cursor
            )

        self._write(write)
        self._since_hold = 0.0

    def _write(self, change: Callable[[UnitOfWork], bool]) -> None:
        """Commit a change of the record, trying for a while when the database is away. Raises Lost."""
        for left in reversed(range(RECORD_TRIES)):
            try:
                with self._means.work() as unit:
                    kept = change(unit)
                    unit.commit()
            except SourceUnavailable:
                if not left or self._means.stop.is_set():
                    raise
                self._means.wait(1.0)
                continue
            if not kept:
                raise Lost
            return

    def _finish(self, state: str, outcome: str, *, verification: str = "", kind: str = "") -> None:
        at = self._means.sources.now()
        ended = [Event(self._id, kind, at, self._user.id, verification)] if kind else []
        ended.append(Event(self._id, state, at, self._user.id, outcome, detail={"verification": verification}))
        taken_back = self._plan.undoes if state in ("done", "unverified") else ""

        def write(unit: UnitOfWork) -> bool:
            kept = unit.operations.finish(
                self._id, state, ended, at=at, outcome=outcome, verification=verification, worker=self._means.worker
            )
            if kept and taken_back:
                says = f"Taken back by {self._user.name}."
                undone = Event(taken_back, "undone", at, self._user.id, says, detail={"by": self._id})
                unit.operations.undone(taken_back, self._id, undone)
            return kept

        try:
            self._write(write)
        except Lost:
            log.info("operation %s was taken over", self._id)
        except SourceUnavailable as error:
            log.warning("operation %s ended as %s and could not be recorded: %s", self._id, state, error)

    def _recorded(self) -> Sequence[Event]:
        with self._means.work.reading() as unit:
            return unit.operations.events(self._id)


def _first_lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _landed(count: int) -> str:
    if not count:
        return "Nothing was changed."
    return f"{count} {'change' if count == 1 else 'changes'} before it landed and can be taken back."
