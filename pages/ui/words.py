"""Numbers and times as people read them. The only place that formats."""

import math
import re
from datetime import UTC, datetime, timedelta

DASH = "—"
SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86400


def count(value: float | None) -> str:
    """GPUs and other amounts: 12, 12.4, 1,204."""
    if value is None or math.isnan(value):
        return DASH
    rounded = round(value, 1)
    return f"{rounded:,.0f}" if rounded == int(rounded) else f"{rounded:,.1f}"


def gpus(value: float | None) -> str:
    """An amount of GPU equivalents with its unit."""
    said = count(value)
    return said if said == DASH else f"{said} GPU" if said == "1" else f"{said} GPUs"


def many(value: float | None) -> str:
    """A count that may be too long for a tile: 99,999 as it is, then 124 k, 16.0 M, 1,204 M."""
    if value is None or math.isnan(value) or value < 99_999.5:
        return count(value)
    if value < 999_500:
        return f"{value / 1e3:.0f} k"
    return f"{value / 1e6:,.0f} M" if value >= 99.95e6 else f"{value / 1e6:.1f} M"


def counted(number: int, noun: str) -> str:
    """A whole number of things: 1 pod, 1,204 pods."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def share(value: float | None) -> str:
    """A ratio as a percentage; small but not zero is said so."""
    if value is None or math.isnan(value):
        return DASH
    if 0 < value < 0.005:
        return "<1 %"
    return f"{value:.0%}".replace("%", " %")


def percent(value: float | None) -> str:
    """A ratio that may be close to nothing or to all, told exactly enough: 0.06 %, 3.4 %, 12 %, 99.5 %, 99.96 %."""
    if value is None or math.isnan(value):
        return DASH
    if 0 < value < 0.0001:
        return "<0.01 %"
    if 0.9999 < value < 1:
        return ">99.99 %"
    digits = 2 if 0 < value < 0.01 or 0.999 < value < 1 else 1 if 0 < value < 0.1 or 0.99 < value < 1 else 0
    return f"{value:.{digits}%}".replace("%", " %")


def money(value: float | None) -> str:
    """US dollars, without cents above ten."""
    if value is None or math.isnan(value):
        return DASH
    said = f"${abs(value):,.0f}" if abs(value) >= 10 else f"${abs(value):,.2f}"
    return f"−{said}" if value < 0 and said != "$0.00" else said


def micro(value: float | None) -> str:
    """Micro-dollars as money."""
    return money(None if value is None else value / 1e6)


def between(low: int, high: int) -> str:
    """A range of micro-dollars, short enough for a tile: $1,204, $12.4–13.1k."""
    for dollars, sign in ((1e6, "M"), (1e3, "k")):
        if low >= dollars * 1e6:
            one, other = low / dollars / 1e6, high / dollars / 1e6
            ends = [f"{each:,.0f}" if one >= 100 else f"{each:,.1f}" for each in (one, other)]
            return f"${ends[0]}{sign}" if ends[0] == ends[1] else f"${ends[0]}–{ends[1]}{sign}"
    return micro(low) if low == high else f"{micro(low)}–{micro(high)}"


def span(length: timedelta | float | None) -> str:
    """A length of time by its largest unit or two: 40 s, 12 min, 3 h 20 min, 5 d."""
    if length is None:
        return DASH
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if math.isnan(seconds):
        return DASH
    seconds = max(seconds, 0)
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE:.0f} min"
    if seconds < DAY:
        hours, minutes = divmod(int(seconds) // MINUTE, 60)
        return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"
    return f"{seconds // DAY:.0f} d"


def latency(seconds: float | None) -> str:
    """How long an answer took: 75 ms, 1.3 s, 25 s."""
    if seconds is None or math.isnan(seconds):
        return DASH
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f}".removesuffix(".0") + " s" if seconds < 9.95 else f"{seconds:.0f} s"


def ago(then: datetime | None, now: datetime) -> str:
    """How long ago an instant was."""
    return "never" if then is None else f"{span(now - then)} ago"


def utc(then: datetime | None) -> str:
    """The absolute time, for tooltips and files."""
    return DASH if then is None else f"{then.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


_SPECIAL = str.maketrans({char: f"\\{char}" for char in r"\`*_{}[]()<>#+-.!|~$:&"})
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of all that follows: figures would read backwards."""
_TAKEN = re.compile(r":(?=//|material|streamlit)|\bwww(?=\.)", re.IGNORECASE)
"""Beginnings of what the browser makes a link, an icon or a logo, escaped or not, and whatever a sentence adds."""
_JOINER = "\u2060"
"""A sign nobody sees, and where no line breaks."""


def plain(text: str) -> str:
    """Text from outside (labels, names, messages) made safe to stand in Markdown: shown as it is, never interpreted."""
    return _TAKEN.sub(rf"\g<0>{_JOINER}", _line(text)).translate(_SPECIAL)


def code(text: str) -> str:
    """Text from outside as a code span: on one line, without what would end the span."""
    return f"`{_line(text.replace('`', ''))}`"


def _line(text: str) -> str:
    """Text on one line; a sign that is not to be seen is a replacement character."""
    return _HIDDEN.sub("\ufffd", " ".join(text.split()))


def sentence(text: str) -> str:
    """The text with a full stop at its end."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
