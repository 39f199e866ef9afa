"""One chain, tier by tier, with buttons that prepare another order. Nothing is written before it is reviewed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from pages.operate import _fallback_pending as pending
from pages.operate import _fallback_presets as presets
from pages.operate import _fallback_settings as settings
from pages.ui import actions, words
from pages.ui.shell import Page
from services.domain.litellm import Chain, Config, Place
from services.domain.litellm import edits as litellm_edits
from services.domain.litellm.edits import ranks
from services.gateway.read import Board

ACTION = "edit-fallbacks"
WHEN = {
    "Any error": "fallbacks",
    "Prompt too long": "context_window_fallbacks",
    "Content policy": "content_policy_fallbacks",
}
KIND = "fallback_when"


def review(board: Board) -> None:
    """How much is prepared, and the way to the review."""
    changed = pending.told(board)
    if not changed:
        return
    names = ", ".join(map(words.plain, changed[:5])) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="fallback_review"):
        st.markdown(f":material/edit_note: **Prepared, not applied:** {names}", width="stretch")
        st.button("Discard", key="fallback_discard", icon=":material/undo:", on_click=pending.drop)
        actions.button(
            "Review the change",
            ACTION,
            pending.params(board),
            key="fallback_propose",
            icon=":material/rule:",
            primary=True,
        )


def draw(page: Page, board: Board, group: str) -> None:
    """The chain of a group: its deployments by rank, then the groups it falls back to."""
    st.subheader(f"Chain of {words.plain(group)}", anchor=False, help="From the top: what fails is tried one lower.")
    config = board.config
    tiers = board.tiers[board.tiers["group"] == group].set_index("key")
    if config is None or group not in config.groups:
        st.info("This group is not in the file, so it is only shown.", icon=":material/visibility:")
        _only_shown(tiers)
        return
    locked = board.locked.get(group, "")
    if locked:
        st.info(words.plain(locked), icon=":material/lock:")
    wanted = pending.chain(board, config, group)
    presets.draw(page, board, config, wanted, locked)
    left, right = st.columns([5, 4], gap="large")
    with left:
        st.markdown("**Deployments**")
        _ranks(board, config, wanted, tiers, locked)
        _left_out(board, config, wanted, locked)
        settings.strategy(board, config, group, locked)
    with right:
        _groups(board, config, wanted, locked)


def _ranks(board: Board, config: Config, wanted: Chain, tiers: pd.DataFrame, locked: str) -> None:
    found = ranks(wanted.tiers)
    for number, rank in enumerate(found, 1):
        with st.container(border=True, key=f"fallback_rank_{number}", gap="xsmall"):
            order = "" if rank[0].order is None else f"order {rank[0].order}"
            together = " · shared by weight" if len(rank) > 1 else ""
            st.caption(f"**{number}** {order}{together}")
            for place in rank:
                _tier(tiers.loc[place.key] if place.key in tiers.index else None, place)
                _tier_buttons(board, config, wanted, place, first=number == 1, last=number == len(found),
                              shared=len(rank) > 1, locked=locked)  # fmt: skip


def _tier(row: "pd.Series[Any] | None", place: Place) -> None:
    if row is None:
        st.markdown(f"**{words.plain(place.key)}**")
        return
    icon = ":material/memory:" if row["runs"] == "self-hosted" else ":material/cloud:"
    facts = [words.plain(str(row["model"])), str(row["runs"])]
    if row["base"]:
        facts.append(words.plain(str(row["base"])))
    if row["stored"] == "file only":
        facts.append(":orange[not in the running proxy]")
    out = " :orange-badge[:material/do_not_disturb_on: out of rotation]" if place.blocked else ""
    st.markdown(f"{icon} **{words.plain(place.key)}**{out}")
    if place.timeout is not None:
        facts.append(f"timeout {place.timeout:g} s")
    st.caption(" · ".join(facts))
    counted = _counted(row)
    if counted:
        st.caption(words.plain(counted))


def _counted(row: "pd.Series[Any]") -> str:
    """What it answered and spent, and its prices, as far as they are known."""
    facts = []
    if pd.notna(row["share"]):
        facts.append(f"{words.percent(row['share'])} of requests in 24 h")
    if row["runs"] == "managed" and row["requests"] > 0:
        facts.append("spend unknown" if pd.isna(row["usd"]) else f"{words.money(row['usd'])} spent")
    if pd.notna(row["input_usd"]) and pd.notna(row["output_usd"]):
        facts.append(f"{words.money(row['input_usd'])} in, {words.money(row['output_usd'])} out per million tokens")
    return " · ".join(facts)


def _tier_buttons(
    board: Board,
    config: Config,
    wanted: Chain,
    place: Place,
    *,
    first: bool,
    last: bool,
    shared: bool,
    locked: str,
) -> None:
    key, name = f"{wanted.group}_{place.key}", words.plain(place.key)

    def put(made: Callable[[], Chain]) -> Callable[[], None]:
        return lambda: pending.put(board, config, made())

    with st.container(horizontal=True, gap="xsmall", vertical_alignment="bottom"):
        _button("Up", f"fallback_up_{key}", f"Try {name} earlier", ":material/arrow_upward:",
                locked or ("It is tried first already." if first and not shared else ""),
                put(lambda: litellm_edits.moved(wanted, place.key, -1)))  # fmt: skip
        _button("Down", f"fallback_down_{key}", f"Try {name} later", ":material/arrow_downward:",
                locked or ("It is tried last already." if last and not shared else ""),
                put(lambda: litellm_edits.moved(wanted, place.key, 1)))  # fmt: skip
        _button("Share", f"fallback_join_{key}", f"Share the rank above with {name}, by weight", ":material/merge:",
                locked or ("There is no rank above." if first else ""),
                put(lambda: litellm_edits.joined(wanted, place.key)))  # fmt: skip
        _button("Leave out", f"fallback_out_{key}", f"Comment {name} out of the file; an undo brings it back",
                ":material/remove:", locked or ("A group needs a deployment." if len(wanted.tiers) == 1 else ""),
                put(lambda: pending.without(wanted, place.key)))  # fmt: skip
        _rotation_button(board, config, wanted, place, locked)
        if shared:
            weight = f"fallback_weight_{key}"
            st.number_input(
                f"Weight of {name}", min_value=0.0, max_value=1e6, value=float(place.weight or 0), key=weight,
                disabled=bool(locked), width=140, help="Its share within the rank; 0 leaves it to chance.",
                on_change=put(lambda: pending.weighted(wanted, place.key, st.session_state[weight])),
            )  # fmt: skip


def _rotation_button(board: Board, config: Config, wanted: Chain, place: Place, locked: str) -> None:
    """Keep it in the file and send it nothing, or send it requests again."""
    name, alone = words.plain(place.key), not any(one.key != place.key and not one.blocked for one in wanted.tiers)
    label = "Back in rotation" if place.blocked else "Out of rotation"
    tip = f"Send {name} requests again" if place.blocked else f"Keep {name} in the file and send it nothing"
    icon = ":material/undo:" if place.blocked else ":material/do_not_disturb_on:"
    reason = locked or ("Somebody has to stay in rotation." if alone and not place.blocked else "")
    _button(label, f"fallback_rotate_{wanted.group}_{place.key}", tip, icon, reason,
            lambda: pending.put(board, config, pending.rotated(wanted, place.key)))  # fmt: skip


def _left_out(board: Board, config: Config, wanted: Chain, locked: str) -> None:
    kept = {place.key for place in wanted.tiers}
    for place in config.chain(wanted.group).tiers:
        if place.key not in kept:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f":material/remove: ~~{words.plain(place.key)}~~ will be left out", width="stretch")
                _button("Keep", f"fallback_keep_{wanted.group}_{place.key}", "Keep it after all", ":material/undo:",
                        locked, lambda place=place: pending.put(board, config, pending.restored(wanted, place)))  # type: ignore[misc]  # fmt: skip


def _groups(board: Board, config: Config, wanted: Chain, locked: str) -> None:
    word = st.segmented_control(
        "Then these groups, on", list(WHEN), default="Any error", required=True, key=KIND, bind="query-params"
    )
    kind = WHEN.get(word or "", "fallbacks")
    names: tuple[str, ...] = getattr(wanted, kind)

    def put(after: tuple[str, ...]) -> None:
        pending.put(board, config, replace(wanted, **{kind: after}))

    _names(names, [name for name in config.groups if name != wanted.group], put, f"{kind}_{wanted.group}", locked)
    if kind == "fallbacks" and not names:
        given = pending.defaults(board, config)
        told = ", ".join(words.plain(name) for name in given)
        st.caption(f"No rule of its own: the defaults apply ({told})." if given else "Nothing: requests fail.")
    with st.expander("Defaults for groups without a rule", icon=":material/alt_route:"):
        _names(
            pending.defaults(board, config),
            config.groups,
            lambda after: pending.put_defaults(board, config, after),
            "defaults",
            "",
        )


def _names(
    names: tuple[str, ...], known: Sequence[str], put: Callable[[tuple[str, ...]], None], key: str, locked: str
) -> None:
    """A list of groups with buttons; what is changed goes through ``put``."""
    for number, name in enumerate(names, 1):
        with st.container(border=True, gap="xsmall", key=f"fallback_target_{key}_{number}"):
            st.markdown(f"{number}. **{words.plain(name)}**")
            with st.container(horizontal=True, gap="xsmall"):
                for label, by, icon, stop in (
                    ("Up", -1, ":material/arrow_upward:", number == 1),
                    ("Down", 1, ":material/arrow_downward:", number == len(names)),
                ):
                    _button(label, f"fallback_{label.lower()}_{key}_{name}", f"{label}: {words.plain(name)}", icon,
                            locked or ("There is nothing beyond." if stop else ""),
                            lambda name=name, by=by: put(litellm_edits.shifted(names, name, by)))  # type: ignore[misc]  # fmt: skip
                _button("Remove", f"fallback_remove_{key}_{name}", f"Remove {words.plain(name)} from this list",
                        ":material/close:", locked,
                        lambda name=name: put(tuple(one for one in names if one != name)))  # type: ignore[misc]  # fmt: skip
    left = [name for name in known if name not in names]
    if left and not locked:
        choice = f"fallback_new_{key}"
        with st.container(horizontal=True, vertical_alignment="bottom"):
            new = st.selectbox("Add a group", left, index=None, key=choice, placeholder="Choose", width="stretch")
            _button("Add", f"fallback_add_{key}", "Add it at the end", ":material/add:",
                    "" if new else "Choose a group first.", lambda: put((*names, new or "")))  # fmt: skip


def _button(label: str, key: str, tip: str, icon: str, reason: str, act: Callable[[], None]) -> None:
    st.button(label, key=key, icon=icon, help=reason or tip, disabled=bool(reason), on_click=act)


def _only_shown(tiers: pd.DataFrame) -> None:
    for key in tiers.index:
        _tier(tiers.loc[key], Place(str(key)))
