"""Why a tier did not answer: LiteLLM's statuses and exception classes in a dozen words.

Classes are ``<Provider>.<Class>`` when an upstream failed, and the bare class when the proxy itself refused
(``integrations/prometheus.py: _get_exception_class_name``, 1.80 to 1.109).
"""

CAUSES: dict[str, str] = {
    "unavailable": "Unavailable",
    "server-error": "Server error",
    "timeout": "Timeout",
    "connection": "No connection",
    "rate-limit": "Rate limit",
    "cooling": "Cooling down",
    "key": "Key not accepted",
    "not-found": "Model not found",
    "budget": "Budget used up",
    "bad-request": "Bad request",
    "length": "Prompt too long",
    "policy": "Content policy",
    "other": "Other error",
}
"""Causes in the order they are told, with their words. "cooling": after failures the proxy leaves a tier out."""

_BY_CLASS = {
    "ContextWindowExceededError": "length",
    "ContentPolicyViolationError": "policy",
    "BudgetExceededError": "budget",
    "RouterRateLimitError": "cooling",
    "RouterRateLimitErrorBasic": "cooling",
    "RateLimitError": "rate-limit",
    "Timeout": "timeout",
    "APITimeoutError": "timeout",
    "APIConnectionError": "connection",
    "ServiceUnavailableError": "unavailable",
    "AuthenticationError": "key",
    "PermissionDeniedError": "key",
    "NotFoundError": "not-found",
    "BadRequestError": "bad-request",
    "UnprocessableEntityError": "bad-request",
}
_BY_STATUS = {
    "408": "timeout",
    "504": "timeout",
    "429": "rate-limit",
    "503": "unavailable",
    "502": "unavailable",
    "401": "key",
    "403": "key",
    "404": "not-found",
    "400": "bad-request",
    "413": "bad-request",
    "422": "bad-request",
}


def cause(status: str, error: str) -> str:
    """The cause an error amounts to, a key of :data:`CAUSES`; the class tells more than the status, where it is known.

    An error without a status and a class is what the proxy did after earlier ones: it left the tier out.
    """
    if not status and not error:
        return "cooling"
    found = _BY_CLASS.get(error.rpartition(".")[2]) or _BY_STATUS.get(status)
    if found:
        return found
    return "server-error" if status.startswith("5") else "other"


def refused(status: str, error: str) -> bool:
    """Whether a request that failed was itself at fault: malformed, over its budget, or with a key nobody knows.

    A key or a model that an upstream does not accept is the gateway's fault, not the client's.
    """
    why = cause(status, error)
    return why in ("bad-request", "budget", "length", "policy") or (why in ("key", "not-found") and "." not in error)
