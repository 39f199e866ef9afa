"""Budgets as code: a YAML document, what is wrong with one, and what it would change.

::

    version: 1
    budgets:
      - id: research
        name: Research, monthly
        scope: team
        value: research
        amount_usd: 12000
        period: month
        begins: 1
        thresholds: [0.5, 0.8, 1]
        projected: true
        owner: Ada
        channel: finance

Name, scope and amount are needed. ``id`` tells a budget from others when its name changes; without it the name does.
``begins`` is the first day: of a week "monday", of a month or quarter 1 to 31; ``first_month`` (1 to 3) that of a
quarter. Days are those of the reporting zone. A document is the whole of the budgets: those it leaves out are removed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal, InvalidOperation
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from services.domain.cost import MICRO
from services.domain.cost.budget import THRESHOLDS, Budget
from services.domain.cost.budgetrules import MOST, clashes, wrong
from services.domain.cost.periods import KINDS, Calendar

VERSION = 1
MOST_BYTES = 200_000
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FIELDS = (
    "id", "name", "scope", "value", "amount_usd", "period", "begins", "first_month", "thresholds", "projected",
    "owner", "channel",
)  # fmt: skip
NEEDED = ("name", "scope", "amount_usd")


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a line, as an editor counts them from 1; 0 is the whole document."""

    line: int
    says: str


@dataclass(frozen=True)
class Document:
    """Budgets of a document, none of them where anything is ``wrong``: no half of it is ever taken."""

    budgets: tuple[Budget, ...] = ()
    wrong: tuple[Wrong, ...] = ()


@dataclass(frozen=True)
class Change:
    """A budget before and after; None before where it is added, None after where it is removed."""

    before: Budget | None
    after: Budget | None

    @property
    def what(self) -> str:
        """What happens to it: "add", "change" or "remove"."""
        return "add" if self.before is None else "remove" if self.after is None else "change"

    @property
    def fields(self) -> tuple[str, ...]:
        """What differs between the two, where there are two."""
        if self.before is None or self.after is None:
            return ()
        named = {"amount_micro": "amount", "calendar": "period"}
        return tuple(
            named.get(each.name, each.name)
            for each in fields(Budget)
            if getattr(self.before, each.name) != getattr(self.after, each.name)
        )


@dataclass(frozen=True)
class Plan:
    """What a document would change, and how many budgets stay as they are."""

    changes: tuple[Change, ...]
    unchanged: int


def text(budgets: Sequence[Budget]) -> str:
    """The document of budgets; reading it gives the same again, but for revisions."""
    stream = StringIO()
    writer = YAML()
    writer.default_flow_style = False
    writer.width = 10_000
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.dump({"version": VERSION, "budgets": [_written(one) for one in budgets]}, stream)
    return stream.getvalue()


def read(given: bytes | str, zone: str) -> Document:
    """The budgets of a document, or all that is wrong with it."""
    if len(given) > MOST_BYTES:
        return _unread(f"The document is larger than {MOST_BYTES:,} bytes.")
    try:
        told = given.decode("utf-8-sig") if isinstance(given, bytes) else given
        root = YAML(typ="safe", pure=True).compose(told)
    except UnicodeDecodeError:
        return _unread("The document is not UTF-8 text.")
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _unread(f"This is no YAML: {error.problem or error.context}.", 0 if mark is None else mark.line + 1)
    except (YAMLError, RecursionError, ValueError):
        return _unread("This is no YAML.")
    reader = _Reader(zone)
    budgets = reader.whole(root)
    return Document((), tuple(reader.wrong)) if reader.wrong else Document(tuple(budgets))


