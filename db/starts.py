"""Recorded starts of GPU pods, and what a collector remembers between two looks."""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import pandas as pd
from sqlalchemy import ColumnElement, Select, Table, delete, func, insert, select, text, tuple_
from sqlalchemy.orm import Session

from db import bulk
from db.chain import clean
from db.models import (
    Base,
    MarkRow,
    StartDetailRow,
    StartNodeRow,
    StartPullRow,
    StartRow,
    StartTraceRow,
)
from services.domain.startup import Outcome, Phase
from services.domain.startup.frame import PULLS, STARTS, StartRecord
from services.domain.startup.imagenames import parsed
from services.ports import Extent

_SAVE_LOCK = 7_201_003
"""Key of the PostgreSQL advisory lock that lets one transaction at a time record starts."""
_STARTS, _DETAILS, _PULLS, _TRACES, _NODES = (
    Base.metadata.tables[row.__tablename__]
    for row in (StartRow, StartDetailRow, StartPullRow, StartTraceRow, StartNodeRow)
)
_MARKS = Base.metadata.tables[MarkRow.__tablename__]
_AS_IS = tuple(each.name for each in fields(StartRecord) if each.name in _STARTS.c and each.name != "flags")
_UNPRICED = "usd", "usd_per_hour"
"""What is not there without a price, be it said with None or NaN."""
_KNOWN = StartRow.uid, StartRow.outcome, StartRow.flags, StartRow.digest


class _Known(NamedTuple):
    """How well a start is known, more is better, and what of it."""

    rank: int
    early: bool
    digest: str


class Starts:
    """The recorded starts inside one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, cluster: str, records: Sequence[StartRecord], at: datetime) -> int:
        """Record starts, those known already anew; how many were new or changed.

        What is known better stays: a start that is over is not replaced by one under way, nor a ready one by one
        that is not, nor one over that was watched from its beginning by one as far but flagged "late". Recording the
        same again changes nothing, not even ``recorded_at``.
        """
        connection = self._session.connection()
        if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SAVE_LOCK})
        stored = self._known(cluster, [record.uid for record in records])
        known, kept = dict(stored), dict[str, StartRecord]()
        for record in records:
            before, now = known.get(record.uid), _weighed(record)
            if before is None or (before.digest != now.digest and before[:2] <= now[:2]):
                known[record.uid], kept[record.uid] = now, record
        bulk.upsert(connection, _STARTS, [_row(cluster, each, at, known[uid].digest) for uid, each in kept.items()])
        details = [{"cluster": cluster, "uid": uid, "document": dict(each.detail)} for uid, each in kept.items()]
        bulk.upsert(connection, _DETAILS, details)
        self._forget(_PULLS, _PULLS.c.uid, cluster, [uid for uid in kept if uid in stored])
        pulls = [pull for each in kept.values() for pull in _pulls(cluster, each)]
        if pulls:
            connection.execute(insert(_PULLS), pulls)
        return len(kept)

    def settled(self, cluster: str, uids: Collection[str]) -> frozenset[str]:
        """Which of these are recorded and over, whatever their outcome."""
        return frozenset(uid for uid, known in self._known(cluster, uids).items() if known.rank)

    def remember(self, cluster: str, traces: Mapping[str, bytes], nodes: Mapping[str, bytes], at: datetime) -> None:
        """Keep traces in progress by pod uid and nodes by name, as JSON, in place of what was kept of them."""
        kept = {"cluster": cluster, "updated_at": at}
        connection = self._session.connection()
        bulk.upsert(connection, _TRACES, [{**kept, "uid": uid, "trace": seen.decode()} for uid, seen in traces.items()])
        bulk.upsert(connection, _NODES, [{**kept, "name": name, "node": seen.decode()} for name, seen in nodes.items()])

    def open(self, cluster: str) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """The traces in progress and the nodes, as they were given."""
        traces = select(StartTraceRow.uid, StartTraceRow.trace).where(StartTraceRow.cluster == cluster)
        nodes = select(StartNodeRow.name, StartNodeRow.node).where(StartNodeRow.cluster == cluster)
        return (
            {uid: seen.encode() for uid, seen in self._session.execute(traces)},
            {name: seen.encode() for name, seen in self._session.execute(nodes)},
        )

    def forget_traces(self, cluster: str, uids: Collection[str]) -> None:
        """Drop traces that are no longer in progress."""
        self._forget(_TRACES, _TRACES.c.uid, cluster, uids)

    def forget_nodes(self, cluster: str, names: Collection[str]) -> None:
        """Drop nodes that are gone."""
        self._forget(_NODES, _NODES.c.name, cluster, names)

    def window(self, begin: datetime, end: datetime, clusters: tuple[str, ...] | None = None) -> pd.DataFrame:
        """Starts of pods created in [begin, end), by STARTS, oldest first; of all clusters when None."""
        order = _STARTS.c["created_at", "cluster", "uid"]
        return self._frame(select().where(*_created(_STARTS, begin, end, clusters)).order_by(*order), _STARTS)

    def of(self, cluster: str, namespace: str, workload: str, *, limit: int = 1000) -> pd.DataFrame:
        """The latest starts of a workload, by STARTS, oldest first."""
        its = select().where(
            StartRow.cluster == cluster, StartRow.namespace == namespace, StartRow.workload == workload
        )
        newest = self._frame(its.order_by(StartRow.created_at.desc(), StartRow.uid.desc()).limit(limit), _STARTS)
        return newest[::-1].reset_index(drop=True)

    def row(self, cluster: str, uid: str) -> pd.DataFrame:
        """One start by STARTS; no row when it is not recorded."""
        return self._frame(select().where(StartRow.cluster == cluster, StartRow.uid == uid), _STARTS)

    def detail(self, cluster: str, uid: str) -> Mapping[str, Any] | None:
        """One start in full; None when it is not recorded."""
        wanted = select(StartDetailRow.document).where(StartDetailRow.cluster == cluster, StartDetailRow.uid == uid)
        return self._session.execute(wanted).scalar()

    def pulls(self, begin: datetime, end: datetime, clusters: tuple[str, ...] | None = None) -> pd.DataFrame:
        """How the containers of :meth:`window`'s starts came to their images, by PULLS, in the same order."""
        order = _PULLS.c["created_at", "cluster", "uid", "container"]
        return self._frame(select().where(*_created(_PULLS, begin, end, clusters)).order_by(*order), _PULLS)

    def extent(self, clusters: tuple[str, ...] | None = None) -> Extent:
        """How much is recorded; of all clusters when None."""
        wanted = select(func.count(StartRow.uid), func.min(StartRow.created_at), func.max(StartRow.created_at))
        number, first, last = self._session.execute(wanted.where(*_of(_STARTS, clusters))).one()
        return Extent(number, first, last)

    def prune(self, before: datetime, limit: int) -> int:
        """Remove what ended, and what nobody touched since, before that instant; how many rows.

        At most ``limit`` starts, with all that belongs to them, and as many traces and nodes: call it in transactions
        of its own until it answers 0.
        """
        over = StartRow.created_at < before, StartRow.ended_at < before  # the first has the index
        return sum(
            self._cut(table, limit, *old)
            for table, old in (
                (_STARTS, over),
                (_TRACES, (StartTraceRow.updated_at < before,)),
                (_NODES, (StartNodeRow.updated_at < before,)),
            )
        )

    def mark(self, cluster: str, name: str) -> Mapping[str, Any] | None:
        """What a collector noted under a name; None when nothing."""
        wanted = select(MarkRow.value).where(MarkRow.cluster == cluster, MarkRow.name == name)
        return self._session.execute(wanted).scalar()

    def set_mark(self, cluster: str, name: str, value: Mapping[str, Any], at: datetime) -> None:
        """Note something, in place of what was noted under the name."""
        noted = {"cluster": cluster, "name": name, "value": dict(value), "updated_at": at}
        bulk.upsert(self._session.connection(), _MARKS, [noted])

    def _known(self, cluster: str, uids: Collection[str]) -> dict[str, _Known]:
        these = bulk.among(self._session.connection(), _STARTS.c.uid, uids)
        return {
            uid: _weight(Outcome(outcome), flags.split(","), digest)
            for uid, outcome, flags, digest in self._session.execute(
                select(*_KNOWN).where(StartRow.cluster == cluster, these)
            )
        }

    def _forget(self, table: Table, key: ColumnElement[str], cluster: str, values: Collection[str]) -> None:
        if values:
            connection = self._session.connection()
            connection.execute(delete(table).where(table.c.cluster == cluster, bulk.among(connection, key, values)))

    def _cut(self, table: Table, limit: int, *old: ColumnElement[bool]) -> int:
        key = tuple(table.primary_key)
        gone = tuple_(*key).in_(select(*key).where(*old).limit(limit))
        return self._session.connection().execute(delete(table).where(gone)).rowcount

    def _frame(self, wanted: Select[Any], table: Table) -> pd.DataFrame:
        return bulk.frame(self._session.connection(), wanted, table, STARTS if table is _STARTS else PULLS)


