"""The record of alerts, on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from db.work import Database
from services.domain.alerts import Alert, Channel, Episode, Message, made_of
from services.ports import ALERTS, Delivery
from tests.alerting import finding

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
LEASE = NOW + timedelta(minutes=2)


def alert(key: str = "node/east/n1", channel: str = "ops", due: datetime = NOW, **changes: str) -> Alert:
    return made_of(finding(key, **changes), NOW, Channel(channel), at=NOW, due=due)


def posted(database: Database, *alerts: Alert, key: str = "m1") -> Message:
    message = Message(key, alerts[0].channel, NOW, alerts)
    with database() as unit:
        unit.alerts.add(alerts)
        assert unit.alerts.post(message)
        unit.commit()
    return message


def test_episodes_are_written_changed_and_forgotten(database: Database) -> None:
    one, two = Episode("a", NOW), Episode("b", NOW)
    with database() as unit:
        unit.alerts.set_episodes([one, two], [])
        unit.alerts.set_episodes([Episode("a", NOW, LEASE)], ["b"])
        unit.commit()
    with database.reading() as unit:
        assert unit.alerts.episodes() == {"a": Episode("a", NOW, LEASE)}


def test_an_alert_is_kept_once_and_comes_back_as_it_was(database: Database) -> None:
    one = alert(title="n1 \0 is not ready")
    with database() as unit:
        assert unit.alerts.add([one, alert("node/east/n2", due=LEASE)]) == 2
        assert unit.alerts.add([one]) == 0
        unit.commit()
    with database.reading() as unit:
        (found,) = unit.alerts.due(NOW)
        assert found == alert(title="n1 \N{REPLACEMENT CHARACTER} is not ready")
        assert unit.alerts.recent(NOW)["state"].tolist() == ["collected", "collected"]
        assert unit.alerts.deliveries() == {"ops": Delivery(collected=2)}


def test_a_message_is_put_in_the_outbox_once_and_takes_its_alerts(database: Database) -> None:
    message = posted(database, alert())
    with database() as unit:
        assert not unit.alerts.post(message)
        assert unit.alerts.due(LEASE) == []
        assert unit.alerts.deliveries()["ops"].waiting == 1


def test_a_message_is_claimed_by_one_and_given_to_another_when_the_lease_is_over(database: Database) -> None:
    posted(database, alert())
    with database() as unit:
        taken = unit.alerts.claim("ops", worker="a", now=NOW, lease_until=LEASE)
        unit.commit()
    assert taken == Message("m1", "ops", NOW, (alert(),), attempts=1)
    with database() as unit:
        assert unit.alerts.claim("ops", worker="b", now=NOW, lease_until=LEASE) is None
        assert unit.alerts.claim("other", worker="b", now=LEASE, lease_until=LEASE) is None
        again = unit.alerts.claim("ops", worker="b", now=LEASE, lease_until=LEASE + timedelta(minutes=2))
        unit.commit()
    assert again is not None
    assert (again.key, again.attempts) == ("m1", 2)
    with database() as unit:
        assert not unit.alerts.sent("m1", worker="a", at=LEASE), "it is b's by now"
        assert unit.alerts.sent("m1", worker="b", at=LEASE)
        unit.commit()
    with database.reading() as unit:
        assert unit.alerts.deliveries()["ops"] == Delivery(last_sent=LEASE)


def test_a_message_that_failed_waits_for_its_next_try(database: Database) -> None:
    posted(database, alert())
    later = NOW + timedelta(seconds=30)
    with database() as unit:
        unit.alerts.claim("ops", worker="a", now=NOW, lease_until=LEASE)
        assert unit.alerts.failed("m1", worker="a", at=NOW, error="No.", next_at=later)
        assert unit.alerts.claim("ops", worker="a", now=NOW, lease_until=LEASE) is None
        said = unit.alerts.deliveries()["ops"]
        assert (said.failing_since, said.error, said.next_at, said.waiting) == (NOW, "No.", later, 1)
        assert unit.alerts.claim("ops", worker="a", now=later, lease_until=LEASE) is not None
        assert unit.alerts.failed("m1", worker="a", at=later, error="Never.", next_at=None)
        said = unit.alerts.deliveries()["ops"]
        assert (said.failing_since, said.given_up, said.waiting) == (None, 1, 0)


def test_of_many_that_claim_at_once_one_gets_the_message(database: Database) -> None:
    posted(database, alert())

    def claim(worker: str) -> bool:
        with database() as unit:
            found = unit.alerts.claim("ops", worker=worker, now=NOW, lease_until=LEASE)
            unit.commit()
        return found is not None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(claim, "abcdefgh")) == 1


def test_the_list_has_alerts_and_tests_newest_first(database: Database) -> None:
    posted(database, alert())
    with database() as unit:
        unit.alerts.post(Message("t1", "ops", LEASE, test_by="Ada"))
        unit.commit()
    with database.reading() as unit:
        rows = unit.alerts.recent(NOW)
        assert unit.alerts.recent(LEASE + timedelta(seconds=1)).empty
    assert {name: str(dtype) for name, dtype in rows.dtypes.items()} == ALERTS
    assert rows["title"].tolist() == ["Test message for Ada", "n1 is not ready"]
    assert rows["message"].tolist() == ["t1", "m1"]
    assert rows["severity"].tolist() == ["notice", "critical"]


def test_pruning_leaves_what_is_young_and_what_lasts(database: Database) -> None:
    posted(database, alert(), key="m1")
    posted(database, alert("node/east/n2"), key="m2")
    with database() as unit:
        unit.alerts.set_episodes([Episode("node/east/n2", NOW)], [])
        assert unit.alerts.prune(NOW) == 0
        assert unit.alerts.prune(LEASE) == 1
        unit.commit()
    with database.reading() as unit:
        assert unit.alerts.recent(NOW)["message"].tolist() == ["m2"]
        assert unit.alerts.deliveries()["ops"].waiting == 1, "the message of the other is gone"
