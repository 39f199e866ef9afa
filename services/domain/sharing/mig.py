"""MIG: profiles of the boards, configurations by name, and what they make of a node's GPUs.

Sources: NVIDIA MIG user guide (profiles, slices, most instances), ``nvidia-smi mig -lgip`` listings (memory),
mig-parted ``api/spec/v1`` (configurations), cloud-native-docs ``gpu-operator-mig`` (strategies, device ids).
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.domain import units
from services.domain.sharing import documents

Cut = Mapping[str, int] | None
"""Instances of one GPU by profile; None while MIG is off on it."""

MIB = 1048576.0


@dataclass(frozen=True)
class Profile:
    """One profile of a board: compute and memory slices, most instances of it alone, usable memory (NaN unknown)."""

    name: str
    compute: int
    memory: int
    most: int
    memory_bytes: float


@dataclass(frozen=True)
class Board:
    """A GPU that can be cut: how its model is spelled, PCI device ids, slices of compute and memory."""

    model: re.Pattern[str]
    ids: tuple[str, ...]
    compute: int
    memory: int
    profiles: Mapping[str, Profile]


_SLICES = ((1, 1, 7), (1, 2, 4), (2, 2, 3), (3, 4, 2), (4, 4, 1), (7, 8, 1))
"""Compute slices, memory slices and most instances of the profiles of every seven-slice GPU, smallest first."""


def _seven(model: str, ids: str, names: str, mebibytes: str = "") -> Board:
    sizes = [float(text) for text in mebibytes.split()] or [math.nan] * len(_SLICES)
    profiles = {
        name: Profile(name, compute, memory, most, size * MIB)
        for name, (compute, memory, most), size in zip(names.split(), _SLICES, sizes, strict=True)
    }
    small = next(iter(profiles.values()))
    profiles[f"{small.name}.me"] = Profile(f"{small.name}.me", 1, 1, 1, small.memory_bytes)
    return Board(re.compile(model), tuple(ids.split()), 7, 8, profiles)


_A30 = {
    "1g.6gb": Profile("1g.6gb", 1, 1, 4, 5836 * MIB),
    "1g.6gb.me": Profile("1g.6gb.me", 1, 1, 1, 5836 * MIB),
    "2g.12gb": Profile("2g.12gb", 2, 2, 2, 11672 * MIB),
    "2g.12gb.me": Profile("2g.12gb.me", 2, 2, 1, 11672 * MIB),
    "4g.24gb": Profile("4g.24gb", 4, 4, 1, 23344 * MIB),
}
BOARDS = (
    Board(re.compile(r"\bA30\b"), ("0x20B710DE",), 4, 4, _A30),
    _seven(r"A100.*80", "0x20B210DE 0x20B510DE", "1g.10gb 1g.20gb 2g.20gb 3g.40gb 4g.40gb 7g.80gb",
           "9856 19968 19968 40192 40192 80384"),
    _seven(r"A100", "0x20B010DE", "1g.5gb 1g.10gb 2g.10gb 3g.20gb 4g.20gb 7g.40gb",
           "4864 9856 9856 19968 19968 40192"),
    _seven(r"H100.*(?:NVL|94)", "", "1g.12gb 1g.24gb 2g.24gb 3g.47gb 4g.47gb 7g.94gb"),
    _seven(r"GH200.*144", "", "1g.18gb 1g.36gb 2g.36gb 3g.72gb 4g.72gb 7g.144gb"),
    _seven(r"GH200|H100.*96", "", "1g.12gb 1g.24gb 2g.24gb 3g.48gb 4g.48gb 7g.96gb"),
    _seven(r"H100", "0x233010DE", "1g.10gb 1g.20gb 2g.20gb 3g.40gb 4g.40gb 7g.80gb",
           "9984 20096 20096 40320 40320 81920"),
    _seven(r"H200", "0x233510DE", "1g.18gb 1g.35gb 2g.35gb 3g.71gb 4g.71gb 7g.141gb"),
    _seven(r"GB200", "", "1g.23gb 1g.47gb 2g.47gb 3g.93gb 4g.93gb 7g.186gb"),
    _seven(r"B200", "0x290110DE", "1g.23gb 1g.45gb 2g.45gb 3g.90gb 4g.90gb 7g.180gb"),
)  # fmt: skip
"""Boards by model, the more particular spelling first."""
_NOMINAL = re.compile(r"g\.(\d+)gb")


def board(model: str) -> Board | None:
    """The board of a model name; None for one that is not in :data:`BOARDS`."""
    return next((one for one in BOARDS if one.model.search(model)), None)


def memory_bytes(profile: str, model: str) -> float:
    """Usable memory of an instance; where no listing is known the number in its name, NaN when there is none."""
    known = board(model)
    listed = known.profiles.get(profile) if known else None
    if listed is not None and not math.isnan(listed.memory_bytes):
        return listed.memory_bytes
    nominal = _NOMINAL.search(profile)
    return float(nominal.group(1)) * 1e9 if nominal else math.nan


@dataclass(frozen=True)
class Group:
    """One entry of a configuration: which GPUs (None: all), MIG on or off, and how many instances of each profile."""

    devices: tuple[int, ...] | None
    enabled: bool
    instances: Mapping[str, int]
    only: tuple[str, ...] = ()  # PCI device ids it is for; none: every GPU


def configs(text: str) -> dict[str, tuple[Group, ...]]:
    """The configurations of a mig-parted document by name; entries that cannot be read are left out.

    Raises ValueError, in words, when the document is none.
    """
    document = documents.load(text)
    found = document.get("mig-configs") if isinstance(document, Mapping) else None
    if isinstance(found, Mapping):
        return {str(name): groups for name, given in found.items() if (groups := _groups(given))}
    raise ValueError("it has no mig-configs")


def _groups(given: Any) -> tuple[Group, ...]:
    if not isinstance(given, Sequence) or not all(isinstance(one, Mapping) for one in given):
        return ()
    return tuple(_group(one) for one in given)


def _group(given: Mapping[str, Any]) -> Group:
    devices, only = given.get("devices"), given.get("device-filter") or ()
    listed = given.get("mig-devices")
    instances = listed if isinstance(listed, Mapping) else {}
    return Group(
        devices=tuple(index for index in devices if isinstance(index, int)) if isinstance(devices, list) else None,
        enabled=bool(given.get("mig-enabled")),
        instances={str(name).replace("+", "."): count for name, count in instances.items() if isinstance(count, int)},
        only=(only,) if isinstance(only, str) else tuple(str(one) for one in only),
    )


def cut(groups: Sequence[Group], gpus: int, model: str) -> tuple[Cut, ...]:
    """What a configuration makes of each of a node's GPUs."""
    known = board(model)
    result: list[Cut] = [None] * gpus
    for group in groups:
        if group.only and known is not None and known.ids and not {*group.only} & {*known.ids}:
            continue
        for place in range(gpus) if group.devices is None else group.devices:
            if place < gpus and group.enabled:
                result[place] = dict(group.instances)
    return tuple(result)


