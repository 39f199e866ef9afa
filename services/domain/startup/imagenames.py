"""Names of images: one spelling for each, so that "nginx" and "docker.io/library/nginx:latest" are the same image.

The rule is that of the container runtimes (distribution reference): the first part is a registry when it has a dot or a
colon or is "localhost"; without one it is Docker Hub, where names of one part lie in "library"; without a tag or digest
it is "latest". Where a digest is given it decides, the tag beside it says nothing.
"""

from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

DOCKER_HUB = "docker.io"
_DOCKER_HUB_TOO = ("index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True)
class Name:
    """A name taken apart. Exactly one of ``tag`` and ``digest`` is set ("" otherwise)."""

    registry: str
    repository: str
    tag: str
    digest: str

    def __str__(self) -> str:
        """The canonical spelling; any runtime pulls the same image by it."""
        end = f"@{self.digest}" if self.digest else f":{self.tag}"
        return f"{self.registry}/{self.repository}{end}"

    @property
    def short(self) -> str:
        """For people: the last part of the path and the tag, or the first letters of the digest."""
        last = self.repository.rpartition("/")[2]
        return f"{last}@{self.digest.rpartition(':')[2][:12]}" if self.digest else f"{last}:{self.tag}"


@lru_cache(maxsize=16384)
def parsed(text: str) -> Name:
    """A name as a pod or a node writes it."""
    rest, _, digest = text.strip().partition("@")
    first, slash, path = rest.partition("/")
    is_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, rest = (first, path) if is_registry else (DOCKER_HUB, rest)
    repository, _, tag = rest.partition(":")
    if registry in _DOCKER_HUB_TOO:
        registry = DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return Name(registry, repository, "" if digest else tag or "latest", digest)


def canonical(text: str) -> str:
    """The one spelling of a name; "" stays ""."""
    return str(parsed(text)) if text else ""


def canonicals(names: pd.Series) -> pd.Series:
    """:func:`canonical` of a column, each distinct name once."""
    return names.map({name: canonical(name) for name in names.unique()}).astype("str")


def registries(names: pd.Series) -> pd.Series:
    """The registries of a column of names; "" of ""."""
    return names.map({name: parsed(name).registry if name else "" for name in names.unique()}).astype("str")


def short(text: str) -> str:
    """A name for people: "registry.example/team/vllm:1.2" → "vllm:1.2"."""
    return parsed(text).short if text else ""
