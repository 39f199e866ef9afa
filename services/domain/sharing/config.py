"""The device plugin's configuration documents: read leniently, judged strictly, written anew under a new key.

The plugin ignores keys it does not know, so that a typo turns sharing off without an error. Rules: k8s-device-plugin
v0.20.0 ``api/config/v1``; node label and fallbacks: its ``cmd/config-manager/main.go``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.domain.sharing import EXCLUSIVE, GPU, Layout, Mode, documents, mps_limit

_KNOWN: dict[str, frozenset[str]] = {
    "": frozenset({"version", "flags", "resources", "sharing", "imex"}),
    "flags": frozenset(
        {
            "migStrategy", "failOnInitError", "mpsRoot", "nvidiaDriverRoot", "nvidiaDevRoot", "gdrcopyEnabled",
            "gdsEnabled", "mofedEnabled", "useNodeFeatureAPI", "deviceDiscoveryStrategy", "plugin", "gfd",
        }
    ),
    "flags.plugin": frozenset(
        {
            "passDeviceSpecs", "deviceListStrategy", "deviceIDStrategy", "cdiAnnotationPrefix", "nvidiaCTKPath",
            "containerDriverRoot", "sharedDevicesAllocationPolicy",
        }
    ),
    "flags.gfd": frozenset({"oneshot", "noTimestamp", "outputFile", "sleepInterval", "machineTypeFile"}),
    "sharing": frozenset({"timeSlicing", "mps"}),
    "sharing.timeSlicing": frozenset({"renameByDefault", "failRequestsGreaterThanOne", "resources"}),
    "sharing.mps": frozenset({"renameByDefault", "failRequestsGreaterThanOne", "resources"}),
}  # fmt: skip
_STRATEGIES = ("none", "single", "mixed")
_NAME = re.compile(r"^nvidia\.com/(?:gpu|mig-[\w.+-]+)$")


@dataclass(frozen=True)
class Document:
    """What a document asks for, as far as it can be read.

    ``layout`` of whole GPUs; ``renamed``: shared units are ``nvidia.com/gpu.shared``; ``single``: a pod that asks for
    more than one unit is refused; ``strategy`` is the MIG strategy it names, "" when none. ``by_resource`` are replicas
    of all resources, MIG instances too.
    """

    layout: Layout
    renamed: bool = False
    single: bool = False
    strategy: str = ""
    by_resource: tuple[tuple[str, int], ...] = ()


def read(text: str) -> Document:
    """What a document asks for; one that cannot be read, or asks for nothing, asks for exclusive GPUs."""
    body = _body(text)
    flags = body.get("flags")
    strategy = str(flags.get("migStrategy") or "") if isinstance(flags, Mapping) else ""
    sharing = body.get("sharing")
    given = sharing if isinstance(sharing, Mapping) else {}
    word, mode = ("mps", Mode.MPS) if given.get("mps") else ("timeSlicing", Mode.TIME_SLICING)
    how = given.get(word)
    if not isinstance(how, Mapping):
        return Document(EXCLUSIVE, strategy=strategy)
    resources = tuple(
        (_full(str(one.get("name", ""))), one["replicas"])
        for one in how.get("resources") or ()
        if isinstance(one, Mapping) and isinstance(one.get("replicas"), int)
    )
    replicas = dict(resources).get(GPU, 1)
    refuses = how.get("failRequestsGreaterThanOne")
    return Document(
        layout=Layout(mode, replicas) if replicas > 1 else EXCLUSIVE,
        renamed=how.get("renameByDefault") is True,
        single=refuses is True or (mode is Mode.MPS and refuses is not False),
        strategy=strategy,
        by_resource=resources,
    )


def problems(text: str, *, strategy: str = "", compute: tuple[int, int] | None = None) -> list[str]:
    """What is wrong with a document, each in words; empty when the plugin does what it says.

    ``strategy`` is the MIG strategy in force where something overrides the document's, ``compute`` the GPUs' compute
    capability.
    """
    try:
        body = documents.load(text)
    except ValueError as error:
        return [str(error)]
    if body is None:
        return []
    if not isinstance(body, Mapping):
        return ["it is no mapping"]
    said = list(_unknown(body))
    if body.get("version") not in (None, "", "v1"):
        said.append(f"version {body['version']!s:.40} is not v1")
    flags = body.get("flags") if isinstance(body.get("flags"), Mapping) else {}
    named = str((flags or {}).get("migStrategy") or "")
    if named and named not in _STRATEGIES:
        said.append(f"flags.migStrategy {named:.40} is none of {', '.join(_STRATEGIES)}")
    if "resources" in body:
        said.append("resources is ignored by the plugin")
    sharing = body.get("sharing")
    if isinstance(sharing, Mapping):
        said += _sharing(sharing, strategy or named, compute)
    elif sharing is not None:
        said.append("sharing is no mapping")
    return said


def _unknown(body: Mapping[str, Any], path: str = "") -> Iterator[str]:
    known = _KNOWN.get(path)
    if known is None:
        return
    for key, value in body.items():
        whole = f"{path}.{key}" if path else str(key)
        if key not in known:
            yield f"{whole[:60]} is unknown and silently ignored"
        elif isinstance(value, Mapping):
            yield from _unknown(value, whole)


def _sharing(sharing: Mapping[str, Any], strategy: str, compute: tuple[int, int] | None) -> Iterator[str]:
    both = [word for word in ("timeSlicing", "mps") if sharing.get(word) is not None]
    if len(both) == 2:
        yield "timeSlicing and mps exclude each other"
    if "mps" in both and strategy == "mixed":
        yield "MPS is not possible with the MIG strategy mixed"
    for word in both:
        how = sharing[word]
        resources = how.get("resources") if isinstance(how, Mapping) else None
        if not isinstance(resources, list) or not resources:
            yield f"sharing.{word} names no resources"
            continue
        for one in resources:
            yield from _resource(one if isinstance(one, Mapping) else {}, mps=word == "mps", compute=compute)


def _resource(one: Mapping[str, Any], *, mps: bool, compute: tuple[int, int] | None) -> Iterator[str]:
    name, replicas = _full(str(one.get("name", ""))), one.get("replicas")
    if not _NAME.match(name) or len(name) > 63:
        yield f"{name[:70]} is no resource the plugin shares"
    elif mps and name != GPU:
        yield f"MPS shares whole GPUs only, not {name}"
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 2:
        yield f"replicas of {name[:70]} must be a whole number of at least 2"
    elif mps and replicas > mps_limit(compute):
        yield f"MPS makes at most {mps_limit(compute)} units of this GPU, not {replicas}"
    for key in sorted({str(key) for key in one} - {"name", "replicas"}):
        yield f"{key[:40]} of {name[:70]} is ignored by the plugin"


def written(layout: Layout, base: str = "") -> str:
    """A document that asks for a layout of whole GPUs; everything but sharing is as in ``base``.

    Shared units keep the name ``nvidia.com/gpu`` (autoscalers know no other), and a pod that asks for two is refused,
    because two units of one GPU are not twice the compute.
    """
    body = {"version": "v1"} | {key: value for key, value in _body(base).items() if key not in ("sharing", "version")}
    if layout.shared:
        word = "mps" if layout.mode is Mode.MPS else "timeSlicing"
        body["sharing"] = {
            word: {
                "renameByDefault": False,
                "failRequestsGreaterThanOne": True,
                "resources": [{"name": GPU, "replicas": layout.replicas}],
            }
        }
    return documents.dump(body)


def _body(text: str) -> dict[str, Any]:
    try:
        body = documents.load(text)
    except ValueError:
        return {}
    return dict(body) if isinstance(body, Mapping) else {}


def _full(name: str) -> str:
    return name if not name or "/" in name else f"nvidia.com/{name}"


def effective_key(label: str, default: str, keys: Iterable[str], *, fallback: str) -> str:
    """The key of the document a node uses: its label's, else the default, else the fallback strategies' choice.

    ``fallback`` is the environment variable FALLBACK_STRATEGIES ("named,single"; "empty" means no document). "" when
    the node runs without a document; a label no key answers to changes nothing, and is returned all the same.
    """
    known = list(keys)
    if label or default:
        return label or default
    for way in fallback.split(","):
        if way.strip() == "named" and "default" in known:
            return "default"
        if way.strip() == "single" and len(known) == 1:
            return known[0]
    return ""


def key_for(layout: Layout, documents: Mapping[str, str], *, renamed: bool = False, prefer: str = "") -> str:
    """The key whose document asks for exactly this layout without any fault; "" when there is none.

    ``prefer`` is taken when it fits, then documents that refuse requests for two units.
    """
    fitting = []
    for key, text in sorted(documents.items()):
        found = read(text)
        same_name = found.renamed == renamed or not layout.shared
        only_gpus = all(name == GPU for name, _ in found.by_resource)
        if found.layout == layout and same_name and only_gpus and not problems(text):
            fitting.append((key != prefer, not found.single, key))
    return min(fitting)[2] if fitting else ""


def new_key(layout: Layout, taken: Iterable[str]) -> str:
    """A key no document has: "time-slicing-4", then "time-slicing-4-v2".

    The content under a key that exists is never changed: the plugin would not notice.
    """
    used, stem = set(taken), layout.key
    return next(name for name in (stem, *(f"{stem}-v{number}" for number in range(2, 1000))) if name not in used)
