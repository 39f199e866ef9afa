"""A rate card as a CSV file, and what is wrong with one.

One line per price under the header :data:`HEADER`, in any order of columns; the names of a node a line leaves empty
hold for every node. ``usd_per_hour`` is a decimal number with at most six digits after its point, ``discount`` a ratio
(0.35) or a percentage ("35 %"). ``begins`` and ``ends`` are days ("2026-06-01", from midnight of the reporting zone) or
instants ("2026-06-01T00:00:00Z"). ``per`` is "instance" where it is empty.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from services.domain import frames
from services.domain.cost import MICRO
from services.domain.cost.rates import CARD, NAMED

HEADER = (*NAMED, "per", "usd_per_hour", "discount", "term", "begins", "ends")
NEEDED = ("usd_per_hour", "begins")
MOST_BYTES = 1_000_000
MOST_LINES = 5_000
LONGEST = 253
"""Characters of a cell."""
DEAREST = 1_000_000
_DIGITS = 6
_DISCOUNT = re.compile(r"(.*?)\s*%")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a line, as it counts in the file or the card from 1; 0 is the whole of it."""

    line: int
    says: str


@dataclass(frozen=True)
class CardFile:
    """``lines`` is :data:`services.domain.cost.rates.CARD`; empty where anything is ``wrong``: nothing gets lost."""

    lines: pd.DataFrame
    wrong: tuple[Wrong, ...] = ()


def read(given: bytes | str, zone: str) -> CardFile:
    """What a file says. Lines count as an editor shows them, the header included."""
    if len(given) > MOST_BYTES:
        return _unread(f"The file is larger than {MOST_BYTES:,} bytes.")
    try:
        text = given.decode("utf-8-sig") if isinstance(given, bytes) else given
    except UnicodeDecodeError:
        return _unread("The file is not UTF-8 text. Save it as CSV with the encoding UTF-8.")
    try:
        rows = list(_rows(text))
    except csv.Error as error:
        return _unread(f"The file is not CSV: {error}.")
    if not rows:
        return _unread("The file is empty.")
    names = [name.strip() for name in rows[0][1]]
    wrong = _header(names)
    if wrong:
        return CardFile(frames.empty(CARD), tuple(Wrong(rows[0][0], says) for says in wrong))
    if len(rows) - 1 > MOST_LINES:
        return _unread(f"The file has more than {MOST_LINES:,} lines.")
    lines, found = [], []
    for number, cells in rows[1:]:
        if len(cells) != len(names):
            found.append(Wrong(number, f"has {len(cells)} cells where the header has {len(names)}."))
            continue
        values, says = line(dict(zip(names, cells, strict=True)), zone)
        found += [Wrong(number, text) for text in says]
        lines.append(values)
    if found:
        return CardFile(frames.empty(CARD), tuple(found))
    card = frames.table(CARD, lines)
    numbers = [number for number, _ in rows[1:]]
    clash = tuple(overlaps(card, numbers))
    return CardFile(frames.empty(CARD) if clash else card, clash)


def line(cells: Mapping[str, str], zone: str) -> tuple[list[object], list[str]]:
    """A line of :data:`services.domain.cost.rates.CARD` from cells by :data:`HEADER`, and all that is wrong with it."""
    given = {name: _bare(cells.get(name, "")) for name in HEADER}
    wrong = [f"{name} is longer than {LONGEST} characters." for name, text in given.items() if len(text) > LONGEST]
    wrong += [
        f"{name} has a sign in it that cannot be shown." for name, text in given.items() if not text.isprintable()
    ]
    per = given["per"].lower() or "instance"
    if per not in ("instance", "gpu"):
        wrong.append('per is neither "instance" nor "gpu".')
    micro, says = _micro(given["usd_per_hour"])
    wrong += says
    discount, says = _discount(given["discount"])
    wrong += says
    begins, says = _instant("begins", given["begins"], zone)
    wrong += says
    ends, says = _instant("ends", given["ends"], zone)
    wrong += says
    if pd.isna(begins) and not given["begins"]:
        wrong.append("begins is missing: the day from which the price holds, such as 2026-06-01.")
    if ends <= begins:
        wrong.append("ends is not after begins.")
    if per == "instance" and not any(given[name] for name in NAMED):
        wrong.append("names no node at all: a price of an instance needs at least its type.")
    return [*(given[name] for name in NAMED), per, micro, discount, given["term"], begins, ends], wrong


def overlaps(card: pd.DataFrame, numbers: Sequence[int] = ()) -> list[Wrong]:
    """Lines that name the same nodes at the same time: nobody could tell which of them holds.

    ``numbers`` are those of the lines, 1, 2, … unless given.
    """
    named = numbers or range(1, len(card) + 1)
    found = []
    for _, rows in card.assign(number=list(named)).groupby(list(NAMED), sort=False):
        before: tuple[int, pd.Timestamp] | None = None
        for row in rows.sort_values("begins", kind="stable").to_dict("records"):
            until = pd.Timestamp.max.tz_localize("UTC") if pd.isna(row["ends"]) else row["ends"]
            if before is not None and row["begins"] < before[1]:
                early, late = sorted((before[0], row["number"]))
                found.append(Wrong(late, f"names the same nodes as line {early}, at the same time."))
            if before is None or until > before[1]:
                before = (row["number"], until)
    return sorted(found, key=lambda one: one.line)


