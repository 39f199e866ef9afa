"""The error tree: everything that can go wrong, said once.

::

    OpsError
    ├── SourceError(source)          the outside world
    │   ├── SourceUnavailable        timeout, refused, 5xx, an answer that cannot be read
    │   ├── Rejected                 we asked wrongly: bad PromQL, 400, 422, too much data
    │   └── Forbidden                401 or 403 from the source
    ├── NotFound                     the object or the API is not there
    ├── Conflict                     409: it changed under us
    │   └── StalePlan
    ├── Busy                         429: not now; ``retry_after_s`` says when
    ├── Refused                      our own rules said no; the message is shown as it is
    └── WrongSetting                 a setting stops the start

Adapters raise these with the vendor's exception as ``__cause__``; use cases turn them into
:class:`services.reading.Problem`. Messages are for people: no stack, no secret, no label sets.
"""


class OpsError(Exception):
    """Base of every error this product raises on purpose.

    ``hint`` says what to try; it may be empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SourceError(OpsError):
    """Something outside did not answer as it should. ``source`` names it: "kubernetes", "prometheus"…"""

    def __init__(self, source: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.source = source


class SourceUnavailable(SourceError):
    """No usable answer: timeout, refused connection, 5xx, HTML or broken JSON."""


class Rejected(SourceError):
    """The source understood and refused: 400, 422, or more data than we accept. Do not retry."""


class Forbidden(SourceError):
    """401 or 403 from the source."""


class NotFound(OpsError):
    """The object, or the API that would hold it, does not exist."""


class Conflict(OpsError):
    """409: the object changed since it was read."""


class StalePlan(Conflict):
    """A plan was made from a state that is no longer true."""


class Busy(OpsError):
    """429: refused for now, such as an eviction a disruption budget forbids. ``retry_after_s`` is 0 when unsaid."""

    def __init__(self, message: str, *, retry_after_s: float = 0.0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class Refused(OpsError):
    """Our own rules said no: role, guard, limit."""


class WrongSetting(OpsError):
    """A setting is wrong. One sentence: the setting, what was given, what is expected."""