def problems(cuts: Sequence[Cut], model: str) -> list[str]:
    """Why GPUs of this model cannot be cut so, in words; empty for a model whose profiles we do not know."""
    known = board(model)
    if known is None:
        return []
    said: dict[str, None] = {}
    for one in cuts:
        compute = memory = 0
        for name, count in (one or {}).items():
            profile = known.profiles.get(name)
            if profile is None:
                said[f"{model} has no profile {name}"] = None
                continue
            if count > profile.most:
                said[f"{count} × {name}: one GPU holds at most {profile.most}"] = None
            compute, memory = compute + count * profile.compute, memory + count * profile.memory
        if compute > known.compute or memory > known.memory:
            said[f"{_instances(one)} need more slices than one GPU has"] = None
    return list(said)


def _instances(one: Cut) -> str:
    return " + ".join(f"{count} × {name}" for name, count in (one or {}).items())


def single(cuts: Sequence[Cut]) -> str:
    """The profile all instances share, as the strategy "single" needs it on every GPU; "" when it cannot be."""
    names = {name for one in cuts for name in (one or {})}
    whole = bool(cuts) and all(one for one in cuts)
    return names.pop() if whole and len(names) == 1 else ""


def advertised(cuts: Sequence[Cut], strategy: str) -> dict[str, float]:
    """Units by resource that the plugin advertises; GPUs without MIG stay ``nvidia.com/gpu`` under "mixed"."""
    count: Counter[str] = Counter()
    for one in cuts:
        if one is None:
            count["nvidia.com/gpu"] += 1
        for name, number in (one or {}).items():
            count["nvidia.com/gpu" if strategy == "single" else f"nvidia.com/mig-{name}"] += number
    return {name: float(number) for name, number in sorted(count.items()) if number}


def equivalents(cuts: Sequence[Cut], model: str) -> float:
    """GPU equivalents of all instances and of the GPUs that stay whole."""
    return sum(
        1.0 if one is None else sum(count * units.mig_fraction(name, model) for name, count in one.items())
        for one in cuts
    )