def plan(known: Sequence[Budget], wanted: Sequence[Budget]) -> Plan:
    """What ``wanted`` in place of the known budgets changes; what is added comes first, what is removed last."""
    ids = {one.id: one for one in known}
    named = {one.name.casefold(): one for one in known}
    given = {one.id for one in wanted}
    added, changed, taken = [], [], set[str]()
    for one in wanted:
        before = ids.get(one.id)
        if before is None and not one.id and one.name.casefold() in named:
            same = named[one.name.casefold()]
            before = None if same.id in given else same
        if before is None:
            added.append(Change(None, replace(one, id=one.id or fresh(one.name, {*ids, *given, *taken}), revision=0)))
            taken.add(str(added[-1].after.id) if added[-1].after else "")
            continue
        taken.add(before.id)
        changed.append(Change(before, replace(one, id=before.id, revision=before.revision)))
    removed = [Change(one, None) for one in known if one.id not in taken]
    differing = [change for change in changed if change.before != change.after]
    return Plan((*added, *differing, *removed), len(changed) - len(differing))


def fresh(name: str, taken: set[str]) -> str:
    """An id for a new budget, made of its name."""
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50] or "budget"
    number, found = 2, stem
    while found in taken:
        number, found = number + 1, f"{stem}-{number}"
    return found


def usd(micro: int) -> str:
    """An amount as it is written: 12000, 12000.5."""
    return f"{Decimal(micro) / MICRO:f}"


def _written(one: Budget) -> dict[str, Any]:
    calendar, amount = one.calendar, Decimal(one.amount_micro) / MICRO
    body: dict[str, Any] = {"id": one.id, "name": one.name, "scope": one.scope, "value": one.value}
    body["amount_usd"] = int(amount) if amount == int(amount) else float(amount)
    body["period"] = calendar.kind
    if calendar.kind != "day":
        body["begins"] = WEEKDAYS[calendar.day] if calendar.kind == "week" else calendar.day
    if calendar.kind == "quarter":
        body["first_month"] = calendar.month
    body |= {"thresholds": list(one.thresholds), "projected": one.projected}
    body |= {"owner": one.owner, "channel": one.channel}
    return {name: value for name, value in body.items() if value != ""}


def _unread(says: str, line: int = 0) -> Document:
    return Document((), (Wrong(line, says),))


