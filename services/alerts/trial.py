"""A test message, asked for by somebody who may."""

import secrets

from services import access
from services.access import Right, User
from services.domain.alerts import Message, key_of
from services.errors import NotFound, Refused
from services.ports import Event, Sources


def ask(sources: Sources, user: User, channel: str) -> str:
    """Put a test message for a channel into the outbox and say so in the audit; its key.

    The collector sends it as it sends all others. Raises Refused, NotFound and SourceUnavailable.
    """
    now = sources.now()
    access.require(user, Right.ADMIN, policy=sources.policy.actions, now=now)
    if channel not in sources.channels:
        raise NotFound("There is no such channel.")
    if sources.work is None:
        raise Refused("There is no database to keep messages in.")
    key = key_of(channel, user.id, now.isoformat(), secrets.token_hex(8))[:12]
    with sources.work() as unit:
        unit.alerts.post(Message(key, channel, now, test_by=user.name))
        says = f"{user.name} asked for a test message to the channel {channel} ({key})."
        unit.operations.log(Event("", "note", now, user.id, says, detail={"channel": channel, "message": key}))
        unit.commit()
    return key
