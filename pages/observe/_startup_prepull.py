"""Keeping images on nodes: what is kept, and the form that keeps more of them on a pool."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.ui import actions, filters, queries, shell, tables, tables_startup, words
from pages.ui.rows import clicked
from pages.ui.shell import Page
from services.domain.prepull import MOST_IMAGES, NAMESPACE, PrepullParams
from services.domain.startup.imagenames import canonical, short

ACTION = "prepull-images"
POOL, ROW = "prepull_pool", "prepull_row"
_BETWEEN = " · "


def draw(page: Page, images: pd.DataFrame) -> None:
    """The form over what is kept. ``images``: :data:`services.domain.startup.images.IMAGES` of the scope."""
    st.subheader(
        "Keep images on nodes",
        anchor=False,
        help="Pulled before a pod needs them, on the nodes of a pool and on those that join it later.",
    )
    known = shell.shown(queries.pools(page.mode, page.scope), "Pools")
    if known is None:
        return
    names = sorted({_BETWEEN.join(pair) for pair in zip(known["cluster"], known["pool"], strict=True) if all(pair)})
    chosen = filters.choose("Pool to keep images on", names, key=POOL, nothing="Choose a pool")
    if chosen and chosen not in names:
        st.info("This pool is not known here (yet).", icon=":material/help:")
    elif chosen:
        cluster, _, pool = chosen.partition(_BETWEEN)
        _form(page, cluster, pool, images)
    _kept(page)


def _form(page: Page, cluster: str, pool: str, images: pd.DataFrame) -> None:
    grid = st.grid(2, min_column_width=420)
    with grid.container():
        asked = st.multiselect(
            "Images",
            images.loc[images["cluster"].eq(cluster), "image"].tolist(),
            key=f"prepull_images_{cluster}_{pool}",
            accept_new_options=True,
            max_selections=MOST_IMAGES,
            placeholder="Choose, or type a name",
            help="Seen in starts here, the one that cost most seconds of pulling first. Others can be typed.",
        )
        secret = st.text_input(
            "Pull secret",
            key=f"prepull_secret_{cluster}_{pool}",
            max_chars=253,
            placeholder="None",
            help=f"Name of a secret in namespace {NAMESPACE}; empty: what the nodes may read anyway.",
        )
    with grid.container():
        if not asked:
            st.caption("What it takes in network and disk is said here before anything is done.")
            return
        sizes = images.groupby("image")["size_bytes"].max().dropna().to_dict()  # other clusters know them as well
        mine = {image: sizes[canonical(image)] for image in asked if canonical(image) in sizes}
        _outcome(page, PrepullParams(cluster, pool, tuple(asked), sizes=mine, secret_name=secret.strip()))


def _outcome(page: Page, want: PrepullParams) -> None:
    found = shell.shown(queries.prepull_weighed(page.mode, want), "What it takes")
    if found is None:
        return
    for text in found.answer.blast if found.new else ():
        st.caption(words.plain(text))
    for text in found.answer.warnings:
        st.caption(f":material/warning: {words.plain(text)}")
    if found.answer.refusal:
        st.warning(words.plain(found.answer.refusal), icon=":material/block:")
        return
    actions.button(
        f"Pull {_counted(found.new or want.images)} to the nodes of {words.plain(want.pool)}",
        ACTION,
        want,
        key="prepull_apply",
        icon=":material/download_for_offline:",
        primary=True,
        reason="" if found.new else "They are kept there already.",
    )


def _counted(images: Sequence[str]) -> str:
    return words.plain(short(images[0])) if len(images) == 1 else words.counted(len(images), "image")


def _kept(page: Page) -> None:
    reading = queries.prepull_kept(page.mode, page.scope)
    rows = shell.shown(reading, "What is kept")
    if rows is None:
        return
    if rows.empty:
        st.caption("Nothing made here keeps images on these nodes now.")
        return
    row = tables.show(
        rows,
        tables_startup.KEPT,
        key="prepull_kept",
        alt="Images that are kept on nodes, with how many nodes have them.",
        page=page,
        as_of=reading.as_of,
        select=True,
    )
    clicked(row, key=ROW)
    if row is None:
        st.caption("Choose a row to keep its image no longer.")
        return
    cluster, pool, image = (str(rows[name].iloc[row]) for name in ("cluster", "pool", "image"))
    actions.button(
        f"Keep {words.plain(short(image))} on {words.plain(pool)} no longer",
        ACTION,
        PrepullParams(cluster, pool, (image,), remove=True),
        key="prepull_remove",
        icon=":material/delete:",
    )