class _Reader:
    """Reads a document's nodes and collects what is wrong with them, each with its line."""

    def __init__(self, zone: str) -> None:
        self.wrong: list[Wrong] = []
        self._zone = zone

    def whole(self, root: Node | None) -> list[Budget]:
        """The budgets of a document."""
        if root is None:
            self.wrong.append(Wrong(0, "The document is empty."))
            return []
        body = self._mapping(root, ("version", "budgets"), "the document")
        if "version" not in body:
            self.wrong.append(Wrong(0, f"version is missing: write version: {VERSION}."))
        elif self._scalar(body["version"]) != str(VERSION):
            self._say(body["version"], f"version is not {VERSION}, the one this console reads.")
        rows = body.get("budgets")
        if not isinstance(rows, SequenceNode):
            self._say(rows or root, "budgets is not a list.")
            return []
        if len(rows.value) > MOST:
            self._say(rows, f"There are more than {MOST} budgets.")
            return []
        found = [(node, one) for node in rows.value if (one := self._budget(node)) is not None]
        for place, says in clashes([one for _, one in found]):
            self._say(found[place][0], says)
        return [one for _, one in found]

    def _budget(self, node: Node) -> Budget | None:
        before = len(self.wrong)
        body = self._mapping(node, FIELDS, "a budget")
        for name in NEEDED:
            if isinstance(node, MappingNode) and name not in body:
                self._say(node, f"{name} is missing.")
        kind = self._of(body, "period", _one_of(KINDS), "month")
        thresholds = self._thresholds(body.get("thresholds"))
        calendar = self._calendar(node, body, kind)
        amount = self._of(body, "amount_usd", micro_of, 0)
        texts = {name: self._of(body, name, str, "") for name in ("id", "name", "scope", "value", "owner", "channel")}
        projected = self._of(body, "projected", _truth, default=True)
        if len(self.wrong) > before or calendar is None:
            return None
        one = Budget(amount_micro=amount, calendar=calendar, thresholds=thresholds, projected=projected, **texts)
        for says in wrong(one):
            self._say(node, says)
        return one

    def _calendar(self, node: Node, body: Mapping[str, Node], kind: str) -> Calendar | None:
        days = _one_of(WEEKDAYS) if kind == "week" else _number
        for name, so in (("begins", kind == "day"), ("first_month", kind != "quarter")):
            if so and name in body:
                self._say(body[name], f"{name} says nothing of a {kind}.")
        given = self._of(body, "begins", days, WEEKDAYS[0] if kind == "week" else 1)
        month = self._of(body, "first_month", _number, 1)
        try:
            return Calendar(kind, self._zone, WEEKDAYS.index(given) if isinstance(given, str) else given, month)
        except ValueError as error:
            self._say(body.get("begins", node), f"{error}.")
            return None

    def _thresholds(self, node: Node | None) -> tuple[float, ...]:
        if node is None:
            return THRESHOLDS
        if not isinstance(node, SequenceNode):
            self._say(node, "thresholds is not a list such as [0.5, 0.8, 1].")
            return ()
        found = []
        for each in node.value:
            try:
                found.append(float(Decimal(self._scalar(each))))
            except InvalidOperation:
                self._say(each, "A threshold is not a number such as 0.8.")
        return tuple(sorted(found))

    def _mapping(self, node: Node, names: Sequence[str], what: str) -> dict[str, Node]:
        if not isinstance(node, MappingNode):
            self._say(node, f"{what[0].upper()}{what[1:]} is not written as names with values.")
            return {}
        found: dict[str, Node] = {}
        for key, value in node.value:
            name = self._scalar(key)
            if name in found:
                self._say(key, f"{name} stands here twice.")
            elif name not in names:
                self._say(key, f"{name[:60] or 'This'} is not a name of {what}. Names are {', '.join(names)}.")
            elif isinstance(value, ScalarNode) and str(value.tag).endswith(":null"):
                self._say(key, f"{name} has no value.")
            else:
                found[name] = value
        return found

    def _of(self, body: Mapping[str, Node], name: str, take: Callable[[str], Any], default: Any) -> Any:
        """A value of a budget, or its default where it is missing or wrong."""
        if name not in body:
            return default
        node = body[name]
        if not isinstance(node, ScalarNode):
            self._say(node, f"{name} is not one value.")
            return default
        try:
            return take(str(node.value).strip())
        except ValueError as error:
            self._say(node, f"{name} {error}.")
            return default

    def _scalar(self, node: Node) -> str:
        return str(node.value).strip() if isinstance(node, ScalarNode) else ""

    def _say(self, node: Node, says: str) -> None:
        self.wrong.append(Wrong(node.start_mark.line + 1, says))


def _one_of(names: Sequence[str]) -> Callable[[str], str]:
    def take(given: str) -> str:
        if given.lower() not in names:
            raise ValueError(f"is none of {', '.join(names)}")
        return given.lower()

    return take


def micro_of(given: str) -> int:
    """An amount somebody wrote in dollars, as micro-dollars. Raises ValueError that says what is wrong."""
    try:
        amount = Decimal(given.replace(",", "").removeprefix("$").strip())
    except InvalidOperation:
        raise ValueError("is not an amount such as 12000 or 950.50") from None
    if not amount.is_finite() or abs(amount) > 10**12:
        raise ValueError("is out of all proportion")
    if amount * 100 != (amount * 100).to_integral_value():
        raise ValueError("has parts of a cent")
    return int(amount * MICRO)


def _number(given: str) -> int:
    if not re.fullmatch(r"\d{1,2}", given):
        raise ValueError("is not a whole number such as 1")
    return int(given)


def _truth(given: str) -> bool:
    if given.lower() not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return given.lower() == "true"
