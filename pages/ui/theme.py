"""The colours of the page the reader sees, from the same configuration the page itself is drawn with."""

from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Theme:
    """Colours for figures: one per group in order, ten shades from nothing to full, and those with a meaning."""

    categorical: tuple[str, ...]
    sequential: tuple[str, ...]
    active: str
    idle: str
    free: str
    unknown: str
    broken: str
    mixed: str
    text: str


def current() -> Theme:
    """The theme of this reader: light or dark."""
    name = "dark" if st.context.theme.type == "dark" else "light"

    def option(key: str) -> str:
        return str(st.get_option(f"theme.{name}.{key}"))

    return Theme(
        categorical=tuple(st.get_option(f"theme.{name}.chartCategoricalColors")),
        sequential=tuple(st.get_option(f"theme.{name}.chartSequentialColors")),
        active=option("primaryColor"),
        idle=option("orangeColor"),
        free=option("grayColor"),
        unknown=option("grayColor"),
        broken=option("redColor"),
        mixed=option("violetColor"),
        text=option("textColor"),
    )
