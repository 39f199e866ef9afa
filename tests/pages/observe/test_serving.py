"""What stands on the Serving page over the demo, and where nothing is told."""

from dataclasses import replace

import pandas as pd
from streamlit.testing.v1 import AppTest

from pages.ui import tables_serving as columns
from services.errors import SourceUnavailable
from services.ports import Sources
from tests import fakes, tiny
from tests.pages.opening import opened, table, tiles, words


def plainly(at: AppTest) -> str:
    """What the page says, without the signs that keep names from being interpreted."""
    return words(at).replace("\\", "")


def test_every_workload_with_an_engine_has_a_row_and_the_headline_is_of_the_worst(sources: Sources) -> None:
    at = opened(sources, "serving")
    frame = table(at, columns.SERVED)
    assert set(frame["workload"]) == {"chat-70b", "chat-8b", "embed"}
    said = tiles(at)
    assert said["Waiting at most, 24h"][0] == f"{frame['waiting_peak'].max():,.0f}"
    worst = frame.loc[frame["first_p95_seconds"].idxmax(), "workload"]
    assert said["First token"][1] == f"p95 in {worst}"


def test_a_workload_is_a_link_and_has_its_settings_and_replicas(sources: Sources) -> None:
    at = opened(sources, "serving", serving_workload="assistants-prod/chat-70b")
    assert "Load of chat-70b" in [element.value.replace("\\", "") for element in at.subheader]
    settings = table(at, columns.SETTINGS).set_index("flag")["value"]
    assert settings["--max-num-seqs"] == "64"
    assert set(table(at, columns.REPLICAS)["pod"].str.startswith("chat-70b-")) == {True}


def test_a_team_sees_its_own(sources: Sources) -> None:
    whole = table(opened(sources, "serving"), columns.SERVED)
    team = whole.loc[whole["workload"] == "embed", "team"].iloc[0]
    mine = table(opened(sources, "serving", team=team), columns.SERVED)
    assert (
        mine["workload"].tolist() == whole.loc[whole["team"] == team, "workload"].tolist() != whole["workload"].tolist()
    )
    pd.testing.assert_series_equal(
        mine.loc[mine["workload"] == "embed", "finished"].reset_index(drop=True),
        whole.loc[whole["workload"] == "embed", "finished"].reset_index(drop=True),
    )


def test_no_engine_is_scraped() -> None:
    said = plainly(opened(tiny.sources(), "serving"))
    assert "SGLang needs --enable-metrics" in said


def test_a_source_that_is_down_is_said_with_what_to_do() -> None:
    sources = fakes.watched(tiny.sources())
    fakes.metrics_of(sources, "tiny").error = SourceUnavailable("prometheus", "It is away.", hint="Look at its pod.")
    said = plainly(opened(sources, "serving"))
    assert "It is away." in said
    assert "Look at its pod." in said


def test_without_a_metrics_source_nothing_is_zero() -> None:
    sources = tiny.sources()
    bare = replace(sources, clusters={name: replace(one, metrics=None) for name, one in sources.clusters.items()})
    at = opened(bare, "serving")
    assert tiles(at) == {}
    assert "no metrics source is configured" in plainly(at)
