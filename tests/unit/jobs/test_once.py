"""What clusters can tell without a database, and the command that asks them."""

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services import collector, runtime
from services.jobs import once
from services.ports import Sources, StoreState
from tests.conftest import Inline
from tests.fakes import Clock
from tests.unit.jobs.test_record import ready_pod
from tests.unit.jobs.watched import Shown, source

NOW = datetime(2026, 5, 12, 12, 0, tzinfo=UTC)


def asked(cluster: Any, **how: Any) -> once.Answer:
    return once.ask(Sources("live", {"lab": source(cluster)}, Clock(NOW), Inline()), **how)


def some() -> Shown:
    cluster = Shown()
    cluster.put(
        "pods",
        ready_pod("new", created=NOW - timedelta(minutes=5)),
        ready_pod("old", created=NOW - timedelta(days=2)),
        ready_pod("waits", created=NOW - timedelta(seconds=30), ready_s=None),
        ready_pod("worn", created=NOW - timedelta(days=9), ready_s=90_000, restarts=3),
    )
    return cluster


def test_the_table_has_a_line_for_every_start_that_can_be_told_oldest_first() -> None:
    lines = once.table(asked(some()).starts).splitlines()
    assert [line.split()[1] for line in lines[:4]] == ["pod", "old", "new", "waits"]
    assert lines[1].split("  ")[0] == "lab/ns/old"
    assert "2026-05-10 12:00:00Z" in lines[1]
    assert "60 s" not in lines[1]
    assert "ready" in lines[1]
    assert "1 m" in lines[1]
    assert lines[1].endswith("wait 1.0 s, load 40 s, unattributed 19 s (late, no_events)")
    assert lines[-1] == "1 GPU pod was ready before; nobody can tell any more when first."


def test_without_gpu_pods_there_is_a_sentence() -> None:
    assert once.table(asked(Shown()).starts) == "No GPU pod there is tells of its start.\n"
    assert once.as_json(asked(Shown()).starts) == "[]\n"


def test_json_has_every_phase_in_seconds() -> None:
    first, *rest = json.loads(once.as_json(asked(some()).starts))
    assert len(rest) == 2
    assert (first["pod"], first["outcome"], first["total_s"]) == ("old", "ready", 60.0)
    assert sum(first["phases_s"].values()) == 60.0
    assert first["phases_s"]["load"] == 40.0
    assert first["created"] == "2026-05-10T12:00:00+00:00"


def test_a_cluster_that_does_not_answer_is_named_with_its_reason() -> None:
    lost = Shown(states={"pods": StoreState.FAILED}, message="The API server does not answer.")
    answer = asked(lost, patience_s=0.0, troubled_s=0.0)
    assert answer.starts == []
    assert answer.silent == ["Cluster lab cannot be read: The API server does not answer."]
    slow = asked(Shown(states={"pods": StoreState.LOADING}), patience_s=0.0)
    assert slow.silent == ["Cluster lab cannot be read: The API server has not answered yet."]


# The command


@pytest.fixture
def demo(tmp_path: Path) -> dict[str, str]:
    return {"GFC_DATA_DIR": str(tmp_path / "data")}


def test_once_prints_the_demo_and_leaves_no_database(
    demo: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert collector.main(["once"], demo) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("workload ")
    assert shown.out.count("\ndemo-") > 20
    assert shown.err == ""
    assert list(tmp_path.iterdir()) == []


def test_once_prints_json_that_can_be_read(demo: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert collector.main(["once", "--json"], demo) == 0
    assert {one["cluster"] for one in json.loads(capsys.readouterr().out)} == {"demo-east", "demo-west"}


def test_a_wrong_setting_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert collector.main(["once"], {"GFC_COLLECTOR": "perhaps"}) == 2
    assert capsys.readouterr().err == 'GFC_COLLECTOR is "perhaps"; expected auto, on or off.\n'


def test_a_cluster_nobody_can_reach_is_one_sentence_and_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(once, "TROUBLED_S", 0.5)
    monkeypatch.setattr(once.ask, "__kwdefaults__", {"patience_s": 2.0, "troubled_s": 0.5})
    (tmp_path / "kubeconfig").write_text(
        "{apiVersion: v1, kind: Config, current-context: lab,"
        " contexts: [{name: lab, context: {cluster: lab, user: lab}}],"
        " clusters: [{name: lab, cluster: {server: 'https://127.0.0.1:9'}}], users: [{name: lab, user: {token: t}}]}"
    )
    given = {"GFC_KUBECONFIG": str(tmp_path / "kubeconfig"), "GFC_KUBE_CONTEXT": "lab", "GFC_DATA_DIR": str(tmp_path)}
    assert collector.main(["once"], given) == 3
    shown = capsys.readouterr()
    assert shown.out == "", "no answer is not an empty one"
    (line,) = shown.err.splitlines()
    assert line.startswith("Cluster lab cannot be read: ")


def test_the_web_process_records_where_it_owns_its_database(demo: dict[str, str]) -> None:
    from services.settings import load

    postgresql = {**demo, "GFC_DATABASE_URL": "postgresql://console@db/console"}
    assert load(demo).collects
    assert not load({**demo, "GFC_COLLECTOR": "off"}).collects
    assert not load(postgresql).collects
    assert load({**postgresql, "GFC_COLLECTOR": "on"}).collects
    assert load(demo).keep_starts_days == 400


def test_it_does_so_from_its_start_to_its_end(demo: dict[str, str]) -> None:
    """Waits for a thread, a second or two."""
    from db import migrate
    from db.work import Database
    from services.settings import load
    from tests.apiserver import eventually

    settings = load(demo)
    migrate.upgrade_embedded(settings)
    sources = runtime.start(settings)
    try:
        assert sources.work is not None

        def recorded() -> bool:
            with sources.work() as unit:  # type: ignore[misc]
                return unit.starts.extent().number > 20 and unit.leases.holder("collector") is not None

        eventually(recorded, within_s=60)
    finally:
        runtime.close()
    work = Database(settings.database_url.get_secret_value())
    with work() as unit:
        assert unit.leases.holder("collector") is None, "it was given back"
    work.close()
