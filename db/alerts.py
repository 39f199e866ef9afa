"""Findings that last, alerts, and the outbox their messages wait in."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Row, and_, case, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from db import bulk
from db.chain import clean
from db.models import AlertEpisodeRow, AlertMessageRow, AlertRow, Base
from services.domain.alerts import Alert, Episode, Message
from services.domain.findings import Severity
from services.ports.alerts import ALERTS, Delivery

_ALERTS, _MESSAGES, _EPISODES = (
    Base.metadata.tables[row.__tablename__] for row in (AlertRow, AlertMessageRow, AlertEpisodeRow)
)
WAITING, SENDING, SENT, FAILED, GIVEN_UP = "waiting", "sending", "sent", "failed", "given up"
_COLLECTED = "collected"
_UNSENT = (WAITING, SENDING, FAILED)


class Alerts:
    """The alerts inside one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def episodes(self) -> Mapping[str, Episode]:
        """Findings that last, by key."""
        table = _EPISODES.c
        rows = self._session.execute(select(table.key, table.begin, table.missing))
        return {row.key: Episode(row.key, row.begin, row.missing) for row in rows}

    def set_episodes(self, written: Sequence[Episode], over: Collection[str]) -> None:
        """Write some in place of those with the same key, and forget others."""
        connection = self._session.connection()
        rows = [{"key": one.key, "begin": one.begin, "missing": one.missing} for one in written]
        bulk.upsert(connection, _EPISODES, rows)
        if over:
            connection.execute(delete(_EPISODES).where(bulk.among(connection, _EPISODES.c.key, over)))

    def add(self, alerts: Sequence[Alert]) -> int:
        """Note alerts; those noted before stay as they are. How many were new."""
        if not alerts:
            return 0
        connection = self._session.connection()
        before = self._number()
        connection.execute(
            bulk.inserting(connection, _ALERTS).on_conflict_do_nothing(), [_alert_row(alert) for alert in alerts]
        )
        return self._number() - before

    def due(self, now: datetime) -> Sequence[Alert]:
        """Alerts that may be sent and are in no message yet, by channel, oldest first."""
        open_ = AlertRow.message.is_(None), AlertRow.due_at <= now
        return self._alerts(*open_)

    def post(self, message: Message) -> bool:
        """Put a message in the outbox and its alerts into it; False, and nothing changes, when it is there."""
        connection = self._session.connection()
        row = {
            "key": message.key,
            "channel": message.channel,
            "made_at": message.made,
            "state": WAITING,
            "attempts": 0,
            "next_at": message.made,
            "worker": "",
            "error": "",
            "test_by": clean(message.test_by),
        }
        made = bulk.inserting(connection, _MESSAGES).values(row).on_conflict_do_nothing()
        if connection.execute(made.returning(_MESSAGES.c.key)).scalar() is None:
            return False
        keys = [alert.key for alert in message.alerts]
        if keys:
            inside = bulk.among(connection, _ALERTS.c.key, keys)
            connection.execute(update(_ALERTS).where(inside, _ALERTS.c.message.is_(None)).values(message=message.key))
        return True

    def claim(self, channel: str, *, worker: str, now: datetime, lease_until: datetime) -> Message | None:
        """Take the message of a channel that waits longest, one whose worker's lease has passed included."""
        table = _MESSAGES.c
        free = or_(
            and_(table.state.in_((WAITING, FAILED)), table.next_at <= now),
            and_(table.state == SENDING, table.lease_until <= now),
        )
        wanted = select(table.key).where(table.channel == channel, free).order_by(table.next_at, table.key).limit(1)
        connection = self._session.connection()
        key = connection.execute(wanted).scalar()
        # The condition once more: of two that chose the same one, the second finds it taken.
        taking = update(_MESSAGES).where(table.key == key, free)
        values = {"state": SENDING, "worker": worker, "lease_until": lease_until, "attempts": table.attempts + 1}
        if key is None or connection.execute(taking.values(values)).rowcount != 1:
            return None
        row = connection.execute(select(_MESSAGES).where(table.key == key)).one()
        alerts = tuple(self._alerts(AlertRow.message == key))
        return Message(row.key, row.channel, row.made_at, alerts, row.attempts, row.test_by)

    def sent(self, key: str, *, worker: str, at: datetime) -> bool:
        """Note that it arrived; False when it is another worker's by now."""
        return self._ended(key, worker, {"state": SENT, "sent_at": at, "error": ""})

    def failed(self, key: str, *, worker: str, at: datetime, error: str, next_at: datetime | None) -> bool:
        """Note that it did not, and when to try again, None for never; False when it is another worker's by now."""
        return self._ended(
            key,
            worker,
            {
                "state": GIVEN_UP if next_at is None else FAILED,
                "failed_at": func.coalesce(_MESSAGES.c.failed_at, at),
                "error": clean(error),
                "next_at": next_at or at,
            },
        )

    def deliveries(self) -> Mapping[str, Delivery]:
        """How each channel is doing of which there is anything in the outbox."""
        table = _MESSAGES.c
        failing = and_(table.state.in_((SENDING, FAILED)), table.failed_at.is_not(None))
        wanted = select(
            table.channel,
            func.sum(case((table.state.in_(_UNSENT), 1), else_=0)).label("waiting"),
            func.sum(case((table.state == GIVEN_UP, 1), else_=0)).label("given_up"),
            func.max(table.sent_at).label("last_sent"),
            func.min(case((failing, table.failed_at))).label("failing_since"),
            func.min(case((failing, table.next_at))).label("next_at"),
        ).group_by(table.channel)
        rows = {row.channel: row for row in self._session.execute(wanted)}
        open_ = select(AlertRow.channel, func.count()).where(AlertRow.message.is_(None)).group_by(AlertRow.channel)
        collected: dict[str, int] = {row[0]: row[1] for row in self._session.execute(open_)}
        said = select(table.channel, table.error).where(failing).order_by(table.next_at)
        errors: dict[str, str] = {row.channel: row.error for row in self._session.execute(said)}
        return {
            channel: Delivery(collected=collected.get(channel, 0))
            if (row := rows.get(channel)) is None
            else Delivery(
                waiting=int(row.waiting),
                collected=collected.get(channel, 0),
                given_up=int(row.given_up),
                last_sent=row.last_sent,
                failing_since=row.failing_since,
                error=errors.get(channel, ""),
                next_at=row.next_at,
            )
            for channel in sorted({*rows, *collected})
        }

    def recent(self, since: datetime, *, limit: int = 1000) -> pd.DataFrame:
        """Alerts and tests noted since then, newest first."""
        delivery = (
            AlertMessageRow.state,
            AlertMessageRow.attempts,
            AlertMessageRow.sent_at,
            AlertMessageRow.next_at,
            AlertMessageRow.error,
        )
        alerts = (
            select(*_ALERTS.c, *delivery)
            .outerjoin(AlertMessageRow, AlertMessageRow.key == AlertRow.message)
            .where(AlertRow.at >= since)
            .order_by(AlertRow.at.desc(), AlertRow.severity, AlertRow.key)
            .limit(limit)
        )
        tests = (
            select(_MESSAGES)
            .where(_MESSAGES.c.test_by != "", _MESSAGES.c.made_at >= since)
            .order_by(_MESSAGES.c.made_at.desc())
            .limit(limit)
        )
        rows = [_listed(row) for row in self._session.execute(alerts)]
        rows += [_test(row) for row in self._session.execute(tests)]
        found = pd.DataFrame(rows, columns=list(ALERTS)).astype(ALERTS)
        return found.sort_values("at", ascending=False, kind="stable", ignore_index=True).head(limit)

    def prune(self, before: datetime) -> int:
        """Forget alerts and messages that old, but for those of findings that last; how many alerts."""
        connection = self._session.connection()
        lasting = exists().where(_EPISODES.c.key == _ALERTS.c.finding, _EPISODES.c.begin == _ALERTS.c.begin)
        gone = connection.execute(delete(_ALERTS).where(_ALERTS.c.at < before, ~lasting)).rowcount
        inside = exists().where(_ALERTS.c.message == _MESSAGES.c.key)
        connection.execute(delete(_MESSAGES).where(_MESSAGES.c.made_at < before, ~inside))
        return gone

    def _number(self) -> int:
        return self._session.execute(select(func.count()).select_from(_ALERTS)).scalar_one()

    def _alerts(self, *conditions: Any) -> list[Alert]:
        wanted = select(_ALERTS).where(*conditions).order_by(_ALERTS.c.channel, _ALERTS.c.at, _ALERTS.c.key)
        return [_alert(row) for row in self._session.execute(wanted)]

    def _ended(self, key: str, worker: str, values: Mapping[str, Any]) -> bool:
        own = _MESSAGES.c.key == key, _MESSAGES.c.worker == worker, _MESSAGES.c.state == SENDING
        ending = update(_MESSAGES).where(*own).values(lease_until=None, **values)
        return self._session.connection().execute(ending).rowcount == 1