def check(card: pd.DataFrame) -> list[Wrong]:
    """What is wrong with a card that did not come from a file: the same rules."""
    wrong = [] if len(card) <= MOST_LINES else [Wrong(0, f"A card has at most {MOST_LINES:,} lines.")]
    for number, cells in enumerate(_cells(card), start=1):
        wrong += [Wrong(number, says) for says in line(cells, "UTC")[1]]
    return wrong + overlaps(card)


def text(card: pd.DataFrame) -> str:
    """The file of a card; reading it gives the same card again."""
    out = io.StringIO()
    writer = csv.DictWriter(out, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _inert(cell) for name, cell in cells.items()} for cells in _cells(card))
    return out.getvalue()


def cells(card: pd.DataFrame) -> dict[str, str]:
    """The first line of a card as a file has it, by :data:`HEADER`."""
    return next(_cells(card), {})


def usd(micro: int) -> str:
    """An amount as decimal text, exact to the micro-dollar: "55.04"."""
    whole, rest = divmod(micro, MICRO)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


def _cells(card: pd.DataFrame) -> Iterator[dict[str, str]]:
    for row in card.to_dict("records"):
        named = {name: str(row[name]) for name in (*NAMED, "per", "term")}
        instants = {name: "" if pd.isna(row[name]) else _iso(row[name]) for name in ("begins", "ends")}
        discount = f"{Decimal(repr(float(row['discount']))):f}"
        yield {**named, **instants, "usd_per_hour": usd(row["micro_per_hour"]), "discount": discount}


def _iso(at: pd.Timestamp) -> str:
    return str(at.tz_convert("UTC").isoformat()).replace("+00:00", "Z")


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that say something, with the line they end on."""
    separator = ";" if ";" in text.partition("\n")[0] and "," not in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield reader.line_num, cells


def _header(names: Sequence[str]) -> list[str]:
    wrong = [f'"{name}" is no column of a rate card.' for name in names if name not in HEADER]
    wrong += [f'The column "{name}" is there twice.' for name in dict.fromkeys(names) if names.count(name) > 1]
    return wrong + [f'The column "{name}" is missing.' for name in NEEDED if name not in names]


def _micro(given: str) -> tuple[int, list[str]]:
    if not given:
        return 0, ["usd_per_hour is missing."]
    try:
        amount = Decimal(given)
    except InvalidOperation:
        return 0, ["usd_per_hour is not a number such as 55.04."]
    if not amount.is_finite() or amount > DEAREST:
        return 0, [f"usd_per_hour is not below {DEAREST:,}."]
    if amount < 0:
        return 0, ["usd_per_hour is below 0."]
    if int(amount.as_tuple().exponent) < -_DIGITS:
        return 0, [f"usd_per_hour has more than {_DIGITS} digits after its point."]
    return int(amount * MICRO), []


def _discount(given: str) -> tuple[float, list[str]]:
    percent = _DISCOUNT.fullmatch(given)
    try:
        ratio = Decimal(percent[1] if percent else given or "0") / (100 if percent else 1)
    except InvalidOperation:
        return 0.0, ["discount is not a ratio such as 0.35, or 35 %."]
    if not ratio.is_finite() or not 0 <= ratio <= 1:
        return 0.0, ["discount is not from 0 to 1, or 0 % to 100 %."]
    return float(ratio), []


def _instant(name: str, given: str, zone: str) -> tuple[Any, list[str]]:
    if not given:
        return pd.NaT, []
    try:
        whole = datetime.fromisoformat(given)
        at = datetime.combine(date.fromisoformat(given), time()) if len(given) <= 10 else whole
        found = pd.Timestamp(at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).tz_convert("UTC")
    except (ValueError, OverflowError):
        return pd.NaT, [f"{name} is not a day such as 2026-06-01, or an instant such as 2026-06-01T00:00:00Z."]
    if not 2000 <= found.year < 2200:
        return pd.NaT, [f"{name} is not between the years 2000 and 2200."]
    return found.as_unit("us"), []


def _inert(cell: str) -> str:
    """A spreadsheet must not run a name as a formula."""
    return f"'{cell}" if cell.lstrip("'").startswith(_FORMULA) else cell


def _bare(cell: str) -> str:
    """A cell without the sign :func:`_inert` put before it."""
    text = cell.strip()
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text


def _unread(says: str) -> CardFile:
    return CardFile(frames.empty(CARD), (Wrong(0, says),))
