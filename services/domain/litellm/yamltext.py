"""Edits of a YAML text that leave every other byte as it is: comments, quotes, order, line ends, flow style.

An edit is a JSON object with an ``op`` and the ``path`` it speaks of (keys and list positions):

- ``set``: a value, ``before`` → ``after``
- ``add``: a key a mapping lacks, or the position behind the last of a list, with the value ``after``
- ``remove``: a key or a list item whose value is ``before``
- ``list``: a list of names, ``before`` → ``after``; what stays moves with its comments
- ``comment``: turns a list item into comment lines; nothing of it is in the edit, so it may hold a key
- ``restore``: what :func:`inverse` makes, for exactly the text an edit left behind

Values are names, numbers, truth values, lists and one-line mappings of them. Text that is commented is commented out
rather than cut, because an inverse must hold what is cut and a comment may hold anything. After each edit the text is
read again and must mean what was asked for, and nothing else may mean anything else; otherwise it is Refused.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from services.domain.litellm import yamllines, yamltree
from services.domain.litellm.yamllines import Part, performed
from services.domain.litellm.yamltree import Node, Tree
from services.errors import Refused

Edit = Mapping[str, Any]

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@+-]*")
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff]{1,512}")


def sha256(text: str) -> str:
    """The fingerprint of a text, in hexadecimal."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def apply(text: str, edits: Sequence[Edit]) -> str:
    """The text after the edits. Raises Refused where one does not fit."""
    for edit in edits:
        text, _ = _edited(text, edit)
    return text


def inverse(text: str, edits: Sequence[Edit]) -> list[dict[str, Any]]:
    """The edits that give exactly ``text`` again from what ``edits`` make of it."""
    undone: list[dict[str, Any]] = []
    for edit in edits:
        text, back = _edited(text, edit)
        swapped = {"path": list(edit["path"]), "before": edit.get("after"), "after": edit.get("before")}
        undone.append({"op": "restore", **swapped, "parts": back})
    return undone[::-1]


def _edited(text: str, edit: Edit) -> tuple[str, list[Part]]:
    """The text after one edit, and the parts that undo it in turn."""
    if edit["op"] == "restore":
        return performed(text, edit["parts"])
    before = yamltree.parsed(text)
    changed, back = _OPS[edit["op"]](text, before, edit)
    if _shape(_root(yamltree.parsed(changed))) != _expected(_shape(_root(before)), edit):
        raise Refused(f"{where(edit['path'])} cannot be edited safely here.", hint="Edit this place by hand.")
    return changed, back


