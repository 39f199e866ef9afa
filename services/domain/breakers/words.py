"""What is said of each thing found in circuit breakers: how urgent, the sentence, and what to do."""

from services.domain.findings import Severity

_CRITICAL, _WARNING, _NOTICE = Severity.CRITICAL, Severity.WARNING, Severity.NOTICE

HIDDEN = "Another rule, of a namespace hidden here,"
"""Stands for a rule whose namespace is not seen, at the beginning of a sentence."""
TEXTS: dict[str, tuple[Severity, str, str]] = {
    "consecutive-errors": (
        _WARNING,
        "consecutiveErrors is deprecated; count on it having no effect.",
        "Set consecutive5xxErrors instead and remove it.",
    ),
    "misspelt": (
        _WARNING,
        "{name} is not a field Istio knows, so it has no effect.",
        "Write {near} if that is what was meant.",
    ),
    "unknown-field": (_WARNING, "{name} is not a field known here; it may have no effect.", "Remove or correct it."),
    "duration": (
        _WARNING,
        "{name} is {value}, which Istio does not take for a duration.",
        "Write a number with a unit, such as 30s, in whole milliseconds and at least 1ms.",
    ),
    "percentage": (_WARNING, "{name} is {value}, which is no percentage.", "Write a whole number from 0 to 100."),
    "no-percentage": (
        _NOTICE,
        "maxEjectionPercent is 0, which Istio takes for not set: {percent} % may be taken out.",
        "Write the percentage that is meant. To take nothing out, set consecutive5xxErrors to 0.",
    ),
    "local-errors": (
        _WARNING,
        "consecutiveLocalOriginFailures has no effect without splitExternalLocalOriginErrors, and Istio refuses it.",
        "Set splitExternalLocalOriginErrors to true, or remove the number.",
    ),
    "off": (
        _WARNING,
        "consecutive5xxErrors is 0, so errors never take a replica out.",
        "Set a number above 0, such as 5.",
    ),
    "gateway-errors": (
        _NOTICE,
        "consecutiveGatewayErrors ({gateway}) has no effect: it is not below consecutive5xxErrors ({errors}).",
        "Set it below consecutive5xxErrors, or remove it.",
    ),
    "few-replicas": (
        _WARNING,
        "At most {percent} % may be taken out, and of {replicas} replicas that is none: the rule takes out nothing.",
        "Set maxEjectionPercent to {least} or more.",
    ),
    "one-replica": (
        _NOTICE,
        "There is 1 replica, and below 100 % it is never taken out.",
        "Nothing, unless requests should fail at once while it is unwell; a second replica would take them over.",
    ),
    "all-ejected": (
        _WARNING,
        "All replicas may be taken out at once: answers 503 that only shed load can leave none.",
        "Set maxEjectionPercent below 100, and shed load with 429, which does not count as an error.",
    ),
    "long-ejection": (
        _NOTICE,
        "A replica stays out for at least {minutes} minutes, and longer each time; most models load faster.",
        "Set baseEjectionTime to about the time the model takes to load.",
    ),
    "unknown-host": (
        _NOTICE,
        "No workload known here has the name and namespace of {host}.",
        "Check the host, best written in full. A Service may have another name than its workload.",
    ),
    "short-host": (
        _WARNING,
        "{host} is no Service: Istio completes only names without a dot, so the rule is for nothing.",
        "Write {whole}.",
    ),
    "two-rules": (
        _WARNING,
        "{other} names the same host: the two conflict, and Istio may merge them or ignore one.",
        "Keep one rule for a host.",
    ),
}
"""By code; the curly brackets are filled in by the check."""
