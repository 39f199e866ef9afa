"""How settings are called: environment variables, places in the file, and what to suggest for a wrong name."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.settings.given import SECTIONS, Gateway, Given, Kubernetes, OpenCost, Prometheus
from services.settings.given_access import View
from services.settings.given_alerts import Channel

PREFIX = "GFC_"
CONFIG = "GFC_CONFIG"
"""Names the file; the only setting that cannot stand in it."""

_KUBERNETES_NAMES = {"in_cluster": "GFC_IN_CLUSTER", "kubeconfig": "GFC_KUBECONFIG"}

FILE_ONLY = ("channels", "clusters", "views")
"""Fields no variable can hold."""

GENERAL: dict[str, str] = {f"{PREFIX}{field.upper()}": field for field in Given.model_fields if field not in FILE_ONLY}
"""Variable → field, for the settings that are not one cluster's."""

CLUSTER: dict[str, tuple[str, ...]] = {
    "GFC_CLUSTER_NAME": ("name",),
    **{
        _KUBERNETES_NAMES.get(field, f"{PREFIX}KUBE_{field.upper()}"): ("kubernetes", field)
        for field in Kubernetes.model_fields
    },
    **{f"{PREFIX}PROMETHEUS_{field.upper()}": ("prometheus", field) for field in Prometheus.model_fields},
    **{f"{PREFIX}GATEWAY_{field.upper()}": ("gateway", field) for field in Gateway.model_fields},
    **{f"{PREFIX}OPENCOST_{field.upper()}": ("opencost", field) for field in OpenCost.model_fields},
}
"""Variable → path inside the cluster, for the one cluster the environment can describe."""

CHANNEL: dict[str, tuple[str, ...]] = {f"{PREFIX}CHANNEL_{field.upper()}": (field,) for field in Channel.model_fields}
"""Variable → field of the one channel the environment can describe."""

_VARIABLES = {
    "clusters": {path: name for name, path in CLUSTER.items()},
    "channels": {path: name for name, path in CHANNEL.items()},
}

# A Service called "gfc" or "gfc-console" makes the kubelet put GFC_CONSOLE_SERVICE_HOST, GFC_CONSOLE_PORT_8501_TCP_ADDR
# and the like into every pod of its namespace: those are not settings and must not stop the start.
_SERVICE_LINK = re.compile(
    r"^GFC(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP).*)?)$"
)


def unknown(environ: Mapping[str, str]) -> list[str]:
    """Variables that carry our prefix and mean nothing, in order."""
    known = {CONFIG, *GENERAL, *CLUSTER, *CHANNEL}
    return sorted(
        name
        for name in environ
        if name.upper().startswith(PREFIX) and name not in known and not _SERVICE_LINK.match(name)
    )


def nearest(name: str, among: Iterable[str]) -> str:
    """The known name a wrong one was probably meant to be, or ""."""
    found = difflib.get_close_matches(name, sorted(among), n=1, cutoff=0.6)
    return found[0] if found else ""


@dataclass(frozen=True)
class Names:
    """What to call a setting in a message: the variable it came from, or its place in the file.

    ``given`` are the variables that are set; ``file`` is the path of the file as it was given, "" without one.
    """

    given: frozenset[str]
    file: str

    @property
    def cluster_from_environment(self) -> bool:
        """Whether the environment describes a cluster."""
        return any(name in CLUSTER for name in self.given)

    @property
    def channel_from_environment(self) -> bool:
        """Whether the environment describes a channel."""
        return any(name in CHANNEL for name in self.given)

    def of(self, *path: Any) -> str:
        """The name of the setting at a path such as ("clusters", 0, "prometheus", "url")."""
        described = {"clusters": self.cluster_from_environment, "channels": self.channel_from_environment}
        if len(path) > 2 and described.get(path[0]):
            inner, variables = tuple(str(part) for part in path[2:]), _VARIABLES[path[0]]
            other = f"the {path[0].removesuffix('s')}"
            return next((variables[inner[:size]] for size in (2, 1) if inner[:size] in variables), other)
        variable = f"{PREFIX}{str(path[0]).upper()}"
        if len(path) == 1 and (variable in self.given or not self.file):
            return variable
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        return f"{dotted} in {self.file}"


def known_keys(path: tuple[Any, ...]) -> list[str]:
    """The names that may stand where the last part of a path stands in the file."""
    if path[0] == "views" and len(path) > 2:
        return list(View.model_fields)
    section = next((part for part in reversed(path[:-1]) if not isinstance(part, int)), "")
    return list(SECTIONS.get(str(section), Given).model_fields)