def where(path: Sequence[str | int]) -> str:
    """A path for people: "router_settings.fallbacks[0]"."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _root(tree: Tree) -> Node:
    if tree.root is None:
        raise Refused("The text is empty.")
    return tree.root


def _found(text: str, tree: Tree, path: Sequence[str | int]) -> tuple[Node, Node | None, int]:
    """The node at a path, its parent and its position there. Raises Refused where the way is not clear."""
    node, parent, place = _root(tree), None, 0
    for depth, part in enumerate(path):
        _alone(tree, node, path[:depth])
        parent = node
        if node.kind == "mapping":
            places = [i for i, (key, _) in enumerate(node.pairs) if key.kind == "scalar" and key.text == str(part)]
            if len(places) > 1:
                raise Refused(f"{where(path[: depth + 1])} is there more than once.", hint="Remove one by hand.")
            if not places:
                raise Refused(f"{where(path[: depth + 1])} is not in the text.", hint="Read it again.")
            place = places[0]
            node = node.pairs[place][1]
        elif node.kind == "sequence" and isinstance(part, int) and 0 <= part < len(node.items):
            place = part
            node = node.items[part]
        else:
            raise Refused(f"{where(path[: depth + 1])} is not in the text.", hint="Read it again.")
    for one in yamltree.inside(node):
        _alone(tree, one, path)
    around = parent or node
    if re.search(r"^ *\t", text[text.rfind("\n", 0, around.start) + 1 : around.end], re.MULTILINE):
        raise Refused(f"{where(path)} is indented with tabs.", hint="Replace them by spaces first.")
    return node, parent, place


def _alone(tree: Tree, node: Node, path: Sequence[str | int]) -> None:
    if node.kind == "alias" or id(node) in tree.shared:
        raise Refused(
            f"{where(path)} is shared with other places of the text (&{node.anchor}).",
            hint="Write it out in each place first, or edit it by hand.",
        )


def _expect(node: Node, edit: Edit) -> None:
    if _shape(node) != _shaped(edit.get("before")):
        raise Refused(f"{where(edit['path'])} is not what it was.", hint="Read it again.")


def _set(text: str, tree: Tree, edit: Edit) -> tuple[str, list[Part]]:
    node, _, _ = _found(text, tree, edit["path"])
    _expect(node, edit)
    written = rendered(edit["after"])
    if node.start == node.end:
        return performed(text, [["splice", node.start, "", f" {written}"]])
    if node.style in ("|", ">") or (node.kind != "scalar" and not node.flow) or yamllines.commented(text, node):
        raise Refused(f"{where(edit['path'])} is not written on one line.", hint="Edit it by hand.")
    return performed(text, [["splice", node.start, text[node.start : node.end], written]])


def _add(text: str, tree: Tree, edit: Edit) -> tuple[str, list[Part]]:
    *above, key = edit["path"]
    node, _, _ = _found(text, tree, above)
    if node.kind == "sequence" and key == len(node.items):
        return performed(text, [yamllines.item_added(text, node, rendered(edit["after"], inside_flow=node.flow))])
    name = rendered(str(key))
    if node.kind == "scalar" and node.start == node.end:
        whole = rendered({str(key): edit["after"]})
        return performed(text, [["splice", node.start, "", f" {whole}"]])
    if node.kind != "mapping" or any(one.text == str(key) for one, _ in node.pairs if one.kind == "scalar"):
        raise Refused(f"{where(edit['path'])} cannot be added.", hint="Read the text again.")
    return performed(text, [yamllines.pair_added(text, node, f"{name}: {rendered(edit['after'])}")])


def _remove(text: str, tree: Tree, edit: Edit) -> tuple[str, list[Part]]:
    node, parent, place = _found(text, tree, edit["path"])
    _expect(node, edit)
    if parent is None:
        raise Refused("The whole text cannot be removed.")
    if len(parent.pairs or parent.items) == 1 and not parent.flow:
        owner, holder, at = _found(text, tree, edit["path"][:-1])
        key = holder.pairs[at][0] if holder is not None and holder.kind == "mapping" else None
        return performed(text, yamllines.emptied(text, owner, key))
    return performed(text, yamllines.removed(text, parent, place))


def _list(text: str, tree: Tree, edit: Edit) -> tuple[str, list[Part]]:
    """What is new goes to the end, what is unwanted leaves, and what is left is put in order."""
    path, was, wanted = edit["path"], list(edit["before"]), list(edit["after"])
    node, _, _ = _found(text, tree, path)
    _expect(node, edit)
    if not wanted or not was or node.kind != "sequence":
        raise Refused(f"{where(path)} cannot become or stop being an empty list.", hint="Remove or add it as a whole.")
    back: list[Part] = []

    def do(parts: list[Part]) -> Node:
        nonlocal text
        text, undo = performed(text, parts)
        back[:0] = undo
        return _found(text, yamltree.parsed(text), path)[0]

    have, missing = list(was), list(wanted)
    for name in was:
        if name in missing:
            missing.remove(name)
    for name in missing:
        node = do([yamllines.item_added(text, node, rendered(name, inside_flow=node.flow))])
        have.append(name)
    for place in reversed(range(len(have))):
        if have.count(have[place]) > wanted.count(have[place]):
            node = do(yamllines.removed(text, node, place))
            del have[place]
    order = []
    for name in wanted:
        order.append(next(i for i, one in enumerate(have) if one == name and i not in order))
    if order != list(range(len(order))):
        do([["order", yamllines.regions(text, node), order]])
    return text, back


def _comment(text: str, tree: Tree, edit: Edit) -> tuple[str, list[Part]]:
    node, parent, _ = _found(text, tree, edit["path"])
    if parent is None or parent.kind != "sequence" or len(parent.items) == 1:
        raise Refused(f"{where(edit['path'])} cannot be left out: nothing would be left.")
    return performed(text, yamllines.left_out(text, node, flow=parent.flow))


_OPS = {"set": _set, "add": _add, "remove": _remove, "list": _list, "comment": _comment}


def rendered(wanted: Any, *, inside_flow: bool = True) -> str:
    """A value as YAML on one line. Raises Refused for what an edit may not write."""
    if wanted is None or isinstance(wanted, bool | int | float):
        return json.dumps(wanted)
    if isinstance(wanted, str):
        if not _NAME.fullmatch(wanted):
            raise Refused("A name must have 1 to 512 characters, all of them printable.")
        plain = _WORD.fullmatch(wanted) and yamltree.is_text(wanted)
        return wanted if plain else json.dumps(wanted, ensure_ascii=False)
    if isinstance(wanted, Mapping):
        pairs = ", ".join(f"{rendered(key)}: {rendered(under)}" for key, under in wanted.items())
        return f"{{{pairs}}}" if inside_flow or len(wanted) != 1 else pairs
    if isinstance(wanted, list | tuple):
        return f"[{', '.join(rendered(one) for one in wanted)}]"
    raise Refused("Only names, numbers and lists of names can be written.")


def _shape(node: Node) -> Any:
    """What a text means, for comparing; an alias is its name and a mapping keeps its last of equal keys."""
    if node.kind == "alias":
        return ("alias", node.anchor)
    if node.kind == "scalar":
        return repr(yamltree.value(node))
    if node.kind == "sequence":
        return [_shape(one) for one in node.items]
    return {(key.text if key.kind == "scalar" else repr(_shape(key))): _shape(under) for key, under in node.pairs}


def _shaped(wanted: Any) -> Any:
    if isinstance(wanted, Mapping):
        return {str(key): _shaped(under) for key, under in wanted.items()}
    if isinstance(wanted, list | tuple):
        return [_shaped(one) for one in wanted]
    return repr(wanted)


def _expected(shape: Any, edit: Edit) -> Any:
    """What the text must mean after the edit."""
    *above, last = edit["path"]
    place = shape
    for part in above:
        if place[part] == repr(None):  # "add" below a key without a value makes it a mapping
            place[part] = {}
        place = place[part]
    if edit["op"] in ("remove", "comment"):
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(_shaped(edit["after"]))
    else:
        place[last] = _shaped(edit["after"])
    return shape
