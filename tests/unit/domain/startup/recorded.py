"""Recorded starts and pulls, row by row, with sensible defaults."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pandas as pd

from services.domain import frames
from services.domain.startup import Phase
from services.domain.startup.frame import PULLS, STARTS

T0 = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
NAN = float("nan")


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return T0 + timedelta(minutes=minutes)


def start(minutes: float = 0.0, *, total_s: float | None = None, **values: object) -> dict[str, object]:
    """One start, created ``minutes`` after noon. Seconds of phases by name: ``load_s=60``; they make up the total."""
    phases = {f"{phase}_s": 0.0 for phase in Phase} | {name: value for name, value in values.items() if name in STARTS}
    spent = sum(float(str(phases[f"{phase}_s"])) for phase in Phase)
    total = spent if total_s is None else total_s
    row: dict[str, object] = {
        "cluster": "east", "namespace": "serving", "workload_kind": "Deployment", "workload": "chat", "team": "llm",
        "pod": "chat-1", "uid": f"u{minutes}", "attempt": "", "node": "n1", "pool": "a", "zone": "z1",
        "model": "H100 80GB HBM3", "instance": "p5.48xlarge", "capacity_type": "on-demand",
        "resource": "nvidia.com/gpu", "gpus": 1.0, "created_at": at(minutes), "scheduled_at": at(minutes),
        "ended_at": at(minutes) + timedelta(seconds=total), "outcome": "ready", "total_s": total, "cold": False,
        "headroom": False, "image": "reg.example/vllm:1", "image_bytes": 8e9, "pull": "cached", "usd": 1.0,
        "usd_per_hour": 4.0, "restarts": 0, "flags": "", "reason": "",
        "recorded_at": at(minutes),
    }  # fmt: skip
    if total_s is not None and not spent:
        phases["load_s"] = total_s
    return row | phases | values


def starts(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """A frame of starts."""
    return frames.conform(pd.DataFrame(list(rows), columns=list(STARTS)), STARTS)


def pull(**values: object) -> dict[str, object]:
    """One pull of a 10 GB image in 100 s."""
    row: dict[str, object] = {
        "cluster": "east", "uid": "u", "node": "n1", "pool": "a", "zone": "z1", "container": "main",
        "image": "reg.example/vllm:1", "registry": "reg.example", "how": "pulled", "at": T0, "seconds": 100.0,
        "waiting_s": 0.0, "size_bytes": 10e9,
    }  # fmt: skip
    return row | values


def pulls(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """A frame of pulls."""
    return frames.conform(pd.DataFrame(list(rows), columns=list(PULLS)), PULLS)
