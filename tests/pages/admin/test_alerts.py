"""The Alerts page: who was told what, and did it arrive."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pages.ui import tables_alerts as columns
from services import access
from services.access import ROLES, User
from services.domain.alerts import Channel, Message, made_of
from services.domain.findings import Severity
from services.domain.scope import Sight
from services.ports import ChannelSource
from tests.alerting import Mailbox, finding
from tests.conftest import NOW
from tests.pages.desk import Desk, laid
from tests.pages.opening import has_table, table, tiles, words
from tests.pages.test_hostile import EVIL, SIGNS, interpreted

OLGA = User(id="olga", name="Olga", rights=ROLES["operator"], roles=("operator",), via="demo")
SET = (Channel("finance", place="mailtos://mail.example.com", digest="08:00"), Channel("ops", place="slack"))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with laid(tmp_path, monkeypatch.setattr) as desk:
        yield desk


def set_(desk: Desk, *channels: Channel) -> None:
    desk.sources.channels.update({one.name: ChannelSource(one, Mailbox()) for one in channels})  # type: ignore[attr-defined]


def told(desk: Desk, channel: str, key: str, *, error: str = "", sent: bool = True, **changes: str) -> None:
    """One message with one alert that was sent, failed, or still waits; ten minutes ago."""
    then = NOW - timedelta(minutes=10)
    severity = Severity.CRITICAL if channel == "ops" else Severity.WARNING
    alert = made_of(finding(key, severity, **changes), then, Channel(channel), at=then, due=then)
    with desk.database() as unit:
        unit.alerts.add([alert])
        unit.alerts.post(Message(f"m-{key}", channel, then, (alert,)))
        if sent or error:
            unit.alerts.claim(channel, worker="w", now=then, lease_until=NOW)
        if error:
            unit.alerts.failed(f"m-{key}", worker="w", at=then, error=error, next_at=NOW + timedelta(minutes=20))
        elif sent:
            unit.alerts.sent(f"m-{key}", worker="w", at=then)
        unit.commit()


def test_without_a_channel_it_says_how_to_set_one(desk: Desk) -> None:
    at = desk.open("alerts")
    assert "No channel is set" in words(at)
    assert "GFC_CHANNEL_URL" in words(at)
    assert "url_file:" in at.code[0].value


def test_channels_that_deliver_say_so_in_tiles_words_and_a_table(desk: Desk) -> None:
    set_(desk, *SET)
    told(desk, "ops", "a")
    at = desk.open("alerts")
    assert tiles(at)["Channels"] == ("2", "All deliver")
    assert tiles(at)["Alerts sent"] == ("1", "Noted in the last 24h")
    assert tiles(at)["Messages waiting"] == ("0", "0 alerts collected for later")
    assert "Every channel delivers; no message waits." in words(at)
    rows = table(at, columns.CHANNELS)
    assert rows["channel"].tolist() == ["finance", "ops"]
    assert rows["state"].tolist() == ["Nothing sent yet", "Delivers"]
    assert rows["when"].tolist() == ["Daily at 08:00 UTC", "At once"]
    assert rows["place"].tolist() == ["mailtos://mail.example.com", "slack"]


def test_a_failing_channel_is_named_with_its_error_and_next_try(desk: Desk) -> None:
    set_(desk, *SET)
    told(desk, "ops", "a", error="slack refused the message with status 500.")
    at = desk.open("alerts")
    assert tiles(at)["Channels"] == ("2", "1 failing")
    assert "Alerts do not arrive at **ops** for 10 min (slack refused the message with status 500)." in words(at)
    (row,) = table(at, columns.ALERTS).to_dict("records")
    assert (row["state"], row["attempts"], row["error"]) == ("failed", 1, "slack refused the message with status 500.")
    assert row["next_at"].to_pydatetime() == NOW + timedelta(minutes=20)


def test_overview_says_that_alerts_do_not_arrive_and_leads_here(desk: Desk) -> None:
    set_(desk, *SET)
    told(desk, "ops", "a", error="slack could not be reached.")
    assert "Alerts to ops do not arrive since 2026\\-06\\-03 11\\:50 UTC" in words(desk.open("overview"))


@pytest.mark.parametrize(
    ("param", "value", "left"),
    [
        ("alerts_channel", "ops", ["n1 is not ready"]),
        ("alerts_state", "waiting", ["web is idle"]),
        ("alerts_severity", "critical", ["n1 is not ready"]),
        ("alerts_text", "IDLE", ["web is idle"]),
        ("alerts_state", "sent", ["n1 is not ready"]),
    ],
)
def test_filters_stand_in_the_link(desk: Desk, param: str, value: str, left: list[str]) -> None:
    set_(desk, *SET)
    told(desk, "ops", "a")
    told(desk, "finance", "b", sent=False, title="web is idle")
    assert table(desk.open("alerts"), columns.ALERTS)["title"].size == 2
    assert table(desk.open("alerts", **{param: value}), columns.ALERTS)["title"].tolist() == left


def test_filters_that_leave_nothing_say_so(desk: Desk) -> None:
    set_(desk, *SET)
    told(desk, "ops", "a")
    at = desk.open("alerts", alerts_text="no such thing")
    assert "No alert" in words(at)
    assert not has_table(at, columns.ALERTS)


def test_a_test_message_waits_in_the_outbox_and_stands_in_the_audit(desk: Desk) -> None:
    set_(desk, *SET)
    at = desk.open("alerts", alerts_channel="ops")
    at.button(key="alerts_test").click()
    desk.run(at)
    assert "waits for the collector" in words(at)
    with desk.database.reading() as unit:
        (test,) = unit.alerts.recent(NOW - timedelta(minutes=1)).to_dict("records")
        (event,) = unit.operations.events("")
    assert (test["channel"], test["kind"], test["state"]) == ("ops", "Test", "waiting")
    assert test["title"] == "Test message for Demo user"
    assert (event.kind, event.actor) == ("note", "demo")
    assert event.says == f"Demo user asked for a test message to the channel ops ({test['key']})."


def test_a_test_needs_a_channel_and_an_admin(desk: Desk) -> None:
    set_(desk, *SET)
    assert desk.open("alerts").button(key="alerts_test").disabled
    assert not desk.open("alerts", alerts_channel="ops").button(key="alerts_test").disabled
    desk.user = OLGA
    at = desk.open("alerts", alerts_channel="ops")
    assert at.button(key="alerts_test").disabled
    assert "needs the role admin" in at.button(key="alerts_test").help


def test_messages_of_a_channel_that_was_taken_away_are_still_shown(desk: Desk) -> None:
    set_(desk, SET[1])
    told(desk, "old", "a", sent=False)
    rows = table(desk.open("alerts"), columns.CHANNELS)
    assert dict(zip(rows["channel"], rows["state"], strict=True)) == {
        "ops": "Nothing sent yet",
        "old": "Not set any more",
    }


def test_nothing_from_outside_is_interpreted(desk: Desk) -> None:
    set_(desk, Channel(EVIL[:60]))
    told(desk, EVIL[:60], "a", error=EVIL, title=EVIL)
    at = desk.open("alerts", alerts_channel=EVIL[:60])
    texts = list(interpreted(at))
    for sign in SIGNS:
        assert [text for text in texts if re.search(rf"(?<!\\){sign}", text)] == [], sign


def test_who_sees_a_part_of_the_fleet_sees_no_alerts(desk: Desk) -> None:
    set_(desk, *SET)
    told(desk, "ops", "a")
    desk.user = replace(access.DEMO, sees=Sight(namespaces=frozenset({"x"}), teams=frozenset()))
    at = desk.open("alerts")
    assert "Alerts speak of the whole fleet" in words(at)
    assert "n1 is not ready" not in words(at)
    assert not has_table(at, columns.ALERTS)
