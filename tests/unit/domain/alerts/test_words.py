"""Messages as text: bounded, with links, and safe whatever names hold."""

from datetime import UTC, datetime

from services.domain.alerts import Alert, Channel, Message, made_of, words
from services.domain.findings import Severity
from tests.alerting import finding

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
BASE = "https://gpus.example.com/console"


def alert(key: str = "node/east/n1", severity: Severity = Severity.CRITICAL, **changes: str) -> Alert:
    return made_of(finding(key, severity, **changes), NOW, Channel("ops"), at=NOW, due=NOW)


def test_one_alert_says_what_where_since_when_and_leads_to_its_view() -> None:
    message = Message("abc123", "ops", NOW, (alert(team="ml"),))
    assert words.subject(message, demo=False) == "GPU Fleet Console: Critical: n1 is not ready (abc123)"
    assert words.body(message, base=BASE, demo=False).splitlines() == [
        "n1 is not ready",
        "Critical · GPUs lost · cluster east · team ml · first seen 2026-06-03 12:00 UTC",
        "The kubelet stopped posting status.",
        "https://gpus.example.com/console/utilisation?cluster=east&util_node=n1",
        "",
        "Message abc123",
    ]


def test_several_alerts_are_counted_and_the_most_urgent_stands_first() -> None:
    message = Message("k", "ops", NOW, (alert("b", Severity.WARNING, title="B"), alert("a", title="A")))
    assert words.subject(message, demo=False) == "GPU Fleet Console: 2 findings, 1 critical (k)"
    body = words.body(message, base=BASE, demo=False)
    assert body.index("A\n") < body.index("B\n")


def test_the_demo_says_that_it_is_one() -> None:
    message = Message("k", "ops", NOW, (alert(),))
    assert words.subject(message, demo=True).startswith("[Demo] ")
    assert words.body(message, base=BASE, demo=True).startswith("Simulated data")


def test_a_test_message_names_who_asked_for_it() -> None:
    message = Message("k", "ops", NOW, test_by="Ada")
    assert words.subject(message, demo=False) == "GPU Fleet Console: Test message (k)"
    assert words.body(message, base=BASE, demo=False).splitlines() == [
        "Ada asked for this test message.",
        "https://gpus.example.com/console/alerts",
        "Message k",
    ]


def test_the_first_page_has_no_path_of_its_own_and_values_are_quoted() -> None:
    assert words.link(BASE, "overview") == "https://gpus.example.com/console/"
    assert words.link("", "workloads", {"work_name": "a/b c&d"}) == "/workloads?work_name=a%2Fb+c%26d"


def test_names_call_nobody_and_are_no_markup() -> None:
    said = words.safe("<!channel> @everyone see [here](https://evil.example)\n\x1b[31m", 200)
    assert "<" not in said
    assert "@everyone" not in said
    assert "](" not in said
    assert said.isprintable() or "\N{ZERO WIDTH SPACE}" in said
    assert "\n" not in said
    assert "\x1b" not in said


def test_a_message_of_many_alerts_is_bounded_and_says_how_many_more_there_are() -> None:
    alerts = tuple(alert(f"node/east/n{number}", title=f"n{number}" + "x" * 500) for number in range(500))
    body = words.body(Message("k", "ops", NOW, alerts), base=BASE, demo=False)
    assert len(body) < 4000
    shown = body.count("first seen 2026")
    assert f"And {500 - shown} more: {BASE}/alerts" in body
    assert body.endswith("Message k")


def test_a_single_alert_that_is_long_is_told_all_the_same() -> None:
    body = words.body(Message("k", "ops", NOW, (alert(detail="d" * 9000),)), base=BASE, demo=False)
    assert "d" * 399 + "…" in body
    assert len(body) < 1000
