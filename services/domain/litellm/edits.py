"""From the chains a person wants to the smallest edits of the text that holds them; and moving tiers about."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.domain import litellm
from services.domain.litellm import DEFAULTS, KINDS, ROUTER, Chain, Config, Deployment, Place, yamltext, yamltree
from services.domain.litellm.settings import STRATEGIES, Value, checked
from services.domain.litellm.yamltree import Node
from services.errors import Refused

Edit = dict[str, Any]

_HAND = "Edit it by hand."


def edits(
    text: str,
    wanted: Sequence[Chain],
    defaults: Sequence[str] | None = None,
    settings: Mapping[str, Value | None] | None = None,
    strategies: Mapping[str, str] | None = None,
) -> list[Edit]:
    """The edits after which every chain of ``wanted``, and the defaults where given, is as wanted.

    ``settings`` of the router by name, None takes one out; ``strategies`` by model group, "" is the router's. Groups
    and settings that are not named stay as they are. Edits apply one after the other. Raises Refused.
    """
    writer = _Writer(text)
    for chain in wanted:
        _check(writer.config, chain)
    for chain in wanted:
        for place in chain.tiers:
            writer.place(place)
        for kind in KINDS:
            writer.rule(kind, chain.group, tuple(getattr(chain, kind)))
    if defaults is not None:
        writer.default(tuple(defaults))
    checked(settings or {})
    for name, setting in (settings or {}).items():
        writer.setting(name, setting)
    for group, strategy in (strategies or {}).items():
        writer.strategy(group, strategy)
    for chain in wanted:
        found, kept = writer.config.chain(chain.group), {place.key for place in chain.tiers}
        if not same(replace(found, tiers=tuple(place for place in found.tiers if place.key in kept)), chain):
            raise Refused(
                f"The chain of {chain.group} would not become what you asked for.",
                hint="The same list may stand in two sections of the file: remove one by hand.",
            )
    writer.leave(wanted)  # last: positions change
    return writer.edits


def same(one: Chain, other: Chain) -> bool:
    """Whether two chains try the same in the same order."""
    return (set(one.tiers), *(getattr(one, kind) for kind in KINDS)) == (
        set(other.tiers),
        *(getattr(other, kind) for kind in KINDS),
    )


def ranks(tiers: Sequence[Place]) -> list[list[Place]]:
    """Tiers by the order they are tried in; those of one rank share its traffic. Without an order: last."""
    orders = sorted({place.order for place in tiers if place.order is not None})
    found = [[place for place in tiers if place.order == order] for order in orders]
    last = [place for place in tiers if place.order is None]
    return [*found, last] if last else found


def moved(chain: Chain, key: str, by: int) -> Chain:
    """The chain with a tier one rank up (``by`` -1) or down (+1); a tier that shares its rank first leaves it."""
    found = ranks(chain.tiers)
    at = next(i for i, rank in enumerate(found) for place in rank if place.key == key)
    mine = [place for place in found[at] if place.key == key]
    others = [place for place in found[at] if place.key != key]
    if others:
        found[at : at + 1] = [mine, others] if by < 0 else [others, mine]
    elif 0 <= at + by < len(found):
        found[at], found[at + by] = found[at + by], found[at]
    return _numbered(chain, found)


def joined(chain: Chain, key: str) -> Chain:
    """The chain with a tier in the rank above, sharing its traffic."""
    found = ranks(chain.tiers)
    at = next(i for i, rank in enumerate(found) for place in rank if place.key == key)
    if at == 0:
        return chain
    mine = [place for place in found[at] if place.key == key]
    found[at - 1] = [*found[at - 1], *mine]
    found[at] = [place for place in found[at] if place.key != key]
    return _numbered(chain, [rank for rank in found if rank])


def ahead(chain: Chain, key: str) -> Chain:
    """The chain with a tier tried before all others."""
    mine = [place for place in chain.tiers if place.key == key]
    return _numbered(chain, [mine, *_without(chain, key)])


def behind(chain: Chain, key: str) -> Chain:
    """The chain with a tier tried after all others."""
    mine = [place for place in chain.tiers if place.key == key]
    return _numbered(chain, [*_without(chain, key), mine])


def _without(chain: Chain, key: str) -> list[list[Place]]:
    left = [[place for place in rank if place.key != key] for rank in ranks(chain.tiers)]
    return [rank for rank in left if rank]


def shifted(names: Sequence[str], name: str, by: int) -> tuple[str, ...]:
    """The list with a name one place up (-1) or down (+1)."""
    found = list(names)
    at = found.index(name)
    to = min(max(at + by, 0), len(found) - 1)
    found[at], found[to] = found[to], found[at]
    return tuple(found)


def _numbered(chain: Chain, found: Sequence[Sequence[Place]]) -> Chain:
    """The chain with orders for these ranks: the numbers it had where there are as many, else 1, 2, 3…"""
    had = sorted({place.order for place in chain.tiers if place.order is not None})
    numbers = had if len(had) == len(found) else range(1, len(found) + 1)
    return replace(
        chain,
        tiers=tuple(replace(place, order=n) for n, rank in zip(numbers, found, strict=True) for place in rank),
    )


def _check(config: Config, chain: Chain) -> None:
    """Refuse what could not be, whatever the text looks like."""
    known = {one.key: one for one in config.of(chain.group)}
    if not known:
        raise Refused(f"The file has no model group {chain.group} any more.", hint="Look at it again.")
    asked = [place.key for place in chain.tiers]
    if len(set(asked)) != len(asked) or not set(asked) <= set(known):
        raise Refused(
            f"The deployments of {chain.group} in the file are not those you saw.", hint="Look at them again."
        )
    if not asked:
        raise Refused(f"{chain.group} would have no deployment left.", hint="Keep one, or remove the group by hand.")
    for place in chain.tiers:
        if place.order is not None and not 0 <= place.order <= 1000:
            raise Refused("An order is a whole number from 0 to 1000.")
        if place.weight is not None and not 0 <= place.weight <= 1e6:
            raise Refused("A weight is a number from 0 to 1,000,000.")
        if place.timeout is not None and not 0.1 <= place.timeout <= 86_400:
            raise Refused("A timeout is a number of seconds from 0.1 to 86,400.")
    if all(place.blocked for place in chain.tiers):
        raise Refused(f"Every deployment of {chain.group} would be out of rotation.", hint="Keep one in.")
    for kind in KINDS:
        _targets(config, chain.group, getattr(chain, kind))


def _targets(config: Config, group: str, names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        raise Refused(f"{group or 'The default'} names the same group twice.")
    if group in names:
        raise Refused(f"{group} cannot fall back to itself.")
    present = {*config.groups, *config.aliases, *(name for rule in config.rules for name in rule.targets)}
    present |= {name for names in config.defaults.values() for name in names}
    for name in names:
        if name not in present:
            raise Refused(f"There is no model group {name}.", hint="Choose one that has a deployment.")


class _Writer:
    """The text as it would be after the edits so far; every edit is made against it."""

    def __init__(self, text: str) -> None:
        self.text, self.config = text, litellm.read(text)
        self.edits: list[Edit] = []

    def place(self, wanted: Place) -> None:
        """Give a deployment its order and weight."""
        known = {one.key: one for one in self.config.deployments}[wanted.key]
        self._field(known, known.order_in, "order", known.order, wanted.order)
        self._field(known, "litellm_params", "weight", known.weight, wanted.weight)
        self._field(known, "litellm_params", "timeout", known.timeout, wanted.timeout)
        if wanted.blocked != known.blocked:
            self._rotation(known, blocked=wanted.blocked)

    def setting(self, name: str, wanted: Value | None) -> None:
        """Give the router a setting; None takes it out of its section, so that what is below counts."""
        if name in self.config.unusable:
            raise Refused(f"The file's {ROUTER}.{name} is nothing LiteLLM can use.", hint=_HAND)
        written = yamltree.at(self._root, [ROUTER, name])
        had = None if written is None else yamltree.value(written)
        value = _short(wanted) if isinstance(wanted, float) else wanted
        if wanted is None:
            if had is not None:
                self._do("remove", [ROUTER, name], before=had)
        elif had is None:
            self._under(ROUTER, name, value)
        elif had != value or isinstance(had, bool) != isinstance(value, bool):
            self._do("set", [ROUTER, name], before=had, after=value)

    def strategy(self, group: str, wanted: str) -> None:
        """Give a model group a strategy of its own; "" takes it away."""
        if wanted and wanted not in STRATEGIES:
            raise Refused(f"There is no routing strategy {wanted[:60]}.")
        if group not in self.config.groups:
            raise Refused(f"The file has no model group {group[:60]}.", hint="Look at it again.")
        mine = next((one for one in self.config.routing_groups if group in one.models), None)
        if (mine.strategy if mine is not None else "") == wanted:
            return
        if mine is None:
            self._append(ROUTER, "routing_groups", self._grouped(group, wanted))
            return
        if mine.strategy not in STRATEGIES:
            raise Refused(f"{group} is in a routing group with a strategy of its own kind.", hint=_HAND)
        path: list[str | int] = [ROUTER, "routing_groups", mine.place]
        if len(mine.models) == 1 and wanted:
            self._do("set", [*path, "routing_strategy"], before=mine.strategy, after=wanted)
            return
        if len(mine.models) == 1:
            whole = {"group_name": mine.name, "models": list(mine.models), "routing_strategy": mine.strategy}
            if set(yamltree.keys(yamltree.at(self._root, path))) != set(whole):
                raise Refused(f"The routing group of {group} has parameters of its own.", hint=_HAND)
            self._do("remove", path, before=whole)
            return
        others = [name for name in mine.models if name != group]
        self._do("list", [*path, "models"], before=list(mine.models), after=others)
        if wanted:
            self._append(ROUTER, "routing_groups", self._grouped(group, wanted))

    def _grouped(self, group: str, strategy: str) -> dict[str, Any]:
        """An entry for one group; its name must be no model group's."""
        taken = {*self.config.groups, *self.config.aliases, *(one.name for one in self.config.routing_groups)}
        name = next(name for n in range(1, 1000) if (name := f"{group}-routing{n if n > 1 else ''}") not in taken)
        return {"group_name": name, "models": [group], "routing_strategy": strategy}

    def _rotation(self, known: Deployment, *, blocked: bool) -> None:
        """``model_info.blocked`` is what the router leaves a deployment out by."""
        path: list[str | int] = ["model_list", known.place, "model_info"]
        written = yamltree.at(self._root, [*path, "blocked"])
        if not blocked:
            self._do("remove", [*path, "blocked"], before=True)
        elif written is not None:
            self._do("set", [*path, "blocked"], before=yamltree.value(written), after=True)
        elif yamltree.at(self._root, path) is None:
            self._do("add", path, after={"blocked": True})
        else:
            self._do("add", [*path, "blocked"], after=True)

    def rule(self, kind: str, group: str, targets: tuple[str, ...]) -> None:
        """Give a group its fallbacks of a kind; none removes its rule."""
        section = self.config.section(kind)
        mine = [one for one in self.config.rules if (one.kind, one.section, one.group) == (kind, section, group)]
        if targets == self.config.in_force(kind).get(group, ()):
            return
        wrong = [one for one in mine if one.wrong]
        if wrong:
            raise Refused(f"The {_words(kind)} of {group} cannot be edited: {wrong[0].wrong}.", hint=_HAND)
        if not targets:
            for one in reversed(mine):
                self._do("remove", [section, kind, one.place], before={group: list(one.targets)})
        elif mine and mine[0].targets:
            path: list[str | int] = [section, kind, mine[0].place, group]
            self._do("list", path, before=list(mine[0].targets), after=list(targets))
        elif mine:
            raise Refused(f"The {_words(kind)} of {group} are an empty list.", hint=_HAND)
        else:
            self._append(section, kind, {group: list(targets)})

    def default(self, targets: tuple[str, ...]) -> None:
        """Set the fallbacks of groups without a rule of their own."""
        _targets(self.config, "", targets)
        section, had = self.config.section(DEFAULTS), self.config.default_fallbacks
        if targets == had:
            return
        if section in self.config.defaults_text:
            self._do("set", [section, DEFAULTS], before=had[0], after=list(targets))
        elif not targets:
            self._do("remove", [section, DEFAULTS], before=list(had))
        elif had:
            self._do("list", [section, DEFAULTS], before=list(had), after=list(targets))
        else:
            self._under(section, DEFAULTS, list(targets))

    def leave(self, wanted: Sequence[Chain]) -> None:
        """Comment the deployments out that their chains no longer have."""
        kept = {chain.group: {place.key for place in chain.tiers} for chain in wanted}
        gone = [one.place for one in self.config.deployments if one.key not in kept.get(one.group, {one.key})]
        for place in sorted(gone, reverse=True):
            self._do("comment", ["model_list", place])

    def _field(self, known: Deployment, part: str, key: str, had: float | None, wanted: float | None) -> None:
        path: list[str | int] = ["model_list", known.place, part, key]
        if had == wanted:
            return
        if had is None:
            self._do("add", path, after=_short(wanted))
            return
        written = yamltree.at(self._root, path)
        before = None if written is None else yamltree.value(written)  # 1 and 1.0 are different texts
        self._do("remove" if wanted is None else "set", path, before=before, after=_short(wanted))

    @property
    def _root(self) -> Node | None:
        return yamltree.parsed(self.text).root

    def _append(self, section: str, kind: str, rule: dict[str, Any]) -> None:
        there = yamltree.at(self._root, [section, kind])
        if there is not None and there.kind == "sequence":
            self._do("add", [section, kind, len(there.items)], after=rule)
        else:
            self._under(section, kind, [rule])

    def _under(self, section: str, key: str, value: Any) -> None:
        holder, there = (yamltree.at(self._root, path) for path in ([section], [section, key]))
        if holder is None:
            self._do("add", [section], after={key: value})
        elif holder.text and yamltree.value(holder) is None:  # "null" is written out
            self._do("set", [section], before=None, after={key: value})
        elif there is None:
            self._do("add", [section, key], after=value)
        else:
            self._do("set", [section, key], before=[] if there.kind == "sequence" else None, after=value)

    def _do(self, op: str, path: Sequence[str | int], *, before: Any = None, after: Any = None) -> None:
        edit: Edit = {"op": op, "path": list(path)}
        if op in ("set", "remove", "list"):
            edit["before"] = before
        if op in ("set", "add", "list"):
            edit["after"] = after
        self.text = yamltext.apply(self.text, [edit])
        self.config = litellm.read(self.text)
        self.edits.append(edit)


def _short(number: float | None) -> float | int | None:
    return int(number) if number is not None and float(number).is_integer() else number


def _words(kind: str) -> str:
    return kind.replace("_", " ")
