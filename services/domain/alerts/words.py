"""A message as text: what stands in its subject and its body, with links to the views."""

import re
from collections.abc import Mapping
from datetime import UTC
from urllib.parse import urlencode

from services.domain.alerts import Alert, Message
from services.domain.findings import Severity

NAME = "GPU Fleet Console"
LONGEST_TITLE, LONGEST_DETAIL, LONGEST_BODY = 150, 400, 3500
_MENTION = re.compile(r"@(?=\w)")
_BREAK = "\N{ZERO WIDTH SPACE}"
_FIRST_PAGE = "overview"


def subject(message: Message, *, demo: bool) -> str:
    """One line, with the message's key at its end: a message that comes twice can be told from two."""
    said = "Test message"
    if len(message.alerts) == 1:
        (one,) = message.alerts
        said = f"{_word(one.severity)}: {safe(one.title, LONGEST_TITLE)}"
    elif message.alerts:
        worst = min(one.severity for one in message.alerts)
        same = sum(one.severity is worst for one in message.alerts)
        said = f"{len(message.alerts)} findings, {same} {_word(worst).lower()}"
    return f"{'[Demo] ' if demo else ''}{NAME}: {said} ({message.key})"


def body(message: Message, *, base: str, demo: bool) -> str:
    """Every finding with its facts and its link, the most urgent first, as plain text of bounded length."""
    head = ["Simulated data: this is the demo estate."] if demo else []
    tail = f"Message {message.key}"
    if not message.alerts:
        return "\n".join(
            [*head, f"{safe(message.test_by, 100)} asked for this test message.", link(base, "alerts"), tail]
        )
    parts: list[str] = []
    room = LONGEST_BODY
    ordered = sorted(message.alerts, key=lambda one: (one.severity, one.begin, one.key))
    for place, alert in enumerate(ordered):
        part = _told(alert, base)
        room -= len(part)
        if room < 0 and parts:
            parts.append(f"And {len(ordered) - place} more: {link(base, 'alerts')}")
            break
        parts.append(part)
    return "\n\n".join([*head, *parts, tail])


def link(base: str, page: str, params: Mapping[str, str] | None = None) -> str:
    """The address of a view; without ``base`` only its path."""
    path = "" if page == _FIRST_PAGE else page
    query = urlencode(params or {})
    return f"{base.rstrip('/')}/{path}{f'?{query}' if query else ''}"


def safe(text: str, longest: int) -> str:
    """Text from outside on one line of bounded length that calls nobody and links to nothing by itself.

    Some services read Markdown or markup of their own in what they are given as plain text.
    """
    line = "".join(sign for sign in " ".join(text.split()) if sign.isprintable())
    line = line.replace("<", "‹").replace(">", "›").replace("](", f"]{_BREAK}(")
    line = _MENTION.sub(f"@{_BREAK}", line)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _told(alert: Alert, base: str) -> str:
    facts = [_word(alert.severity), safe(alert.kind, 60)]
    facts += [f"cluster {safe(alert.cluster, 63)}"] if alert.cluster else []
    facts += [f"team {safe(alert.team, 63)}"] if alert.team else []
    facts.append(f"first seen {alert.begin.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    lines = [safe(alert.title, LONGEST_TITLE), " · ".join(facts), safe(alert.detail, LONGEST_DETAIL)]
    return "\n".join([*(line for line in lines if line), link(base, alert.page, alert.params)])


def _word(severity: Severity) -> str:
    return severity.name.capitalize()
