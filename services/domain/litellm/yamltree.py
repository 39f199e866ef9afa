"""A YAML text as a tree of spans: what stands where, so that a text can be edited without being written anew.

Offsets count characters. Aliases are not followed when the tree is built, so an alias bomb costs nothing; :func:`entry`
and :func:`keys` look through aliases and merges as PyYAML's safe loader does.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml  # type: ignore[import-untyped]  # the loader LiteLLM reads its file with: what it takes for a number, we do

from services.errors import Refused

MAX_BYTES = 1024 * 1024
"""What a ConfigMap may hold."""
MAX_DEPTH = 64
MAX_NODES = 100_000
MAX_MEANT = 200_000
"""Parts with those that aliases stand for, counted at each alias: what it can cost to look at all of them."""
MAX_NUMBER = 100
"""Characters of a number, date or truth value. What is longer is text here: making numbers of it takes minutes."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER = yaml.resolver.Resolver()
_PLAIN = (str, int, float, bool, type(None))


@dataclass(eq=False)
class Node:
    """One node: ``kind`` is "scalar", "sequence", "mapping" or "alias".

    ``start`` and ``end`` span what is written, with anchor and tag; a block collection ends where its last content
    does. ``text`` of a scalar is its content, ``style`` its quote ("" plain, "|", ">"); ``flow`` is whether a
    collection has brackets. ``target`` is what an alias stands for. ``own`` and ``merges`` of a mapping are what stands
    under its keys, the last of equal ones, and under its "<<", those that count first being first; ``parts`` is how
    many nodes it is, with those aliases stand for.
    """

    kind: str
    start: int
    end: int
    text: str = ""
    style: str = ""
    plain: bool = False
    flow: bool = False
    anchor: str = ""
    tag: str = ""
    items: list["Node"] = field(default_factory=list)
    pairs: list[tuple["Node", "Node"]] = field(default_factory=list)
    target: "Node | None" = None
    own: dict[str, "Node"] = field(default_factory=dict)
    merges: list["Node"] = field(default_factory=list)
    parts: int = 1

    @property
    def children(self) -> list["Node"]:
        """The nodes directly inside, in order."""
        return self.items or [part for pair in self.pairs for part in pair]


@dataclass(frozen=True)
class Tree:
    """A document: ``root`` is None when it is empty; ``shared`` are ids of nodes that an alias stands for."""

    root: Node | None
    shared: frozenset[int]


