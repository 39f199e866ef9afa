from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import text

from db.models import StartRow
from db.work import Database
from services.domain.startup import Outcome, Phase, Pull, Pulled
from services.domain.startup.frame import PULLS, STARTS, StartRecord
from services.ports import Extent

BEGIN = datetime(2026, 6, 3, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
FOREVER = BEGIN - 1000 * DAY, BEGIN + 1000 * DAY


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def started(uid: str = "u1", created: float = 0.0, **changes: Any) -> StartRecord:
    """A start on a warm node that took 100 seconds: 4 waiting, 56 loading and 40 until it was ready."""
    fields: dict[str, Any] = {
        "uid": uid,
        "namespace": "speech",
        "pod": f"asr-{uid}",
        "workload": "asr",
        "created_at": at(created),
        "ended_at": at(created + 100),
        "outcome": Outcome.READY,
        "total_s": 100.0,
        "seconds": {Phase.WAIT: 4.0, Phase.LOAD: 56.0, Phase.READINESS: 40.0},
        "detail": {"schema": 1, "uid": uid, "outcome": "ready"},
    } | changes
    return StartRecord(**fields)


def under_way(uid: str = "u1", **changes: Any) -> StartRecord:
    """The same start, 30 seconds after its beginning."""
    seconds = {Phase.WAIT: 4.0, Phase.LOAD: 26.0}
    detail = {"schema": 1, "uid": uid, "outcome": "starting"}
    known = {"outcome": Outcome.STARTING, "ended_at": at(30), "total_s": 30.0, "seconds": seconds, "detail": detail}
    return started(uid, **known | changes)


FULL = started(
    workload_kind="Deployment",
    team="voice",
    attempt="rs-7",
    node="a-1",
    pool="h100",
    zone="eu-1a",
    model="NVIDIA H100",
    instance="p5.48xlarge",
    capacity_type="spot",
    resource="nvidia.com/gpu",
    gpus=8.0,
    created_at=at(0.000001),
    scheduled_at=at(4),
    ended_at=at(100.25),
    total_s=100.249999,
    seconds={phase: float(number) for number, phase in enumerate(Phase)},
    cold=True,
    headroom=False,
    image="reg.example/asr:2",
    image_bytes=18_200_000_000,
    pull=Pulled.PULLED,
    usd=2.5,
    usd_per_hour=98.32,
    restarts=2,
    flags=frozenset({"restarted", "clock_skew"}),
    reason="Größe: 1 GB",
    pulls=(
        Pull("main", "reg.example/asr:2", Pulled.PULLED, at(60), 252.1, 1.5, 18_200_000_000),
        Pull("fetch", "busybox:1", Pulled.CACHED, None),
    ),
    detail={"schema": 1, "spans": [{"phase": "wait", "größe": 1.5, "note": None}], "events": ["\0"]},
)


def save(database: Database, *records: StartRecord, cluster: str = "east", when: datetime = BEGIN) -> int:
    with database() as work:
        changed = work.starts.save(cluster, records, when)
        work.commit()
    return changed


def window(database: Database, *bounds: Any) -> pd.DataFrame:
    with database() as work:
        return work.starts.window(*(bounds or FOREVER))


def pulls(database: Database, *bounds: Any) -> pd.DataFrame:
    with database() as work:
        return work.starts.pulls(*(bounds or FOREVER))


def detail(database: Database, uid: str = "u1", cluster: str = "east") -> Any:
    with database() as work:
        return work.starts.detail(cluster, uid)


def outcomes(database: Database) -> list[tuple[str, str]]:
    found = window(database)
    return list(zip(found["uid"], found["outcome"], strict=True))


def test_a_start_comes_back_as_it_was_recorded(database: Database) -> None:
    assert save(database, FULL, when=at(200)) == 1
    (row,) = window(database).to_dict("records")
    assert row == {
        "cluster": "east",
        "namespace": "speech",
        "workload_kind": "Deployment",
        "workload": "asr",
        "team": "voice",
        "pod": "asr-u1",
        "uid": "u1",
        "attempt": "rs-7",
        "node": "a-1",
        "pool": "h100",
        "zone": "eu-1a",
        "model": "NVIDIA H100",
        "instance": "p5.48xlarge",
        "capacity_type": "spot",
        "resource": "nvidia.com/gpu",
        "gpus": 8.0,
        "created_at": pd.Timestamp("2026-06-03 09:00:00.000001Z"),
        "scheduled_at": pd.Timestamp("2026-06-03 09:00:04Z"),
        "ended_at": pd.Timestamp("2026-06-03 09:01:40.25Z"),
        "outcome": "ready",
        "total_s": 100.249999,
        "cold": True,
        "headroom": False,
        "image": "reg.example/asr:2",
        "image_bytes": 18.2e9,
        "pull": "pulled",
        "queue_s": 0.0,
        "wait_s": 1.0,
        "decision_s": 2.0,
        "provision_s": 3.0,
        "boot_s": 4.0,
        "device_s": 5.0,
        "bind_s": 6.0,
        "volume_s": 7.0,
        "setup_s": 8.0,
        "pull_wait_s": 9.0,
        "pull_s": 10.0,
        "init_s": 11.0,
        "download_s": 12.0,
        "start_s": 13.0,
        "retry_s": 14.0,
        "load_s": 15.0,
        "readiness_s": 16.0,
        "unattributed_s": 17.0,
        "usd": 2.5,
        "usd_per_hour": 98.32,
        "restarts": 2,
        "flags": "clock_skew,restarted",
        "reason": "Größe: 1 GB",
        "recorded_at": pd.Timestamp("2026-06-03 09:03:20Z"),
    }
    assert detail(database) == FULL.detail


def test_pulls_come_back_with_the_place_and_the_registry(database: Database) -> None:
    save(database, FULL)
    cached, pulled = pulls(database).to_dict("records")
    assert pulled == {
        "cluster": "east",
        "uid": "u1",
        "node": "a-1",
        "pool": "h100",
        "zone": "eu-1a",
        "container": "main",
        "image": "reg.example/asr:2",
        "registry": "reg.example",
        "how": "pulled",
        "at": pd.Timestamp("2026-06-03 09:01:00Z"),
        "seconds": 252.1,
        "waiting_s": 1.5,
        "size_bytes": 18.2e9,
    }
    assert (cached["container"], cached["registry"], cached["how"]) == ("fetch", "docker.io", "cached")
    assert all(pd.isna(cached[name]) for name in ("at", "seconds", "waiting_s", "size_bytes"))


def test_what_is_not_known_is_neither_zero_nor_false(database: Database) -> None:
    save(database, started())
    row = window(database).iloc[0]
    assert row["cold"] is pd.NA
    assert row["headroom"] is pd.NA
    assert row["scheduled_at"] is pd.NaT
    assert row[["usd", "usd_per_hour", "image_bytes"]].isna().all()
    assert row[["node", "team", "image", "flags", "reason"]].to_list() == ["", "", "", "", ""]
    assert (row["wait_s"], row["pull_s"]) == (4.0, 0.0)


def test_money_without_a_price_is_not_known_however_it_is_said(database: Database) -> None:
    assert save(database, started(usd=float("nan"), usd_per_hour=float("nan"))) == 1
    assert save(database, started(usd=None, usd_per_hour=None)) == 0
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*), count(usd), count(usd_per_hour) FROM starts")).one() == (
            1,
            0,
            0,
        )


