"""Chains a person is putting together: kept by the session as names and numbers, until they are reviewed or dropped."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import streamlit as st

from services.domain.litellm import Chain, Config, Place
from services.domain.litellm import edits as litellm_edits
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
    return held or {"cluster": board.cluster, "seen": board.sha256, "chains": {}, "defaults": None}


def _applied(held: Mapping[str, Any], config: Config) -> bool:
    chains = [msgspec.convert(stored, Chain) for stored in held["chains"].values()]
    wanted = held["defaults"]
    return all(litellm_edits.same(config.chain(one.group), one) for one in chains) and (
        wanted is None or tuple(wanted) == config.default_fallbacks
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
    """What differs from the file: group names, and "" for the defaults."""
    held = kept(board)
    return [*held["chains"], *([""] if held["defaults"] is not None else [])]


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


def restored(wanted: Chain, place: Place) -> Chain:
    """The chain with a deployment back that was left out."""
    return replace(wanted, tiers=(*wanted.tiers, place))
