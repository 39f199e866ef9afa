"""When a tier is given up, and who is chosen within a rank: settings of the router, prepared like everything else."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.operate import _fallback_pending as pending
from pages.ui import words
from services.domain.litellm import Config
from services.domain.litellm.settings import GROUPS_SINCE, SETTINGS, STRATEGIES, Setting, Value, told
from services.gateway.read import Board

UNSET = ""
YES_NO = {UNSET: None, "yes": True, "no": False}


def draw(board: Board) -> None:
    """Every setting with what is set and what counts where nothing is; for all model groups."""
    config = board.config
    if config is None:
        return
    prepared = pending.settings(board)
    label = "Retries, timeouts, cooldowns" + (f" ({len(prepared)} prepared)" if prepared else "")
    with st.expander(label, icon=":material/tune:", expanded=bool(prepared)):
        st.caption(
            "For all model groups. An empty field is not set in router\\_settings: what stands grey in it counts. A "
            "change takes effect when the proxy's pods have been restarted, which takes a minute or two."
        )
        grid = st.grid(3, min_column_width=220)
        for known in SETTINGS.values():
            with grid.container():
                _field(board, config, known)
        for name in config.unusable:
            st.caption(
                f":material/error: {words.plain(name)} is set to something LiteLLM cannot use. Correct it by hand."
            )


def strategy(board: Board, config: Config, group: str, locked: str) -> None:
    """The strategy of one group."""
    key, router = f"fallback_strategy_{group}_{board.sha256[:8]}", str(config.settings.get("routing_strategy", ""))
    usual = f"As the router: {STRATEGIES.get(router or 'simple-shuffle', router)}"
    now = pending.strategy(board, config, group)
    options = ["", *STRATEGIES]
    if now and now not in options:
        options.append(now)
    since = ".".join(map(str, GROUPS_SINCE))
    st.selectbox(
        "Chosen within a rank by",
        options,
        index=options.index(now),
        format_func=lambda name: f"{name}: {STRATEGIES.get(name, 'another one')}" if name else usual,
        key=key,
        disabled=bool(locked),
        help=f"Among deployments of the same order, for this group alone. Known from LiteLLM {since} on.",
        on_change=lambda: pending.put_strategy(board, config, group, st.session_state[key]),
    )


def _field(board: Board, config: Config, known: Setting) -> None:
    key = f"fallback_set_{known.name}_{board.sha256[:8]}"
    had = pending.setting(board, config, known.name)
    usual = told(known.name, None)
    options: dict[str, Any] = {
        "key": key,
        "help": known.about,
        "disabled": known.name in config.unusable,
    }

    def put(read: Callable[[Any], Value | None]) -> Callable[[], None]:
        return lambda: pending.put_setting(board, config, known.name, read(st.session_state[key]))

    if known.kind == "strategy":
        choices = [UNSET, *STRATEGIES]
        shown = had if isinstance(had, str) and had in choices else UNSET
        st.selectbox(
            known.title, choices, index=choices.index(shown), format_func=lambda name: name or usual,
            on_change=put(lambda chosen: chosen or None), **options,
        )  # fmt: skip
    elif known.kind == "switch":
        words_of = {value: name for name, value in YES_NO.items()}
        shown = words_of.get(had if isinstance(had, bool) else None, UNSET)
        st.selectbox(
            known.title, list(YES_NO), index=list(YES_NO).index(shown), format_func=lambda name: name or usual,
            on_change=put(lambda chosen: YES_NO[chosen]), **options,
        )  # fmt: skip
    else:
        number = float(had) if isinstance(had, float | int) and not isinstance(had, bool) else None
        step = 1.0 if known.kind == "whole" else None
        title = known.title + (", seconds" if known.kind == "seconds" else "")
        st.number_input(
            title, min_value=float(known.low), max_value=float(known.high), value=number, step=step, format="%g",
            placeholder=usual, on_change=put(lambda entered: entered), **options,
        )  # fmt: skip
