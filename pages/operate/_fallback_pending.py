"""Chains a person is putting together: kept by the session as names and numbers, until they are reviewed or dropped."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import streamlit as st

from services.domain.litellm import Chain, Config, Place
from services.domain.litellm import edits as litellm_edits
from services.domain.litellm.settings import SETTINGS, Value
from services.gateway.read import Board

STATE = "fallback_pending"


def kept(board: Board) -> dict[str, Any]:
    """What is pending for this gateway and this text of its file; anything older is dropped, and said so.

    What the file says by now was applied, and goes without a word.
    """
    held = st.session_state.get(STATE)
    if held and (held["cluster"], held["seen"]) != (board.cluster, board.sha256):
        del st.session_state[STATE]
        if held["cluster"] == board.cluster and board.config is not None and not _applied(held, board.config):
            st.info("The file has changed, so what you had prepared was dropped.", icon=":material/update:")
        held = None
    blank: dict[str, Any] = {"chains": {}, "defaults": None, "settings": {}, "strategies": {}}
    return held or {"cluster": board.cluster, "seen": board.sha256, **blank}


def _applied(held: Mapping[str, Any], config: Config) -> bool:
    chains = [msgspec.convert(stored, Chain) for stored in held["chains"].values()]
    wanted = held["defaults"]
    return (
        all(litellm_edits.same(config.chain(one.group), one) for one in chains)
        and (wanted is None or tuple(wanted) == config.default_fallbacks)
        and all(config.settings.get(name) == value for name, value in held["settings"].items())
        and all(config.strategy(group) == chosen for group, chosen in held["strategies"].items())
    )


def chain(board: Board, config: Config, group: str) -> Chain:
    """The chain of a group as prepared, else as the file has it."""
    stored = kept(board)["chains"].get(group)
    return config.chain(group) if stored is None else msgspec.convert(stored, Chain)


def defaults(board: Board, config: Config) -> tuple[str, ...]:
    """The default fallbacks as prepared, else as the file has them."""
    stored = kept(board)["defaults"]
    return config.default_fallbacks if stored is None else tuple(stored)


def changed(board: Board) -> list[str]:
    """Groups whose chain or strategy differs from the file."""
    held = kept(board)
    return list(dict.fromkeys([*held["chains"], *held["strategies"]]))


def told(board: Board) -> list[str]:
    """Everything that differs from the file, in words: group names, the defaults, settings."""
    held = kept(board)
    names = [SETTINGS[name].title.lower() for name in held["settings"]]
    return [*changed(board), *(["the defaults"] if held["defaults"] is not None else []), *names]


def params(board: Board) -> Mapping[str, Any]:
    """What the action is asked for."""
    held = kept(board)
    return {**held, "chains": tuple(held["chains"].values())}


def put(board: Board, config: Config, wanted: Chain) -> None:
    """Prepare a chain; one that is as the file has it is no change."""
    held = kept(board)
    if litellm_edits.same(config.chain(wanted.group), wanted):
        held["chains"].pop(wanted.group, None)
    else:
        held["chains"][wanted.group] = msgspec.to_builtins(wanted)
    st.session_state[STATE] = held


def put_defaults(board: Board, config: Config, names: tuple[str, ...]) -> None:
    """Prepare other default fallbacks."""
    held = kept(board)
    held["defaults"] = None if names == config.default_fallbacks else list(names)
    st.session_state[STATE] = held


def settings(board: Board) -> Mapping[str, Value | None]:
    """Settings that are prepared."""
    found: Mapping[str, Value | None] = kept(board)["settings"]
    return found


def setting(board: Board, config: Config, name: str) -> Value | None:
    """A setting as prepared, else as the file has it; None is not set."""
    held = settings(board)
    return held[name] if name in held else config.settings.get(name)


def put_setting(board: Board, config: Config, name: str, value: Value | None) -> None:
    """Prepare a setting; one that is as the file has it is no change."""
    held = kept(board)
    if value == config.settings.get(name) and isinstance(value, bool) == isinstance(config.settings.get(name), bool):
        held["settings"].pop(name, None)
    else:
        held["settings"][name] = value
    st.session_state[STATE] = held


def strategy(board: Board, config: Config, group: str) -> str:
    """The strategy of a group as prepared, else as the file has it; "" is the router's."""
    found: str = kept(board)["strategies"].get(group, config.strategy(group))
    return found


def put_strategy(board: Board, config: Config, group: str, chosen: str) -> None:
    """Prepare a strategy for one group."""
    held = kept(board)
    if chosen == config.strategy(group):
        held["strategies"].pop(group, None)
    else:
        held["strategies"][group] = chosen
    st.session_state[STATE] = held


def drop() -> None:
    """Forget everything prepared."""
    st.session_state.pop(STATE, None)


def without(wanted: Chain, key: str) -> Chain:
    """The chain with a deployment left out."""
    return replace(wanted, tiers=tuple(place for place in wanted.tiers if place.key != key))


def weighted(wanted: Chain, key: str, weight: float | None) -> Chain:
    """The chain with another weight of a deployment; 0 stands for none."""
    tiers = tuple(replace(place, weight=weight or None) if place.key == key else place for place in wanted.tiers)
    return replace(wanted, tiers=tiers)


def rotated(wanted: Chain, key: str) -> Chain:
    """The chain with a deployment out of rotation, or back in it."""
    tiers = (replace(place, blocked=not place.blocked) if place.key == key else place for place in wanted.tiers)
    return replace(wanted, tiers=tuple(tiers))


def restored(wanted: Chain, place: Place) -> Chain:
    """The chain with a deployment back that was left out."""
    return replace(wanted, tiers=(*wanted.tiers, place))
