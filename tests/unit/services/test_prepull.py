"""What is kept on nodes and what more would take, on the demo and on what the action leaves behind."""

import math
from datetime import timedelta
from pathlib import Path

import pytest

from services import prepull
from services.actions.prepull_images import PrepullParams
from services.domain.scope import Scope
from services.domain.startup.imagenames import short
from services.ports import Sources
from tests import proving
from tests.conftest import demo_sources
from tests.unit.demo.prepulling import CHAT, GONE, ROLLOUT, VIDEO


@pytest.fixture
def sources() -> Sources:
    return demo_sources(ROLLOUT - timedelta(hours=2))


def weighed(sources: Sources, *images: str, pool: str = "l4-inference", **more: object) -> prepull.Weighed:
    found = prepull.weigh(sources, PrepullParams("demo-west", pool, images, **more)).value  # type: ignore[arg-type]
    assert found is not None
    return found


def test_nothing_is_kept_in_a_new_estate(sources: Sources) -> None:
    found = prepull.kept(sources, Scope())
    assert found.value is not None
    assert found.value.empty
    assert list(found.value.columns) == list(prepull.KEPT)
    assert found.problem is None


def test_an_image_nobody_has_is_weighed_by_the_size_that_pulls_had(sources: Sources) -> None:
    found = weighed(sources, VIDEO, sizes={VIDEO: 1e9})
    assert found.answer.refusal == ""
    assert found.new == (VIDEO,)
    network = [text for text in found.answer.blast if text.startswith("Network:")]
    # each of the pool's three nodes lacks it
    assert network == [f"Network: about 3.0 GB from registry.example.com ({short(VIDEO)}: 3 nodes × 1.0 GB)."]


def test_what_would_be_refused_is_said_before(sources: Sources) -> None:
    assert weighed(sources, "Not an image").answer.refusal == "'Not an image' is not the name of an image."
    assert weighed(sources, "x" * 500).answer.refusal != ""
    assert weighed(sources, VIDEO, secret_name="No Secret").answer.refusal == (
        "A name is too long, or no name of a secret."
    )
    assert "at most half may be images" in weighed(sources, VIDEO, sizes={VIDEO: 10e9}).answer.refusal
    missing = prepull.weigh(sources, PrepullParams("demo-west", "no-such-pool", (VIDEO,)))
    assert missing.value is None
    assert missing.problem is not None
    assert missing.problem.message == "Cluster demo-west has no GPU node in pool no-such-pool now."
    nowhere = prepull.weigh(sources, PrepullParams("elsewhere", "l4-inference", (VIDEO,)))
    assert nowhere.problem is not None
    assert nowhere.problem.message == "There is no cluster called elsewhere."


def test_an_image_of_unknown_size_is_said_to_be_one(sources: Sources) -> None:
    assert any(text.startswith("Not known: the size of no-such:1.") for text in weighed(sources, GONE).answer.blast)


def test_what_the_action_made_is_listed_until_it_is_taken_away(tmp_path: Path) -> None:
    with proving.bench("demo", tmp_path) as bench:
        bench.clock.now = ROLLOUT - timedelta(hours=2)
        engine = bench.engine()
        want = PrepullParams("demo-west", "l4-inference", (CHAT, GONE.replace("no-such:1", "video-embed:4.2")))
        assert bench.operation(bench.applied(engine, bench.plan(engine, "prepull-images", want))).state == "done"
        rows = prepull.kept(bench.sources, Scope()).value
        assert rows is not None
        assert rows["image"].tolist() == [CHAT, VIDEO]
        assert rows[["holding", "lacking", "unclear"]].to_numpy().tolist() == [[3, 0, 0], [3, 0, 0]]
        assert set(zip(rows["cluster"], rows["pool"], rows["way"], strict=True)) == {
            ("demo-west", "l4-inference", "daemonset")
        }
        assert not any(math.isnan(size) for size in rows["size_bytes"])
        again = prepull.weigh(bench.sources, want).value
        assert again is not None
        assert (again.new, again.answer.refusal) == ((), "")
        elsewhere = prepull.kept(bench.sources, Scope(cluster="demo-east")).value
        assert elsewhere is not None
        assert elsewhere.empty

        gone = PrepullParams("demo-west", "l4-inference", (CHAT,), remove=True)
        assert bench.operation(bench.applied(engine, bench.plan(engine, "prepull-images", gone))).state == "done"
        left = prepull.kept(bench.sources, Scope()).value
        assert left is not None
        assert left["image"].tolist() == [VIDEO]