_RANK = {Outcome.STARTING: 0, Outcome.GONE: 1, Outcome.FAILED: 1, Outcome.COMPLETED: 1, Outcome.READY: 2}


def _weighed(record: StartRecord) -> _Known:
    written = msgspec.json.encode(record, order="deterministic")
    digest = hashlib.blake2b(written, digest_size=16).hexdigest()
    return _weight(record.outcome, record.flags, digest)


def _weight(outcome: Outcome, flags: Collection[str], digest: str) -> _Known:
    rank = _RANK[outcome]
    return _Known(rank, not rank or "late" not in flags, digest)


def _row(cluster: str, record: StartRecord, at: datetime, digest: str) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in _AS_IS}
    row = {name: clean(value) if isinstance(value, str) else value for name, value in row.items()}
    row.update({f"{phase}_s": record.seconds.get(phase, 0.0) for phase in Phase})
    row.update({name: None if row[name] is None or math.isnan(row[name]) else row[name] for name in _UNPRICED})
    return {**row, "cluster": cluster, "flags": ",".join(sorted(record.flags)), "recorded_at": at, "digest": digest}


def _pulls(cluster: str, record: StartRecord) -> list[dict[str, Any]]:
    place = {"cluster": cluster, "created_at": record.created_at}
    place.update({name: clean(getattr(record, name)) for name in ("uid", "node", "pool", "zone")})
    return [
        {
            **place,
            "container": pull.container,
            "image": clean(pull.image),
            "registry": clean(parsed(pull.image).registry) if pull.image else "",
            "how": pull.how.value,
            "at": pull.at,
            "seconds": pull.seconds,
            "waiting_s": pull.waiting_s,
            "size_bytes": pull.size_bytes,
        }
        for pull in record.pulls
    ]


def _created(
    table: Table, begin: datetime, end: datetime, clusters: tuple[str, ...] | None
) -> tuple[ColumnElement[bool], ...]:
    return table.c.created_at >= begin, table.c.created_at < end, *_of(table, clusters)


def _of(table: Table, clusters: tuple[str, ...] | None) -> tuple[ColumnElement[bool], ...]:
    return () if clusters is None else (table.c.cluster.in_(clusters),)
