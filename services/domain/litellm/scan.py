"""Looking through a whole LiteLLM configuration for what should not be there: clear-text keys, settings nothing reads.

Only places are told, as paths in words, never what stands there.
"""

import re
from collections.abc import Iterator

from services.domain.litellm.yamltree import Node, entry, keys, seen, value

USERINFO = re.compile(r"//[^/@\s]*@")
"""User and password in an address."""
_SECRET = re.compile(
    r"(key|secret|passw(or)?d|token|credentials?|authorization|access_key_id|webhook|webhook_url|license)$",
    re.IGNORECASE,
)
_NO_SECRET = frozenset({"", "none", "null", "empty", "dummy", "anything", "not-needed", "fake-key"})
MAX_PATH = 200
"""Characters of a path; of a longer one the end is told."""
_FANCIED = ("daily_budget", "alert_threshold")


def unread(root: Node) -> Iterator[str]:
    """Keys several guides show and LiteLLM does not know."""
    for section in keys(root):
        yield from (f"{section}.{key}" for key in keys(entry(root, section)) if key in _FANCIED)
    listed = entry(root, "model_list")
    for place, node in enumerate(listed.items if listed is not None else []):
        model = seen(node)
        for part, under in (("", model), *((name, entry(model, name)) for name in ("litellm_params", "model_info"))):
            found = (key for key in keys(under) if key in _FANCIED)
            yield from (".".join(filter(None, (f"model_list[{place}]", part, key))) for key in found)


def bare(node: Node, path: str = "") -> Iterator[str]:
    """List items "os.environ/…": LiteLLM resolves them under keys only."""
    for _, name, under in _children(node, path):
        if node.kind == "sequence" and under.kind == "scalar" and under.text.startswith("os.environ/"):
            yield name
        yield from bare(under, name)


def literals(node: Node, path: str = "", *, secret: bool = False) -> Iterator[str]:
    """Places of keys, passwords and headers written out instead of named by a variable."""
    for key, name, under in _children(node, path):
        last = key.rpartition(".")[2]
        hidden = secret or bool(_SECRET.search(last)) or last.endswith("headers") or last == "environment_variables"
        if under.kind != "scalar":
            yield from literals(under, name, secret=hidden)
            continue
        text = value(under)
        known = isinstance(text, str) and not text.startswith("os.environ/") and text.lower() not in _NO_SECRET
        if known and (hidden or USERINFO.search(text)):
            yield name


def _children(node: Node, path: str) -> Iterator[tuple[str, str, Node]]:
    """The key ("" in a list), the path and the node of everything directly inside."""
    for place, one in enumerate(node.items):
        yield "", _bounded(f"{path}[{place}]"), one
    for key, under in node.pairs:
        yield key.text, _bounded(f"{path}.{key.text}".lstrip(".")), under


def _bounded(path: str) -> str:
    return path if len(path) <= MAX_PATH else f"…{path[-MAX_PATH:]}"