def _alert_row(alert: Alert) -> dict[str, Any]:
    texts = ("channel", "finding", "kind", "title", "detail", "cluster", "team", "page")
    return {
        "key": alert.key,
        "begin": alert.begin,
        "at": alert.at,
        "due_at": alert.due,
        "severity": int(alert.severity),
        "params": {clean(name): clean(value) for name, value in alert.params.items()},
        **{name: clean(getattr(alert, name)) for name in texts},
    }


def _alert(row: Row[Any]) -> Alert:
    return Alert(
        key=row.key,
        channel=row.channel,
        finding=row.finding,
        begin=row.begin,
        at=row.at,
        due=row.due_at,
        kind=row.kind,
        severity=Severity(row.severity),
        title=row.title,
        detail=row.detail,
        cluster=row.cluster,
        team=row.team,
        page=row.page,
        params=row.params,
    )


def _listed(row: Any) -> dict[str, Any]:
    same = ("key", "channel", "finding", "kind", "title", "detail", "cluster", "team", "begin", "at", "sent_at")
    open_ = row.state in _UNSENT
    return {
        **{name: getattr(row, name) for name in same},
        "due": row.due_at,
        "severity": Severity(row.severity).name.lower(),
        "state": row.state or _COLLECTED,
        "attempts": row.attempts or 0,
        "next_at": row.next_at if open_ else None,
        "error": row.error or "",
        "message": row.message or "",
    }


def _test(row: Row[Any]) -> dict[str, Any]:
    empty = dict.fromkeys(("finding", "detail", "cluster", "team"), "")
    return {
        **empty,
        "key": row.key,
        "channel": row.channel,
        "severity": "notice",
        "kind": "Test",
        "title": f"Test message for {row.test_by}",
        "begin": row.made_at,
        "at": row.made_at,
        "due": row.made_at,
        "state": row.state,
        "attempts": row.attempts,
        "sent_at": row.sent_at,
        "next_at": row.next_at if row.state in _UNSENT else None,
        "error": row.error,
        "message": row.key,
    }
