"""The one way every change goes: plan → rehearse → review → apply → verify → undo.

Effects happen only in workers (:mod:`services.actions.runner`), only after they were recorded, and with the rights of
the person who asked for them.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from dataclasses import is_dataclass, replace
from typing import Any

import msgspec

from services.access import Right, User, require, why_not
from services.actions import runner, steps
from services.actions.admission import check, confirmation, record, standing, within_breaker
from services.actions.base import ACTIONS, Action
from services.actions.rehearsing import Answer, Rehearsal, answers
from services.actions.undoing import Choice, Undo, UndoField, against_live
from services.domain.change import ownership, redact
from services.domain.change.plan import QUIET, Draft, Plan, Risk, StepKind, inverse
from services.errors import NotFound, OpsError, Refused
from services.ports import Event, Operation, Sources, Work

__all__ = ["Answer", "Engine", "Rehearsal", "Undo", "UndoField", "confirmation"]

log = logging.getLogger(__name__)

LONGEST_REASON = 1000


class Engine:
    """Plans, rehearses, applies, verifies and takes back; the only code that writes to clusters.

    ``pool`` runs operations; ``worker`` names this process in records; ``wait`` lets seconds pass (tests do not wait).
    """

    def __init__(
        self, sources: Sources, *, pool: Executor, worker: str = "", wait: Callable[[float], Any] | None = None
    ) -> None:
        self._sources, self._pool = sources, pool
        self._worker = worker or uuid.uuid4().hex
        self._stop = threading.Event()
        self._wait = wait or self._stop.wait

    def plan(self, user: User, action: str, params: Mapping[str, Any] | object) -> Plan:
        """What the action would do now. Raises Refused (right, guard, parameters) and source errors."""
        acting = _action(action)
        self._require(user, acting.right)
        given = msgspec.to_builtins(params) if is_dataclass(params) else params
        parsed = acting.parsed(msgspec.convert(given, type=dict[str, Any]))
        draft = acting.plan(parsed, self._sources)
        return self._stamped(draft, acting, msgspec.to_builtins(parsed))

    def rehearse(self, plan: Plan, user: User) -> Rehearsal:
        """Send the plan's writes as dry runs with the person's rights. Never raises: what is wrong is in the answer."""
        refusal = why_not(user, ACTIONS[plan.action].right, policy=self._sources.policy.actions, now=self._now())
        if refusal:
            return Rehearsal(plan.id, (), refusal)
        return Rehearsal(plan.id, answers(plan, user, self._sources), standing(plan, self._sources))

    def apply(self, plan: Plan, user: User, *, reason: str, rehearsal: Rehearsal, typed: str = "") -> str:
        """Record the plan and hand it to a worker, or to a second person; the operation's id, which is the plan's.

        Raises Refused when something of what a change needs is missing, SourceUnavailable when it cannot be recorded;
        nothing was done then.
        """
        self._require(user, ACTIONS[plan.action].right)
        check(plan, self._sources, reason=reason, rehearsal=rehearsal, typed=typed)
        now, waits = self._now(), self._needs_second(plan)
        said = f"{user.name}: {plan.summary}"
        events = [Event(plan.id, "proposed", now, user.id, said, detail={"reason": reason})]
        if not waits:
            events.append(Event(plan.id, "applied", now, user.id, "Handed to a worker."))
        operation = Operation(
            id=plan.id,
            action=plan.action,
            summary=plan.summary,
            state="proposed" if waits else "running",
            plan=plan.stored(),
            reason=reason.strip()[:LONGEST_REASON],
            actor=user.id,
            actor_name=user.name,
            roles=user.roles,
            address=user.address,
            mode=self._sources.mode,
            proposed_at=now,
            started_at=None if waits else now,
            worker="" if waits else self._worker,
            lease_until=None if waits else now + runner.LEASE,
            rehearsal=[msgspec.to_builtins(answer) for answer in rehearsal.answers],
            undoes=plan.undoes,
            clusters=plan.clusters,
        )
        with within_breaker(plan, user, self._sources) as unit:
            unit.operations.propose(operation, events, targets=[ref.key for ref in plan.refs])
        if not waits:
            self._submit(operation, user)
        return plan.id

    def approve(self, id: str, user: User, *, reason: str) -> None:
        """Let a proposed operation run; the person must be another one than who proposed it.

        It runs with the rights of who approves. Raises Refused, StalePlan while it runs.
        """
        operation = self._proposed(id, user)
        if operation.actor == user.id:
            raise Refused("A second person has to approve this; you proposed it yourself.")
        says = f"Approved by {user.name}."
        self._take(operation, user, Event(id, "approved", self._now(), user.id, says, detail={"reason": reason}))

    def decline(self, id: str, user: User, *, reason: str) -> None:
        """Turn a proposed operation down; who proposed it may do so as well."""
        self._proposed(id, user)
        event = Event(id, "declined", self._now(), user.id, f"Declined by {user.name}.", detail={"reason": reason})
        with self._work()() as unit:
            declined = unit.operations.finish(id, "declined", [event], at=event.at, outcome=event.says)
            unit.commit()
        if not declined:
            raise Refused("Somebody else was faster; look at the operation again.")

    def resume(self, id: str, user: User, *, reason: str) -> None:
        """Go on with an interrupted or failed operation from the step it stands at."""
        operation = self._operation(id)
        self._require(user, ACTIONS[operation.action].right)
        if operation.state not in ("interrupted", "failed"):
            raise Refused(f"This operation is {operation.state}; only an interrupted or failed one can be continued.")
        if operation.undone_by:
            raise Refused("This operation was taken back.")
        if self._sources.policy.actions.mode == "dry-run":
            raise Refused("This installation only rehearses; nothing is applied.")
        says = f"Continued by {user.name} at step {operation.cursor + 1}."
        self._take(operation, user, Event(id, "resumed", self._now(), user.id, says, detail={"reason": reason}))

    def plan_undo(self, id: str, user: User, *, keep: Collection[Choice] | None = None) -> Undo:
        """A plan that takes the operation back, against today's live state.

        ``keep`` chooses the fields (step, path) to put back; without it those that still are what we set.
        """
        operation = self._operation(id)
        acting = _action(operation.action)
        self._require(user, acting.right)
        if operation.state in ("proposed", "running", "declined"):
            raise Refused(f"This operation is {operation.state}; there is nothing to take back.")
        if operation.undone_by:
            raise Refused("This operation was taken back already.")
        plan = Plan.of(operation.plan)
        with self._work().reading() as unit:
            events = unit.operations.events(id)
        landed = runner.landed_steps(plan, events)
        landed += self._suspects(plan, events)
        draft = acting.undo(plan, landed, self._sources)
        inverted = inverse(landed) if draft is None else draft.steps
        chosen, fields = against_live(inverted, self._sources, keep)
        undoing = replace(
            plan,
            id=uuid.uuid4().hex,
            summary=f"Take back: {plan.summary}",
            steps=tuple(chosen),
            made_at=self._now(),
            warnings=() if draft is None else tuple(draft.warnings),
            blast=() if draft is None else tuple(draft.blast),
            on_failure="stop",
            undoes=id,
            promise=None if plan.promise is None else plan.promise.taken_back(),
        )
        return Undo(undoing, tuple(fields))

    def recover(self) -> list[str]:
        """Mark operations whose worker is gone as interrupted, each with what is live now; their ids."""
        found = []
        with self._work().reading() as unit:
            expired = unit.operations.expired(self._now())
        for operation in expired:
            events = self._found(operation)
            outcome = "Its process ended. " + (events[-1].says if events else "No step was under way.")
            interrupted = Event(operation.id, "interrupted", self._now(), self._worker, outcome)
            with self._work()() as unit:
                kept = unit.operations.begin(
                    operation.id, worker=self._worker, lease_until=self._now() + runner.LEASE, at=self._now()
                )
                for event in events if kept else ():
                    cursor = operation.cursor + 1 if event.kind == "step-done" else None
                    unit.operations.log(event, worker=self._worker, cursor=cursor)
                kept = kept and unit.operations.finish(
                    operation.id, "interrupted", [interrupted], at=interrupted.at, outcome=outcome, worker=self._worker
                )
                unit.commit()
            if kept:
                found.append(operation.id)
        return found

    def forget(self) -> int:
        """Remove what the audit need not keep any longer; how many events."""
        with self._work()() as unit:
            gone = unit.operations.prune(self._now() - self._sources.policy.actions.audit_kept)
            unit.commit()
        return gone

    def reset_breaker(self, user: User, *, reason: str) -> None:
        """Close the fleet-wide breaker again; needs ADMIN and a reason."""
        self._require(user, Right.ADMIN)
        if not reason.strip():
            raise Refused("Say why the breaker may be closed again.")
        event = Event("", "breaker-reset", self._now(), user.id, f"Reset by {user.name}.", detail={"reason": reason})
        with self._work()() as unit:
            if unit.operations.breaker() is None:
                raise Refused("The breaker is not tripped.")
            unit.operations.log(event)
            unit.commit()

    def close(self) -> None:
        """Stop workers at the next safe point; their operations are interrupted and can be continued."""
        self._stop.set()
        self._pool.shutdown(wait=True)

    def _now(self) -> Any:
        return self._sources.now()

    def _work(self) -> Work:
        return record(self._sources)

    def _require(self, user: User, right: Right) -> None:
        require(user, right, policy=self._sources.policy.actions, now=self._now())

    def _stamped(self, draft: Draft, acting: Action[Any], params: Mapping[str, Any]) -> Plan:
        return Plan(
            id=uuid.uuid4().hex,
            action=acting.name,
            summary=draft.summary,
            steps=tuple(draft.steps),
            made_at=self._now(),
            risk=draft.risk or acting.risk,
            params=redact.redacted(params),
            warnings=tuple(draft.warnings),
            blast=tuple(draft.blast),
            owners=tuple(dict.fromkeys([*draft.owners, *_owners(draft)])),
            nodes=tuple((cluster, pool, tuple(names)) for (cluster, pool), names in draft.nodes.items()),
            confirm=draft.confirm,
            on_failure=draft.on_failure,
            promise=draft.promise,
        )

    def _needs_second(self, plan: Plan) -> bool:
        return self._sources.policy.actions.second_person and plan.risk is Risk.HIGH

    def _operation(self, id: str) -> Operation:
        with self._work().reading() as unit:
            operation = unit.operations.get(id)
        if operation is None:
            raise NotFound("There is no such operation.")
        return operation

    def _proposed(self, id: str, user: User) -> Operation:
        operation = self._operation(id)
        self._require(user, ACTIONS[operation.action].right)
        if operation.state != "proposed":
            raise Refused(f"This operation is {operation.state}; it waits for nobody.")
        return operation

    def _take(self, operation: Operation, user: User, event: Event) -> None:
        """Make the operation ours and run it; refused when somebody else took it first."""
        with within_breaker(Plan.of(operation.plan), user, self._sources) as unit:
            lease = event.at + runner.LEASE
            if not unit.operations.begin(operation.id, worker=self._worker, lease_until=lease, at=event.at):
                raise Refused("Somebody else was faster; look at the operation again.")
            unit.operations.log(event, worker=self._worker)
        self._submit(operation, user)

    def _submit(self, operation: Operation, user: User) -> None:
        means = runner.Means(self._sources, self._work(), self._worker, self._stop, self._wait)
        self._pool.submit(runner.Run(means, operation, user))

    def _suspects(self, plan: Plan, events: Any) -> list[Any]:
        """Steps that were started and not recorded as done, and yet are live."""
        done = {event.step for event in events if event.kind == "step-done"}
        started = sorted({event.step for event in events if event.kind == "step-started"} - done)
        found = []
        for index in started:
            step = plan.steps[index]
            if step.compensation and steps.landed(step, self._sources.clusters[step.ref.cluster].cluster):
                found.append(step)
        return found

    def _found(self, operation: Operation) -> list[Event]:
        """What live says of the step that was under way when the process ended."""
        plan = Plan.of(operation.plan)
        with self._work().reading() as unit:
            events = unit.operations.events(operation.id)
        started = [event.step for event in events if event.kind == "step-started"]
        index = operation.cursor
        if index not in started or index >= len(plan.steps):
            return []
        step, now = plan.steps[index], self._now()
        if step.kind is StepKind.SEND:
            says = f"The request of step {index + 1} may have been sent; it is not sent again."
            return [Event(operation.id, "note", now, self._worker, says, index)]
        if step.kind in QUIET:
            return []
        try:
            landed = steps.landed(step, self._sources.clusters[step.ref.cluster].cluster)
        except (OpsError, KeyError) as error:
            return [Event(operation.id, "note", now, self._worker, f"Whether step {index + 1} landed: {error}", index)]
        if landed:
            says = f"Step {index + 1} had landed: {step.ref} is as it was to be set."
            return [Event(operation.id, "step-done", now, self._worker, says, index, {"landed": True})]
        says = (
            f"Step {index + 1} had not landed: {step.ref} is as it was before."
            if landed is False
            else f"Step {index + 1} may have been half way; {step.ref} is neither as before nor as it was to be."
        )
        return [Event(operation.id, "note", now, self._worker, says, index)]


def _action(name: str) -> Action[Any]:
    if name not in ACTIONS:
        raise Refused("There is no such action.")
    return ACTIONS[name]


def _owners(draft: Draft) -> list[str]:
    """What the GitOps guard says of the objects the steps were made from."""
    said = [(live.ref, ownership.owner(live.body)) for live in draft.seen.values()]
    return [f"{ref}: {owner}" for ref, owner in said if owner]