@pytest.mark.parametrize("records", [(), (started(),), (started(), FULL)])
def test_frames_have_their_columns_whatever_is_in_them(database: Database, records: tuple[StartRecord, ...]) -> None:
    save(database, *records)
    assert window(database).dtypes.astype(str).to_dict() == STARTS
    assert list(window(database)) == list(STARTS)
    assert pulls(database).dtypes.astype(str).to_dict() == PULLS
    with database() as work:
        for found in (work.starts.row("east", "u9"), work.starts.of("east", "speech", "asr")):
            assert found.dtypes.astype(str).to_dict() == STARTS


def test_every_phase_has_a_column() -> None:
    assert {column.name for column in StartRow.__table__.columns if column.name.endswith("_s")} == {
        "total_s",
        *(f"{phase}_s" for phase in Phase),
    }


def test_one_start_is_found_by_cluster_and_uid(database: Database) -> None:
    save(database, started("u1"), started("u2", total_s=7.0))
    save(database, started("u2", total_s=9.0), cluster="west")
    with database() as work:
        assert work.starts.row("east", "u2")["total_s"].to_list() == [7.0]
        assert work.starts.row("west", "u2")["total_s"].to_list() == [9.0]
        assert work.starts.row("west", "u1").empty
        assert work.starts.detail("west", "u1") is None


