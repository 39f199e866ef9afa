"""What an action is: parameters in, a draft of steps out, and a way to see that it took effect."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from services.access import Right
from services.domain.change.plan import Draft, Plan, Risk, Step
from services.errors import Refused
from services.ports import Sources

P = TypeVar("P")


class Effect(StrEnum):
    """How far a change has taken effect."""

    DONE = "done"
    WAITING = "waiting"
    FAILED = "failed"  # it will not come any more


@dataclass(frozen=True)
class Verdict:
    """What was seen when looking whether a change took effect; ``says`` is one sentence for people, with figures."""

    effect: Effect
    says: str


class Action(ABC, Generic[P]):
    """One kind of change.

    A subclass states ``name`` (verb-noun, kebab case), ``title`` (on buttons), ``risk``, ``params`` (a frozen dataclass
    of JSON types, lists as tuples) and, where it is not ACT, ``right``. ``verify_within_s`` bounds how long the effect
    is awaited after the last step.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    risk: ClassVar[Risk]
    params: ClassVar[type[Any]]
    right: ClassVar[Right] = Right.ACT
    verify_within_s: ClassVar[float] = 120.0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Check the declaration and register the action, so that a bad one fails at start and not at a click."""
        super().__init_subclass__(**kwargs)
        if inspect.isabstract(cls):
            return
        if not (getattr(cls, "name", "") and getattr(cls, "title", "") and cls.__doc__):
            raise TypeError(f"{cls.__name__} needs a name, a title and a docstring")
        if not isinstance(getattr(cls, "risk", None), Risk) or not is_dataclass(getattr(cls, "params", None)):
            raise TypeError(f"{cls.__name__} needs a risk and a dataclass of parameters")
        known = ACTIONS.get(cls.name)
        if known is not None and type(known).__qualname__ != cls.__qualname__:
            raise TypeError(f"two actions are called {cls.name}")
        ACTIONS[cls.name] = cls()

    @abstractmethod
    def plan(self, params: P, sources: Sources) -> Draft:
        """Read live state (``sources.clusters[name].cluster.read``) and say what would be done; never writes.

        Raises Refused with a sentence for people when a guard says no. A draft without steps means "it is so already".
        """

    def recheck(self, plan: Plan, step: Step, sources: Sources) -> None:
        """Look once more just before a step that changes something is done; not asked when a change is taken back.

        Raises Refused when it must not be done any more.
        """

    @abstractmethod
    def verify(self, plan: Plan, sources: Sources) -> Verdict:
        """Read back whether the change took effect. Called again and again until DONE, FAILED or out of time."""

    def undo(self, plan: Plan, landed: Sequence[Step], sources: Sources) -> Draft | None:  # noqa: ARG002
        """How to take back the steps that landed, where the inverse of each is not the right way; else None."""
        return None

    def verify_undo(self, plan: Plan, sources: Sources) -> Verdict:  # noqa: ARG002
        """Read back whether ``plan``, which takes an earlier one back, took effect. By default its steps suffice."""
        return Verdict(Effect.DONE, "Everything is as it was before.")

    def parsed(self, given: Mapping[str, Any]) -> P:
        """Parameters from JSON. Raises Refused for what does not fit."""
        try:
            found: P = msgspec.convert(given, type=self.params)
        except msgspec.ValidationError as error:
            raise Refused(f"{self.title}: the parameters do not fit ({error}).") from error
        return found


ACTIONS: dict[str, "Action[Any]"] = {}
"""Every action by its name."""
