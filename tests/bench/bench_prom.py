"""How fast an answer becomes a frame, from the same bytes: ours against the client library's.

``python -m tests.bench.bench_prom``
"""

import gc
import json
import time
import tracemalloc
import warnings
from collections.abc import Callable

import pandas as pd
from prometheus_api_client import MetricRangeDataFrame

from services.adapters.prom_envelope import opened
from services.adapters.prom_frames import Grid, answered, decoded
from services.adapters.promql import Plan
from services.domain.signals import UNIT_KEY

START, STEP = 1_780_000_000, 300
LABELS = {"node": "node", "gpu": "UUID", "instance": "GPU_I_ID", "profile": "GPU_I_PROFILE", "model": "modelName"}
CASES = ((1_000, 1), (10_000, 1), (1_000, 288), (10_000, 288))


def body(series: int, points: int) -> bytes:
    """A matrix answer with the five labels that tell MIG instances apart, eight a node; compact, as it is sent."""
    result = [
        {
            "metric": {
                "node": f"gpu-pool-a-{number // 8:05}.cluster.internal",
                "UUID": f"GPU-{number:08x}-0000-4000-8000-000000000001",
                "GPU_I_ID": str(7 + number % 7),
                "GPU_I_PROFILE": "1g.10gb",
                "modelName": "NVIDIA H100 80GB HBM3",
            },
            "values": [[START + STEP * at, f"{(number * 31 + at * 7) % 1000 / 1000:.6f}"] for at in range(points)],
        }
        for number in range(series)
    ]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    return json.dumps(answer, separators=(",", ":")).encode()


def ours(content: bytes, points: int) -> pd.DataFrame:
    grid = Grid(START, STEP, points)
    plan = Plan("", "", UNIT_KEY, UNIT_KEY, False, LABELS)
    data = opened("bench", content, seconds=0.0).data
    table = decoded("bench", data, list(LABELS.values()), grid, max_series=100_000)
    named = type(table)({name: table.labels[label] for name, label in LABELS.items()}, table.samples)
    return answered(UNIT_KEY, plan, named, None, grid=grid, instants=1, ranged=True)


def library(content: bytes, points: int) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MetricRangeDataFrame(json.loads(content)["data"]["result"])


def measured(
    run: Callable[[bytes, int], pd.DataFrame], content: bytes, points: int, rounds: int
) -> tuple[float, float, int]:
    """Best seconds of processor time of some rounds (a busy machine counts less), peak MiB of one more, rows."""
    best, rows = float("inf"), 0
    for _ in range(rounds):
        gc.collect()
        started = time.process_time()
        rows = len(run(content, points))
        best = min(best, time.process_time() - started)
    tracemalloc.start()
    run(content, points)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return best, peak, rows


def main() -> None:
    """Print the table."""
    print(" series points    MiB |   ours s peak MiB | library s peak MiB | faster")
    for series, points in CASES:
        content = body(series, points)
        seconds, peak, rows = measured(ours, content, points, 5)
        assert rows == series * points
        line = f"{series:>7} {points:>6} {len(content) / 2**20:>6.1f} | {seconds:>8.3f} {peak:>8.1f} | "
        if series * points > 1_000_000:  # the library takes gigabytes
            print(line + f"{'-':>9} {'-':>8} |")
            continue
        theirs, their_peak, _ = measured(library, content, points, 5)
        print(line + f"{theirs:>9.3f} {their_peak:>8.1f} | {theirs / seconds:.1f} x")


if __name__ == "__main__":
    main()
