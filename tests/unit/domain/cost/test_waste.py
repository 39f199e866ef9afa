from typing import Any

import pandas as pd
import pytest

from services.domain import frames
from services.domain.cost.waste import HELD, Advice, Limits, confidence, frame, totals
from services.domain.cost.waste_advice import advise
from services.domain.cost.waste_options import MODELS
from services.domain.cost.waste_patch import manifest

DAY_S = 86400.0
GIB = 2.0**30
H100, T4 = "H100 80GB HBM3", "T4"


def row(pod: str, **given: Any) -> dict[str, Any]:
    """A whole GPU at $2 an hour that works half of the time and needs most of its 80 GiB, watched for seven days."""
    plain = {
        "cluster": "east", "node": "n1", "pool": "train", "gpu": f"GPU-{pod}", "instance": "", "model": H100,
        "namespace": "ml", "workload": pod.rsplit("-", 1)[0], "workload_kind": "Deployment", "team": "a", "pod": pod,
        "held": 1.0, "whole": True, "complete": True, "usd": 2.0, "peak": 0.9, "mean": 0.5, "sm": 0.4, "idle_s": 0.0,
        "memory_peak": 70 * GIB, "memory_total": 80 * GIB, "seen": 1.0, "span_s": 7 * DAY_S,
    }  # fmt: skip
    return plain | given


def held(*rows: dict[str, Any]) -> pd.DataFrame:
    return frames.conform(pd.DataFrame(list(rows)), HELD)


def models(*rows: tuple[str, float, float]) -> pd.DataFrame:
    return frames.table(MODELS, [("east", name, gib * GIB, usd) for name, gib, usd in rows])


def advised(*rows: dict[str, Any], others: pd.DataFrame | None = None) -> list[Advice]:
    return advise(held(*rows), models() if others is None else others, Limits())


IDLE = {"peak": 0.0, "mean": 0.0, "sm": 0.0, "idle_s": 4 * DAY_S}
SMALL = {"mean": 0.1, "sm": 0.1, "memory_peak": 6 * GIB}


def test_what_works_is_left_alone() -> None:
    assert advised(row("chat-0")) == []


def test_a_month_of_an_idle_gpu_is_730_and_a_half_hours() -> None:
    (found,) = advised(row("chat-0", **IDLE))
    assert (found.verb, found.key) == ("remove", "waste/remove/east/ml/chat")
    assert found.usd_per_month == 1461.0
    assert (found.gpus, found.freed, found.idle_s) == (1.0, 1.0, 4 * DAY_S)


def test_without_a_price_there_is_no_money_and_not_zero() -> None:
    (found,) = advised(row("chat-0", **IDLE, usd=float("nan")))
    assert found.usd_per_month is None
    assert frame([found])["usd_per_month"].isna().all()


def test_a_sum_with_an_unpriced_part_is_unknown() -> None:
    (found,) = advised(row("chat-0", **IDLE), row("chat-1", **IDLE, usd=float("nan")))
    assert found.usd_per_month is None
    assert found.freed == 2.0


def test_a_pod_is_removed_only_when_all_of_its_gpus_are_idle() -> None:
    rows = (row("train-0", gpu="g0", **IDLE), row("train-0", gpu="g1"))
    assert [one.verb for one in advised(*rows)] == ["optimise"]


def test_what_nobody_measured_is_in_no_verb() -> None:
    unknown = {"peak": float("nan"), "mean": float("nan"), "idle_s": float("nan"), "complete": False}
    assert advised(row("chat-0", **unknown)) == []
    assert advised(row("chat-0", **IDLE | {"complete": False})) == []


def test_a_pod_that_uses_one_of_four_gpus_keeps_one() -> None:
    rows = [row("train-0", gpu=f"g{place}", peak=peak) for place, peak in enumerate((0.9, 0.05, 0.01, 0.0))]
    (found,) = advised(*rows)
    assert (found.verb, found.becomes, found.amount) == ("optimise", "1 of 4 GPUs", 1)
    # 3 of 4 GPUs at $2 for 730.5 hours
    assert found.usd_per_month == 4383.0
    assert found.freed == 3.0


def test_the_replica_that_uses_most_decides_for_all() -> None:
    rows = [row(pod, gpu=f"{pod}{place}", peak=peak) for pod, peaks in (("train-0", (0.9, 0.0, 0.0)),
            ("train-1", (0.9, 0.8, 0.0))) for place, peak in enumerate(peaks)]  # fmt: skip
    (found,) = advised(*rows)
    assert (found.becomes, found.freed) == ("2 of 3 GPUs", 2.0)


def test_one_replica_that_uses_all_of_its_gpus_keeps_them_for_all() -> None:
    rows = [row(pod, gpu=f"{pod}{place}", peak=peak) for pod, peaks in (("train-0", (0.9, 0.0)),
            ("train-1", (0.9, 0.8))) for place, peak in enumerate(peaks)]  # fmt: skip
    assert advised(*rows) == []


def test_the_smallest_slice_has_the_memory_used_times_one_and_a_fifth() -> None:
    # 7 GiB × 1.2 = 8.4 GiB is below the 9984 MiB of 1g.10gb; 9 GiB × 1.2 = 10.8 GiB is above it
    (found,) = advised(row("chat-0", **SMALL | {"memory_peak": 7 * GIB}))
    assert (found.verb, found.becomes, found.resource) == ("share", "1g.10gb", "nvidia.com/mig-1g.10gb")
    assert found.usd_per_month == pytest.approx(1461.0 * 6 / 7)
    (larger,) = advised(row("chat-0", **SMALL | {"memory_peak": 9 * GIB}))
    assert larger.becomes == "1g.20gb"


