from pathlib import Path

from services.domain.change.refs import Ref
from services.domain.objects import Pod
from tests import proving
from tests.proving import Bench

REF = Ref.of("demo-east", "Job", "rlhf-chat-12363", "assistants-train")


def pods(bench: Bench) -> list[Pod]:
    found = bench.sources.clusters["demo-east"].cluster.snapshot("pods").objects
    return [
        one for one in found
        if isinstance(one, Pod) and any(above.name == REF.name for above in one.metadata.owner_references or ())
    ]  # fmt: skip


def test_a_suspended_job_ends_its_pods_and_a_resumed_one_starts_them_anew(tmp_path: Path) -> None:
    with proving.bench("demo", tmp_path) as bench:
        cluster = bench.sources.clusters["demo-east"].cluster
        (before,) = pods(bench)
        cluster.patch(REF, {"spec": {"suspend": True}}, expected=cluster.read(REF).version)
        bench.wait(60)
        assert pods(bench) == []
        assert cluster.read(REF).body["spec"]["suspend"] is True
        cluster.patch(REF, {"spec": {"suspend": False}}, expected=cluster.read(REF).version)
        bench.wait(600)
        (after,) = pods(bench)
        assert after.metadata.uid != before.metadata.uid
        assert after.status.phase == "Running"
