"""What a policy does, in sentences for people: what takes a replica out, for how long, and what may be sent."""

from collections.abc import Iterator
from datetime import timedelta

from services.domain.breakers import UNLIMITED, Policy, duration, number
from services.domain.breakers.least import out

DEFAULT_CONNECT = timedelta(seconds=10)
_WORST = "A replica is taken out after {errors} {kind} in a row, for {lasts} the first time and longer each time."


def failing(policy: Policy, replicas: int | None = None) -> list[str]:
    """What happens to replicas that fail. ``replicas`` is how many there should be, None unknown."""
    return list(_failing(policy, replicas))


def sending(policy: Policy) -> list[str]:
    """What may be sent; every limit is of one proxy that sends, for proxies do not know of each other."""
    return list(_sending(policy))


def span(length: timedelta | None) -> str:
    """A length of time as rules write it: "500ms", "30s", "1m30s"."""
    if length is None:
        return "an unknown time"
    whole, thousandth = divmod(length // timedelta(milliseconds=1), 1000)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"), (thousandth, "ms"))
    return "".join(f"{amount}{unit}" for amount, unit in parts if amount) or "0s"


def _failing(policy: Policy, replicas: int | None) -> Iterator[str]:
    if policy.outlier is None:
        yield "No replica is taken out, however often it fails."
        return
    errors, gateway = policy.errors, number(policy.outlier, "consecutiveGatewayErrors", 0)
    if not errors and not gateway:
        yield "Errors never take a replica out."
        return
    lasts = span(policy.ejection)
    if errors:
        kind = "error (5xx, or no connection)" if errors == 1 else "errors (5xx, or no connection)"
        yield _WORST.format(errors=errors, kind=kind, lasts=lasts)
    if gateway and (not errors or gateway < errors):
        kind = "answer" if gateway == 1 else "answers"
        yield _WORST.format(errors=gateway, kind=f"{kind} with 502, 503 or 504", lasts=lasts)
    yield _share(policy.percent, replicas)
    often = "" if policy.interval is None else f"Every {span(policy.interval)} those whose time is over come back."
    yield often or "How often those whose time is over come back cannot be read."
    healthy = number(policy.outlier, "minHealthPercent", 0)
    if healthy:
        yield f"With less than {healthy} % of replicas healthy, requests go to all of them again."


def _share(percent: int | None, replicas: int | None) -> str:
    if percent is None:
        return "How many may be out at once cannot be read."
    if replicas is None:
        return f"At most {percent} % of replicas are out at once."
    most = out(percent, replicas)
    if most:
        return f"At most {percent} % of replicas are out at once: {most} of {replicas}."
    return f"At most {percent} % of replicas are out at once, which of {replicas} is none: nothing is taken out."


def _sending(policy: Policy) -> Iterator[str]:
    found = [*_limits(policy)]
    yield from found or ["Nothing limits requests, connections or retries."]
    wait = policy.tcp.get("connectTimeout")
    if wait is not None:
        yield f"Opening a connection may take {span(duration(wait))}."


def _limits(policy: Policy) -> Iterator[str]:
    for fields, name, says in (
        (policy.http, "http1MaxPendingRequests", "At most {} may wait for a connection; more are answered 503."),
        (policy.http, "http2MaxRequests", "At most {} may be under way; more are answered 503."),
        (policy.tcp, "maxConnections", "At most {} may be open (HTTP/1.1 and TCP)."),
        (policy.http, "maxRetries", "At most {} may be under way at once."),
    ):
        limit = number(fields, name, 0)
        if limit and limit < UNLIMITED:
            yield says.format(_counted(limit, _NOUNS[name]))
    each = number(policy.http, "maxRequestsPerConnection", 0)
    if each:
        yield f"A connection is closed after {_counted(each, 'request')}."


_NOUNS = {
    "http1MaxPendingRequests": "request",
    "http2MaxRequests": "request",
    "maxConnections": "connection",
    "maxRetries": "retry",
}


def _counted(amount: int, noun: str) -> str:
    plural = "retries" if noun == "retry" else f"{noun}s"
    return f"{amount:,} {noun if amount == 1 else plural}"
