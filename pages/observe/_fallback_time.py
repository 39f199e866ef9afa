"""When requests fell back or were lost."""

import pandas as pd
import streamlit as st

from pages.observe._fallback_figures import requests
from pages.ui import charts_fallback, panels, queries, theme, words
from pages.ui.charts_fallback import LOST
from pages.ui.shell import Page
from services.domain.fallback import BY_DESIGN
from services.domain.fallback.causes import CAUSES
from services.domain.fallback.figures import marks
from services.fallback.board import Board

SPLITS = {"Cause": "cause", "Team": "team", "Who answered": "who"}
MOST = 7
TIP = (
    "Of the requests of each step, those that fell back after a failure or were lost. Those the file sends to another "
    "group for what they are, as too long, are no failures and not among them."
)


def draw(page: Page, board: Board, group: str) -> None:
    """The share of requests that fell or were lost, step by step, against the target."""
    st.subheader("Over time", anchor=False, help=TIP)
    grid = st.grid(2, min_column_width=340)
    left, right = grid.container(), grid.container()
    with left:
        by = st.segmented_control(
            "Split by", list(SPLITS), default="Cause", required=True, key="fallback_split", bind="query-params"
        )
    with right:
        of = st.segmented_control(
            "Of",
            ["This group", "All groups"],
            default="This group",
            required=True,
            key="fallback_of",
            bind="query-params",
        )
    routes = board.routes if of == "All groups" else board.routes[board.routes["group"] == group]
    trend = parts(routes, SPLITS.get(str(by), "cause"), board)
    design = _by_design(routes)
    if trend.empty:
        whole = requests(float(marks(routes)["answered"].sum()))
        panels.nothing("Nothing fell back", f"None of {whole} requests fell back or was lost. {design}".strip())
        return
    figure = charts_fallback.rate(trend, queries.policy().fallback_target, panels.zone(), theme.current())
    st.plotly_chart(
        figure,
        key="fallback_rate",
        alt=f"Share of requests that fell back or were lost over {page.scope.range}, by {str(by).lower()}.",
        config={"displaylogo": False},
    )
    if design:
        st.caption(f":material/fork_right: {design}")


def _by_design(routes: pd.DataFrame) -> str:
    """A sentence on requests that went elsewhere for what they are; "" without any."""
    marked = marks(routes)
    went = marked["by_design"]
    if not went.sum():
        return ""
    share = words.percent(float(went.sum() / marked["asked"].sum()))
    why = {"length": "their prompts were too long", "policy": "a content policy declined them"}
    found = [why[name] for name in BY_DESIGN if went[routes["cause"] == name].sum()]
    return f"{requests(float(went.sum()))} requests ({share}) went to another group by design: {' or '.join(found)}."


def parts(routes: pd.DataFrame, by: str, board: Board) -> pd.DataFrame:
    """``at``, ``part``, ``share`` of the requests asked in each step; the largest parts by name, lost ones apart."""
    marked = marks(routes)
    asked = marked.groupby("at")["asked"].sum()
    bad = marked[(marked["fallen"] > 0) | (marked["lost"] > 0)]
    if bad.empty:
        return pd.DataFrame({"at": [], "part": [], "share": []})
    amount = bad["fallen"] + bad["lost"]
    part = _names(bad, by, board)
    part = part.mask(bad["lost"] > 0, LOST)
    sizes = amount.groupby(part).sum().sort_values(ascending=False)
    kept = [name for name in sizes.index if name != LOST][:MOST]
    part = part.where(part.isin([*kept, LOST]), "Others")
    sums = amount.groupby([bad["at"], part.rename("part")]).sum().rename("share").reset_index()
    sums["share"] = sums["share"] / sums["at"].map(asked)
    steps = pd.DatetimeIndex(list(board.points)).as_unit("us")
    names = [name for name in [*kept, "Others", LOST] if name in set(sums["part"])]
    grid = pd.MultiIndex.from_product([names, steps], names=["part", "at"])
    return sums.set_index(["part", "at"])["share"].reindex(grid, fill_value=0.0).reset_index()


def _names(bad: pd.DataFrame, by: str, board: Board) -> pd.Series:
    if by == "cause":
        return bad["cause"].map(CAUSES).astype("str")
    if by == "team":
        return bad["team"].mask(bad["team"].eq(""), "(no team)")
    tiers = None if board.gateway is None else board.gateway.tiers
    keys = {} if tiers is None else dict(zip(tiers["id"], tiers["key"], strict=True))
    who = bad["id"].map(lambda name: keys.get(name, name))
    return who.mask(bad["via"].ne(""), "group " + bad["via"])
