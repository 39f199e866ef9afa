"""What operations change: objects, taken by one operation while it runs, and the nodes their plans name."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from db.models import NodeRow, OperationRow, TargetRow
from services.domain.change.refs import Ref
from services.errors import Refused

_NODE = NodeRow.cluster, NodeRow.pool, NodeRow.node


class Targets:
    """Objects and nodes inside one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, operation: str, targets: Sequence[str], *, taken: bool) -> None:
        """The objects an operation changes, by their keys."""
        rows = [{"operation": operation, "target": key, "taken": taken} for key in dict.fromkeys(targets)]
        if rows:
            self._session.execute(insert(TargetRow), rows)

    def of(self, operation: str) -> Sequence[str]:
        """The keys of the objects an operation changes."""
        return self._session.execute(select(TargetRow.target).where(TargetRow.operation == operation)).scalars().all()

    def refuse_taken(self, operation: str, targets: Sequence[str]) -> None:
        """Raise Refused when another operation has taken one of these; it says which and who."""
        taken = (
            select(TargetRow.target, OperationRow.summary, OperationRow.actor_name)
            .join(OperationRow, OperationRow.id == TargetRow.operation)
            .where(TargetRow.taken, TargetRow.target.in_(targets), TargetRow.operation != operation)
            .order_by(TargetRow.target)
            .limit(1)
        )
        other = self._session.execute(taken).first()
        if other is not None:
            ref = Ref.from_key(other.target)
            raise Refused(
                f"{ref} in {ref.cluster} is being changed by {other.actor_name}: {other.summary.rstrip('.')}. "
                "Wait until that is over."
            )

    def take(self, operation: str) -> None:
        """Keep others from the objects of an operation."""
        self._set(operation, taken=True)

    def free(self, operation: str) -> None:
        """Let others have the objects of an operation."""
        self._set(operation, taken=False)

    def touch(self, operation: str, at: datetime) -> None:
        """The operation began: remember when for the nodes its plan names."""
        self._session.execute(delete(NodeRow).where(NodeRow.operation == operation))
        plan = self._session.execute(select(OperationRow.plan).where(OperationRow.id == operation)).scalar_one()
        found = dict.fromkeys((cluster, pool, node) for cluster, pool, nodes in plan.get("nodes", ()) for node in nodes)
        rows = [{"operation": operation, "cluster": c, "pool": p, "node": n, "at": at} for c, p, n in found]
        if rows:
            self._session.execute(insert(NodeRow), rows)

    def touched(self, since: datetime) -> tuple[tuple[str, str, str], ...]:
        """(cluster, pool, node) of the nodes of operations that began since then, each once."""
        rows = self._session.execute(select(*_NODE).where(NodeRow.at >= since).distinct().order_by(*_NODE))
        return tuple((row.cluster, row.pool, row.node) for row in rows)

    def _set(self, operation: str, *, taken: bool) -> None:
        self._session.execute(update(TargetRow).where(TargetRow.operation == operation).values(taken=taken))
