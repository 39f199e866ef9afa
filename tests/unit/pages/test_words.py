import math
from datetime import UTC, datetime, timedelta

import pytest

from pages.ui import words


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (12, "12"),
        (12.04, "12"),
        (12.44, "12.4"),
        (1203.96, "1,204"),
        (0.05, "0.1"),
        (None, "—"),
        (math.nan, "—"),
    ],
)
def test_amounts(value: float | None, said: str) -> None:
    assert words.count(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(1, "1 GPU"), (0, "0 GPUs"), (1.04, "1 GPU"), (2.5, "2.5 GPUs"), (None, "—")]
)
def test_amounts_of_gpus(value: float | None, said: str) -> None:
    assert words.gpus(value) == said


@pytest.mark.parametrize(("number", "said"), [(0, "0 pods"), (1, "1 pod"), (1200, "1,200 pods")])
def test_a_number_of_things(number: int, said: str) -> None:
    assert words.counted(number, "pod") == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0 %"), (0.004, "<1 %"), (0.005, "0 %"), (0.546, "55 %"), (1, "100 %"), (None, "—"), (math.nan, "—")],
)
def test_shares_tell_little_from_nothing(value: float | None, said: str) -> None:
    """Half a percent rounds to even, 0; below it the sign says that it is not nothing."""
    assert words.share(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0 %"), (0.00001, "<0.01 %"), (0.0006, "0.06 %"), (0.034, "3.4 %"), (0.12, "12 %"), (0.98, "98 %"),
     (0.995, "99.5 %"), (0.9996, "99.96 %"), (0.99995, ">99.99 %"), (1, "100 %"), (None, "—"), (math.nan, "—")],
)  # fmt: skip
def test_shares_close_to_nothing_or_all_keep_their_digits(value: float | None, said: str) -> None:
    assert words.percent(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (1204, "1,204"), (99_999, "99,999"), (100_000, "100 k"), (999_499, "999 k"), (999_600, "1.0 M"),
     (15_995_649, "16.0 M"), (99_960_000, "100 M"), (1.2043e9, "1,204 M"), (None, "—"), (math.nan, "—")],
)  # fmt: skip
def test_long_counts_get_short(value: float | None, said: str) -> None:
    assert words.many(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(0, "$0.00"), (9.5, "$9.50"), (10, "$10"), (2641.92, "$2,642"), (None, "—"), (math.nan, "—")]
)
def test_money(value: float | None, said: str) -> None:
    assert words.money(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (12_000, "3 h 20 min"),
     (36_060, "10 h"), (86_400, "1 d"), (5 * 86_400, "5 d"), (None, "—"), (math.nan, "—")],
)  # fmt: skip
def test_lengths_of_time(seconds: float | None, said: str) -> None:
    assert words.span(seconds) == said
    if seconds is not None and not math.isnan(seconds):
        assert words.span(timedelta(seconds=seconds)) == said


def test_instants() -> None:
    then = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)
    assert words.ago(then, then + timedelta(minutes=4)) == "4 min ago"
    assert words.ago(None, then) == "never"
    assert words.utc(then) == "2026-06-03 12:00:00 UTC"
    assert words.utc(None) == "—"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpu-a", "gpu\\-a"),
        ("[x](http://e)", "\\[x\\]\\(http\\:\u2060//e\\)"),
        ("www.e :material/x: :streamlit: a:b", "www\u2060\\.e \\:\u2060material/x\\: \\:\u2060streamlit\\: a\\:b"),
        ("a\u202eb \x1b[31m", "a\ufffdb \ufffd\\[31m"),
        ("<b>", "\\<b\\>"),
        ("two\n\n# lines\ttab", "two \\# lines tab"),
        ("back\\slash `code` $x$ a&b", "back\\\\slash \\`code\\` \\$x\\$ a\\&b"),
        ("", ""),
    ],
)
def test_text_from_outside_is_escaped_for_markdown(text: str, said: str) -> None:
    assert words.plain(text) == said


def test_a_code_span_cannot_be_left() -> None:
    assert words.code("a`b\n\n[x](y)\u2066") == "`ab [x](y)\ufffd`"


@pytest.mark.parametrize(
    ("text", "said"), [("Gone", "Gone."), ("Gone.", "Gone."), ("Why?", "Why?"), ("More…", "More…")]
)
def test_a_sentence_ends(text: str, said: str) -> None:
    assert words.sentence(text) == said


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (0.0, "0 %"),
        (0.00004, "<0.01 %"),
        (0.0006, "0.06 %"),
        (0.034, "3.4 %"),
        (0.12, "12 %"),
        (float("nan"), words.DASH),
    ],
)
def test_small_ratios_are_told_exactly_enough(ratio, said):
    assert words.percent(ratio) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0754, "75 ms"), (0.9994, "999 ms"), (0.9996, "1 s"), (1.25, "1.2 s"), (9.97, "10 s"), (25.2, "25 s")],
)
def test_times_of_answers_are_told_finely(seconds, said):
    assert words.latency(seconds) == said