def test_a_slice_needs_the_compute_the_sms_were_active_with() -> None:
    # 0.2 is more than 1 of 7 slices (0.143) and less than 2 of 7
    (found,) = advised(row("chat-0", **SMALL | {"sm": 0.2}))
    assert found.becomes == "2g.20gb"


def test_without_sm_activity_the_busy_time_stands_for_it() -> None:
    (found,) = advised(row("chat-0", **SMALL | {"sm": float("nan"), "mean": 0.29}))
    assert found.becomes == "3g.40gb"
    assert "SMs" not in " ".join(found.evidence)


def test_a_cheaper_model_is_named_where_it_saves_more_and_is_never_sure() -> None:
    # 6/7 of $2 saves $1.71 an hour; a T4 for $0.20 saves $1.80
    (found,) = advised(row("chat-0", **SMALL), others=models((T4, 15.0, 0.20), ("A10", 22.0, 1.0)))
    assert (found.becomes, found.freed) == (T4, 0.0)
    assert found.usd_per_month == pytest.approx(1.8 * 730.5)
    assert found.confidence == "medium"


def test_a_model_without_room_for_the_memory_is_none() -> None:
    (found,) = advised(row("chat-0", **SMALL), others=models((T4, 7.0, 0.20)))
    assert found.becomes == "1g.10gb"


def test_a_gpu_without_mig_is_shared_by_time() -> None:
    # 10 % × 4 = 40 % of 70 %; 3 GiB × 4 = 12 GiB of 90 % of 15 GiB = 13.5; eight would be 24
    small = {"mean": 0.1, "sm": 0.1, "memory_peak": 3 * GIB, "memory_total": 15 * GIB, "model": T4}
    (found,) = advised(row("chat-0", **small))
    assert (found.becomes, found.layout, found.freed) == ("1 of 4 shares", "time-slicing-4", 0.75)


def test_a_share_of_a_gpu_is_not_shared_again() -> None:
    assert advised(row("chat-0", **SMALL | {"whole": False})) == []


def test_no_gpu_is_counted_twice() -> None:
    rows = (
        row("job-0", gpu="a", **IDLE), row("job-1", gpu="b", **SMALL), row("wide-0", gpu="c"),
        row("wide-0", gpu="d", **SMALL | {"peak": 0.0}),
    )  # fmt: skip
    found = advised(*rows)
    assert sorted((one.verb, one.pods) for one in found) == [
        ("optimise", ("wide-0",)), ("remove", ("job-0",)), ("share", ("job-1",)),
    ]  # fmt: skip
    assert sum(one.gpus for one in found) == 4.0


def test_totals_leave_out_what_is_unpriced_and_say_how_many() -> None:
    found = totals(advised(row("a-0", **IDLE), row("b-0", **IDLE, usd=float("nan"))))
    assert (found["remove"].number, found["remove"].usd_per_month, found["remove"].unpriced) == (2, 1461.0, 1)
    assert (found["share"].number, found["share"].usd_per_month) == (0, 0)
    assert totals(advised(row("b-0", **IDLE, usd=float("nan"))))["remove"].usd_per_month is None


@pytest.mark.parametrize(
    ("seen", "hours", "says"),
    [(0.95, 72, "high"), (0.94, 72, "medium"), (1.0, 71, "medium"), (0.8, 20, "medium"), (0.79, 168, "low"),
     (1.0, 19, "low")],
)  # fmt: skip
def test_confidence_is_of_samples_and_time(seen: float, hours: float, says: str) -> None:
    assert confidence(seen, hours * 3600) == says


def test_idle_gpus_are_as_sure_as_they_are_long_idle() -> None:
    (found,) = advised(row("chat-0", **IDLE | {"idle_s": 3600.0}))
    assert found.confidence == "low"


def test_the_patch_asks_for_a_slice_in_place_of_the_gpu() -> None:
    (found,) = advised(row("chat-0", **SMALL))
    assert manifest(found, owner="chat", container="main").splitlines() == [
        "apiVersion: apps/v1", "kind: Deployment", "metadata:", "  name: chat", "  namespace: ml", "spec:",
        "  template:", "    spec:", "      containers:", "      - name: main", "        resources:",
        "          limits:", "            nvidia.com/gpu: null", "            nvidia.com/mig-1g.10gb: 1",
    ]  # fmt: skip


def test_a_name_that_is_yaml_stays_a_name() -> None:
    (found,) = advised(row("chat-0", **SMALL))
    assert "name: 'yes: {no}'" in manifest(found, owner="yes: {no}", container="main")


def test_a_job_that_runs_cannot_be_changed_and_the_patch_says_so() -> None:
    rows = [row("train-0", gpu=f"g{place}", peak=peak, workload_kind="Job") for place, peak in enumerate((0.9, 0.0))]
    (found,) = advised(*rows)
    text = manifest(found, owner="train", container="main")
    assert text.startswith("# The pods of a Job that is there cannot be changed")
    assert "nvidia.com/gpu: 1" in text


def test_nothing_held_is_nothing_to_say() -> None:
    assert advise(frames.empty(HELD), models(), Limits()) == []
