"""Where an edit of a YAML text cuts and puts: the lines of block style, the commas of flow style.

A part is a primitive change of a text, as JSON: ``["splice", at, cut, put]`` replaces the characters ``cut`` at an
offset, ``["order", [[start, end], …], [i, …]]`` fills each region with the content region ``i`` has. Every part has an
inverse of the same form. Text that may hold a comment is never cut, so no part holds one.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from services.domain.litellm.yamltree import Node, inside
from services.errors import Refused

Part = list[Any]
_HAND = "Edit this place by hand."


def performed(text: str, parts: Sequence[Part]) -> tuple[str, list[Part]]:
    """The text after the parts, one after the other, and the parts that undo them in turn."""
    back: list[Part] = []
    for kind, *told in parts:
        if kind == "splice":
            at, cut, put = told
            if text[at : at + len(cut)] != cut:
                raise Refused("The text is not the one this change was made for.", hint="Plan it anew.")
            text = text[:at] + put + text[at + len(cut) :]
            back.insert(0, ["splice", at, put, cut])
        else:
            text, undo = _ordered(text, *told)
            back.insert(0, undo)
    return text, back


def _ordered(text: str, spans: Sequence[Sequence[int]], order: Sequence[int]) -> tuple[str, Part]:
    contents = [text[start:end] for start, end in spans]
    pieces, filled, at, size = [], [], 0, 0
    for (start, end), taken in zip(spans, order, strict=True):
        pieces += [text[at:start], contents[taken]]
        size += start - at
        filled.append([size, size + len(contents[taken])])
        size, at = filled[-1][1], end
    back = [list(order).index(place) for place in range(len(order))]
    return "".join([*pieces, text[at:]]), ["order", filled, back]


def commented(text: str, node: Node, start: int | None = None, end: int | None = None) -> bool:
    """Whether a comment stands in the span of a node, or in a span in it, outside of its scalars."""
    at, end = node.start if start is None else start, node.end if end is None else end
    for leaf in inside(node):
        if leaf.kind == "scalar" and leaf.end > at and leaf.start < end:
            if "#" in text[at : leaf.start]:
                return True
            at = leaf.end
    return "#" in text[at:end]


def pair_added(text: str, node: Node, written: str) -> Part:
    """The part that puts "key: value" into a mapping: behind its last one-line pair, else at an end of it."""
    if node.flow:
        if not node.pairs:
            return ["splice", node.end - 1, "", written]
        return ["splice", node.pairs[-1][1].end, "", f", {written}"]
    column = " " * _column(text, node.pairs[0][0].start)
    for key, under in reversed(node.pairs):
        short = under.kind in ("scalar", "alias") or under.flow
        if short and "\n" not in text[key.start : under.end] and _rest_is_blank(text, under.end):
            return ["splice", _line_end(text, under.end), "", f"{_newline(text)}{column}{written}"]
    if not column:  # sections of a file: a new one comes last
        whole = f"{written}{_newline(text)}" if text.endswith("\n") else f"{_newline(text)}{written}"
        return ["splice", len(text), "", whole]
    return ["splice", node.pairs[0][0].start, "", f"{written}{_newline(text)}{column}"]


def item_added(text: str, node: Node, written: str) -> Part:
    """The part that puts an item at the end of a list; a list without any is in brackets."""
    if not node.items:
        return ["splice", node.end - 1, "", written]
    last = node.items[-1]
    if node.flow:
        return ["splice", last.end, "", f", {written}"]
    dash = _dash(text, last)
    if not _rest_is_blank(text, last.end):
        raise Refused("A list cannot be continued here.", hint=_HAND)
    column = " " * _column(text, dash)
    return ["splice", _line_end(text, last.end), "", f"{_newline(text)}{column}- {written}"]


def removed(text: str, parent: Node, place: int) -> list[Part]:
    """The parts that take one of several items or pairs out; lines with a comment are commented out instead."""
    spans = _spans(parent)
    if parent.flow:
        start, end = spans[place]
        if len(spans) > 1:
            start, end = (start, spans[1][0]) if place == 0 else (spans[place - 1][1], end)
        if commented(text, parent, start, end):
            raise Refused("A comment stands between these list items.", hint=_HAND)
        return [["splice", start, text[start:end], ""]]
    start, end = _lines(text, parent, place)
    if commented(text, parent, start, end):
        return _out(text, start, end)
    after = text.find("\n", end)
    if after < 0 and start:
        start = start - 2 if text[start - 2 : start] == "\r\n" else start - 1
    return [["splice", start, text[start : after + 1 or len(text)], ""]]


def emptied(text: str, node: Node, key: Node | None) -> list[Part]:
    """The parts that leave a block collection with its only child taken out: "[]" or "{}" beside its key."""
    colon = -1 if key is None else text.find(":", key.end, node.start)
    if colon < 0:
        raise Refused("The last one cannot be removed here.", hint=_HAND)
    nothing: Part = ["splice", colon + 1, "", " []" if node.kind == "sequence" else " {}"]
    return [*removed(text, node, 0), nothing]


def left_out(text: str, node: Node, *, flow: bool) -> list[Part]:
    """The parts that turn a list item into comment lines, adding characters only."""
    if not flow:
        start, end = _dash(text, node), len(text[: node.end].rstrip())
        _own_line(text, start)
        return _out(text, start, end)
    end = node.end
    comma = len(text) - len(text[end:].lstrip())
    if text[comma : comma + 1] == ",":
        end = comma + 1
    parts = _out(text, node.start, end)
    if not _rest_is_blank(text, end):
        parts.insert(0, ["splice", end, "", _newline(text) + " " * (_column(text, node.start) or 1)])
    return parts


def regions(text: str, node: Node) -> list[list[int]]:
    """What moves with each item when a list is put in another order: in block style its lines, comments above too."""
    if node.flow:
        return [[one.start, one.end] for one in node.items]
    found = []
    for place in range(len(node.items)):
        start, _ = _lines(text, node, place)
        column = _column(text, _dash(text, node.items[place]))
        while start:
            above = text.rfind("\n", 0, start - 1) + 1
            line = text[above : start - 1]
            if not (line[:column].isspace() or not column) or line[column : column + 1] != "#":
                break
            start = above
        found.append([start, _line_end(text, node.items[place].end)])
    return found


def _spans(parent: Node) -> list[tuple[int, int]]:
    if parent.kind == "mapping":
        return [(key.start, under.end) for key, under in parent.pairs]
    return [(one.start, one.end) for one in parent.items]


def _lines(text: str, parent: Node, place: int) -> tuple[int, int]:
    """Start of the first line and end of the last line of a block item or pair, which must have them for itself."""
    start, end = _spans(parent)[place]
    if parent.kind == "sequence":
        start = _dash(text, parent.items[place])
    end = start + len(text[start:end].rstrip())
    if not _rest_is_blank(text, end):
        raise Refused("Something else stands on these lines.", hint=_HAND)
    return _own_line(text, start), _line_end(text, end)


def _own_line(text: str, at: int) -> int:
    start = text.rfind("\n", 0, at) + 1
    if text[start:at].strip(" "):
        raise Refused("Something else stands on this line.", hint=_HAND)
    return start


def _out(text: str, start: int, end: int) -> list[Part]:
    """Put "# " before the content of every line of a span, last line first so that offsets hold."""
    parts: list[Part] = []
    for at in reversed(list(_contents(text, start, end))):
        glued = at > 0 and text[at - 1] not in " \t\r\n"
        parts.append(["splice", at, "", " # " if glued else "# "])
    return parts


def _contents(text: str, start: int, end: int) -> Iterator[int]:
    """Where the content of each line of a span begins; blank lines have none."""
    at = start
    while at < end:
        stop = text.find("\n", at, end)
        stop = end if stop < 0 else stop
        line = text[at:stop]
        if line.strip():
            yield at + len(line) - len(line.lstrip())
        at = stop + 1


def _dash(text: str, item: Node) -> int:
    at = len(text[: item.start].rstrip()) - 1
    if at < 0 or text[at] != "-":
        raise Refused("A list is written in a way that cannot be edited here.", hint=_HAND)
    return at


def _column(text: str, at: int) -> int:
    return at - text.rfind("\n", 0, at) - 1


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    return end - 1 if end > at and text[end - 1] == "\r" else end


def _rest_is_blank(text: str, at: int) -> bool:
    rest = text[at : _line_end(text, at)].lstrip(" \t")
    return not rest or rest.startswith("#")


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