def test_recording_the_same_again_changes_nothing(database: Database) -> None:
    assert save(database, FULL, started("u2")) == 2
    before, details = (window(database), pulls(database)), detail(database)
    assert save(database, FULL, started("u2"), when=at(9000)) == 0
    for frame, again in zip(before, (window(database), pulls(database)), strict=True):
        pd.testing.assert_frame_equal(frame, again)
    assert detail(database) == details


def test_a_start_under_way_is_recorded_anew_as_it_goes_on(database: Database) -> None:
    save(
        database, under_way(pulls=(Pull("main", "a:1", Pulled.UNKNOWN, None), Pull("old", "b:1", Pulled.CACHED, None)))
    )
    ready = started(pulls=(Pull("main", "a:1", Pulled.PULLED, at(20), 16.0),))
    assert save(database, ready, when=at(110)) == 1
    row = window(database).iloc[0]
    assert (row["outcome"], row["total_s"], row["readiness_s"]) == ("ready", 100.0, 40.0)
    assert row["recorded_at"] == pd.Timestamp("2026-06-03 09:01:50Z")
    assert detail(database)["outcome"] == "ready"
    assert pulls(database)[["container", "how", "seconds"]].to_numpy().tolist() == [["main", "pulled", 16.0]]


@pytest.mark.parametrize(
    ("known", "later", "is_kept"),
    [
        ("ready", "starting", False),
        ("ready", "failed", False),
        ("ready", "gone", False),
        ("failed", "starting", False),
        ("gone", "starting", False),
        ("starting", "failed", True),
        ("starting", "gone", True),
        ("failed", "gone", True),
        ("gone", "ready", True),
        ("starting", "starting", True),
        ("ready", "ready", True),
    ],
)
def test_what_is_known_better_stays(database: Database, known: str, later: str, is_kept: bool) -> None:
    first = started(
        outcome=Outcome(known), detail={"says": "first"}, pulls=(Pull("first", "a:1", Pulled.CACHED, None),)
    )
    second = replace(
        first,
        outcome=Outcome(later),
        total_s=50.0,
        detail={"says": "second"},
        pulls=(Pull("second", "a:1", Pulled.CACHED, None),),
    )
    save(database, first)
    assert save(database, second) == is_kept
    assert window(database)[["outcome", "total_s"]].to_numpy().tolist() == (
        [[later, 50.0]] if is_kept else [[known, 100.0]]
    )
    assert detail(database) == {"says": "second" if is_kept else "first"}
    assert pulls(database)["container"].to_list() == ["second" if is_kept else "first"]


def test_what_was_seen_late_does_not_replace_what_was_watched(database: Database) -> None:
    late = started(flags=frozenset({"late", "no_events"}), seconds={Phase.UNATTRIBUTED: 100.0})
    save(database, started())
    assert save(database, late) == 0
    assert window(database)["unattributed_s"].to_list() == [0.0]
    save(database, replace(late, uid="u2"))
    assert save(database, started("u2")) == 1
    assert window(database)["unattributed_s"].to_list() == [0.0, 0.0]


def test_a_late_look_still_says_how_far_it_is_and_that_it_became_ready(database: Database) -> None:
    save(database, under_way())
    assert save(database, under_way(total_s=44.0, flags=frozenset({"late"}))) == 1
    assert window(database)["total_s"].to_list() == [44.0]
    assert save(database, started(flags=frozenset({"late"}))) == 1
    assert outcomes(database) == [("u1", "ready")]


def test_of_several_records_of_one_start_the_best_is_kept(database: Database) -> None:
    assert save(database, under_way(), started(), under_way(total_s=31.0), started("u2")) == 2
    assert outcomes(database) == [("u1", "ready"), ("u2", "ready")]
    assert detail(database)["outcome"] == "ready"