def parsed(text: str) -> Tree:
    """The one document of a text. Raises Refused, without quoting the text, for what is not YAML or is too much."""
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise Refused("The text is larger than 1 MiB, which no ConfigMap holds.")
    if text.startswith("\ufeff"):
        raise Refused("The text starts with a byte order mark.", hint="Save it as UTF-8 without one.")
    try:
        return _built(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark is not None else ""
        tab = re.search(r"^ *\t", "\n".join(text.splitlines()[mark.line : mark.line + 1])) if mark is not None else None
        why = "a tab stands where only spaces may" if tab else "it cannot be read"
        raise Refused(f"The text is not YAML{where}: {why}.") from None
    except (yaml.YAMLError, UnicodeError):
        raise Refused("The text is not YAML: it has characters YAML does not allow.") from None


def value(node: Node) -> Any:
    """What the safe loader makes of a scalar: text, number, truth value or None. Dates stay text.

    So does what it cannot make, such as a word under the tag of a number, and more than :data:`MAX_NUMBER` characters.
    """
    if len(node.text) > MAX_NUMBER:
        return node.text
    tag = node.tag or _RESOLVER.resolve(yaml.ScalarNode, node.text, (node.plain, not node.plain))
    try:
        # a new one each time: it keeps all it ever made
        made = yaml.constructor.SafeConstructor().construct_object(yaml.ScalarNode(tag, node.text))
    except (yaml.YAMLError, ValueError, OverflowError, LookupError, AttributeError):  # the last two of wrong tags
        return node.text
    return made if isinstance(made, _PLAIN) else node.text


def is_text(written: str) -> bool:
    """Whether a word without quotes is read as that word, and not as a number, date or truth value."""
    return bool(_RESOLVER.resolve(yaml.ScalarNode, written, (True, False)) == "tag:yaml.org,2002:str")


def seen(node: Node | None) -> Node | None:
    """The node itself, or what it stands for when it is an alias."""
    return node.target if node is not None and node.kind == "alias" else node


def entry(node: Node | None, key: str) -> Node | None:
    """What the loader finds under a key: the last of several, else what a merge brings; None when nothing."""
    for mapping in _merged(seen(node)):
        if key in mapping.own:
            return seen(mapping.own[key])
    return None


def at(node: Node | None, path: Sequence[str | int]) -> Node | None:
    """What the loader finds at a path of keys and list positions; None when nothing."""
    for part in path:
        node = seen(node)
        if isinstance(part, str):
            node = entry(node, part)
        else:
            node = node.items[part] if node is not None and 0 <= part < len(node.items) else None
    return seen(node)


def keys(node: Node | None) -> list[str]:
    """The keys the loader finds in a mapping, each once, in order."""
    found = (name for mapping in _merged(seen(node)) for name in mapping.own)
    return [key for key in dict.fromkeys(found) if key != "<<"]


def inside(node: Node) -> Iterator[Node]:
    """The node and everything written in it; aliases are not followed."""
    yield node
    for child in node.children:
        yield from inside(child)


def _merged(node: Node | None) -> Iterator[Node]:
    """A mapping and those it merges, theirs too, in the order in which they count."""
    left, met = [node], set[int]()
    while left:
        one = seen(left.pop())
        if one is not None and one.kind == "mapping" and id(one) not in met:
            met.add(id(one))
            yield one
            left += reversed(one.merges)


def _built(text: str) -> Tree:
    anchors: dict[str, Node] = {}
    shared: set[int] = set()
    open_, documents, nodes = [Node("sequence", 0, 0)], 0, 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise Refused("The text holds several YAML documents; LiteLLM reads one.")
        elif isinstance(event, yaml.CollectionEndEvent):
            node = open_.pop()
            _close(node, event.end_mark.index)
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            if nodes > MAX_NODES or len(open_) > MAX_DEPTH:
                raise Refused("The text is nested too deeply or has too many parts to be a LiteLLM configuration.")
            node = _node(event)
            if node.kind == "alias":
                node.target = anchors.get(node.anchor)
                line = event.start_mark.line + 1
                if node.target is None:
                    raise Refused(f"The text is not YAML, line {line}: an alias has no anchor.")
                if any(one is node.target for one in open_):
                    raise Refused(f"The text cannot be read, line {line}: an alias stands for what it is in.")
                node.parts = node.target.parts
                shared.add(id(node.target))
            elif node.anchor:
                anchors[node.anchor] = node
            open_[-1].items.append(node)
            if isinstance(event, yaml.CollectionStartEvent):
                open_.append(node)
    return Tree(open_[0].items[0] if open_[0].items else None, frozenset(shared))


def _node(event: Any) -> Node:
    start, end, anchor = event.start_mark.index, event.end_mark.index, event.anchor or ""
    if isinstance(event, yaml.AliasEvent):
        return Node("alias", start, end, anchor=anchor)
    tag = event.tag or ""
    if isinstance(event, yaml.ScalarEvent):
        plain = not event.style
        return Node("scalar", start, end, event.value, event.style or "", plain, anchor=anchor, tag=tag)
    kind = "mapping" if isinstance(event, yaml.MappingStartEvent) else "sequence"
    return Node(kind, start, end, flow=bool(event.flow_style), anchor=anchor, tag=tag)


def _close(node: Node, end: int) -> None:
    """A collection is complete: its parts become pairs when it is a mapping, and its end is known."""
    node.parts += sum(one.parts for one in node.items)
    if node.parts > MAX_MEANT:
        raise Refused("The text repeats too much by aliases to be a LiteLLM configuration.")
    if node.kind == "mapping":
        node.pairs = list(zip(node.items[::2], node.items[1::2], strict=True))
        node.own = {key.text: under for key, under in node.pairs if key.kind == "scalar"}
        node.merges = [one for key, under in reversed(node.pairs) if _is_merge(key) for one in _several(under)]
    node.end = end if node.flow else node.items[-1].end if node.items else node.start
    if node.kind == "mapping":
        node.items = []


def _is_merge(key: Node) -> bool:
    return key.kind == "scalar" and key.plain and key.text == "<<"


def _several(node: Node) -> list[Node]:
    """The items of a list, else the node alone."""
    one = seen(node)
    return one.items if one is not None and one.kind == "sequence" else [node]