def test_a_start_that_is_over_is_settled(database: Database) -> None:
    save(database, started("u1"), under_way("u2"), started("u3", outcome=Outcome.GONE))
    save(database, started("u4"), cluster="west")
    with database() as work:
        assert work.starts.settled("east", ["u1", "u2", "u3", "u4", "u5"]) == {"u1", "u3"}
        assert work.starts.settled("east", ()) == frozenset()


def test_any_number_of_starts_can_be_asked_for_at_once(database: Database) -> None:
    save(database, started("u7"))
    with database() as work:
        assert work.starts.settled("east", [f"u{number}" for number in range(70_000)]) == {"u7"}
        work.starts.forget_traces("east", [f"u{number}" for number in range(70_000)])


def test_odd_text_is_kept_all_the_same(database: Database) -> None:
    save(database, started(reason="broken \0", image="a\0b"))
    row = window(database).iloc[0]
    assert (row["reason"], row["image"]) == ("broken \ufffd", "a\ufffdb")


def test_an_instant_without_its_zone_is_refused(database: Database) -> None:
    with database() as work, pytest.raises(Exception, match="an instant needs its zone"):
        work.starts.save("east", [started(ended_at=datetime(2026, 6, 3))], BEGIN)


def test_what_is_not_committed_is_not_kept(database: Database) -> None:
    with database() as work:
        work.starts.save("east", [started()], BEGIN)
    assert window(database).empty


def test_a_window_has_its_begin_and_not_its_end_oldest_first(database: Database) -> None:
    save(database, started("u3", 60), started("u1", 0), started("u2", 59.999999), started("u0", -0.000001))
    assert window(database, at(0), at(60))["uid"].to_list() == ["u1", "u2"]
    save(database, started("u9", 30), cluster="west")
    assert window(database, at(0), at(61))["uid"].to_list() == ["u1", "u9", "u2", "u3"]
    assert window(database, at(0), at(61), ("west", "north"))["uid"].to_list() == ["u9"]
    assert window(database, at(0), at(61), ()).empty


def test_the_pulls_of_a_window_are_those_of_its_starts(database: Database) -> None:
    def pulled(uid: str, created: float) -> StartRecord:
        names = ("main", "fetch")
        late = at(created + 500)  # when the image was there does not decide
        return started(uid, created, pulls=tuple(Pull(name, "a:1", Pulled.PULLED, late) for name in names))

    save(database, pulled("u2", 50), pulled("u1", 40), pulled("u3", 60))
    save(database, pulled("u4", 45), cluster="west")
    found = pulls(database, at(40), at(60))[["cluster", "uid", "container"]].to_numpy().tolist()
    assert found == [
        ["east", "u1", "fetch"],
        ["east", "u1", "main"],
        ["west", "u4", "fetch"],
        ["west", "u4", "main"],
        ["east", "u2", "fetch"],
        ["east", "u2", "main"],
    ]
    assert pulls(database, at(40), at(60), ("east",))["uid"].to_list() == ["u1", "u1", "u2", "u2"]


def test_the_latest_starts_of_a_workload_are_its_own(database: Database) -> None:
    save(database, *(started(f"u{number}", number) for number in range(5)), started("u9", 9, workload="tts"))
    save(database, started("u8", 8, namespace="vision"), started("u7", 7, namespace="vision", workload="tts"))
    save(database, started("u6", 6), cluster="west")
    with database() as work:
        assert work.starts.of("east", "speech", "asr", limit=3)["uid"].to_list() == ["u2", "u3", "u4"]
        assert work.starts.of("east", "speech", "asr")["uid"].to_list() == ["u0", "u1", "u2", "u3", "u4"]


def test_the_extent_says_how_much_is_recorded(database: Database) -> None:
    save(database, started("u1", 10), started("u2", 5))
    save(database, started("u3", 20), cluster="west")
    with database() as work:
        assert work.starts.extent() == Extent(3, at(5), at(20))
        assert work.starts.extent(("east",)) == Extent(2, at(5), at(10))
        assert work.starts.extent(("north",)) == work.starts.extent(()) == Extent(0, None, None)


def test_what_is_in_progress_is_there_after_a_restart(database: Database) -> None:
    with database() as work:
        work.starts.remember("east", {"u1": b'{"n":1}', "u2": "{'größe'}".encode()}, {"a-1": b"{}"}, BEGIN)
        work.starts.remember("west", {"u1": b"west"}, {}, BEGIN)
        work.starts.remember("east", {"u1": b'{"n":2}'}, {"a-2": b"[2]"}, at(5))
        work.commit()
    with database() as work:
        assert work.starts.open("east") == (
            {"u1": b'{"n":2}', "u2": "{'größe'}".encode()},
            {"a-1": b"{}", "a-2": b"[2]"},
        )
        work.starts.forget_traces("east", ["u1", "u3"])
        work.starts.forget_nodes("east", ["a-2"])
        work.starts.forget_nodes("east", [])
        work.commit()
        assert work.starts.open("east") == ({"u2": "{'größe'}".encode()}, {"a-1": b"{}"})
        assert work.starts.open("west") == ({"u1": b"west"}, {})


def test_a_mark_is_what_was_noted_last(database: Database) -> None:
    with database() as work:
        assert work.starts.mark("east", "backfill") is None
        work.starts.set_mark("east", "backfill", {"upto": "2026-06-01", "größe": 1.5}, BEGIN)
        work.starts.set_mark("west", "backfill", {"upto": None}, BEGIN)
        work.commit()
    with database() as work:
        assert work.starts.mark("east", "backfill") == {"upto": "2026-06-01", "größe": 1.5}
        work.starts.set_mark("east", "backfill", {"done": True}, at(5))
        assert work.starts.mark("east", "backfill") == {"done": True}
        assert work.starts.mark("west", "backfill") == {"upto": None}
        assert work.starts.mark("east", "else") is None


def test_pruning_removes_what_ended_with_all_that_belongs_to_it(database: Database) -> None:
    pull = (Pull("main", "a:1", Pulled.CACHED, None),)
    save(database, *(started(f"u{day}", day * 86400.0, pulls=pull) for day in range(4)))
    with database() as work:
        assert work.starts.prune(BEGIN + 2 * DAY, 100) == 2
        work.commit()
    assert [uid for uid, _ in outcomes(database)] == ["u2", "u3"]
    assert pulls(database)["uid"].to_list() == ["u2", "u3"]
    assert detail(database, "u1") is None
    assert detail(database, "u2") is not None
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM start_details")).scalar_one() == 2


def test_pruning_goes_in_batches_until_nothing_is_left(database: Database) -> None:
    save(database, *(started(f"u{number}", number) for number in range(5)))
    with database() as work:
        work.starts.remember("east", {"t1": b"", "t2": b"", "t3": b""}, {"a-1": b""}, BEGIN)
        work.starts.remember("east", {"t4": b""}, {"a-2": b""}, BEGIN + 9 * DAY)
        work.commit()
    removed = []
    while not removed or removed[-1]:
        with database() as work:
            removed.append(work.starts.prune(BEGIN + DAY, 2))
            work.commit()
    assert removed == [2 + 2 + 1, 2 + 1, 1, 0]
    with database() as work:
        assert work.starts.open("east") == ({"t4": b""}, {"a-2": b""})


def test_pruning_keeps_what_is_still_under_way(database: Database) -> None:
    save(database, under_way(ended_at=at(86400 * 3)), started("u2"), started("u3", ended_at=at(86400 * 3)))
    with database() as work:
        assert work.starts.prune(BEGIN + DAY, 100) == 1
        work.commit()
    assert outcomes(database) == [("u1", "starting"), ("u3", "ready")]


def test_many_may_record_at_once(database: Database) -> None:
    def record(number: int) -> int:
        batch = [started(f"u{uid}") if (uid + number) % 4 == 0 else under_way(f"u{uid}") for uid in range(20)]
        return save(database, *(batch if number % 2 else reversed(batch)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record, range(8)))
    assert sorted(outcomes(database)) == sorted((f"u{uid}", "ready") for uid in range(20))
    assert {detail(database, f"u{uid}")["outcome"] for uid in range(20)} == {"ready"}
