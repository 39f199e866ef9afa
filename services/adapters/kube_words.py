"""What went wrong with an API server, in words for a person, as errors of ``services.errors``.

Two refinements exist only between the modules of this adapter: :class:`Unauthenticated` (401, unlike 403, may pass with
fresh credentials) and :class:`Expired` (410: list again).
"""

import re
import socket
import ssl
from urllib.parse import urlsplit, urlunsplit

import msgspec
from urllib3 import exceptions as transport

from services.domain.kinds import Kind
from services.errors import Busy, Forbidden, NotFound, OpsError, Rejected, SourceUnavailable

SOURCE = "kubernetes"


class Unauthenticated(Forbidden):
    """401: the credentials were not accepted."""


class Expired(SourceUnavailable):
    """410: the resourceVersion or continue token is too old; list again."""


class _Status(msgspec.Struct, rename="camel"):
    """A meta/v1 Status, as far as it is read."""

    message: str | None = None
    reason: str | None = None
    code: int = 0


def without_credentials(url: str) -> str:
    """The address without user name, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def said(body: bytes) -> tuple[int, str]:
    """Code and message of a Status; (0, "") when the body is something else."""
    try:
        status = msgspec.json.decode(body, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0, ""
    return status.code, status.message or ""


def refusal(code: int, message: str, address: str, retry_after: str | None = None) -> OpsError:
    """The error an HTTP code amounts to. ``message`` is the server's own, from a Status, or empty."""
    words = f": {shortened(message)}" if message else "."
    if code == 401:
        return Unauthenticated(
            SOURCE,
            f"The API server at {address} did not accept our credentials (401).",
            hint="The token or certificate is wrong or has expired: renew it in the kubeconfig or the service account.",
        )
    if code == 403:
        return Forbidden(SOURCE, f"The API server refused{words}", hint="Grant the right with a role and a binding.")
    if code == 404:
        return NotFound(f"The API server at {address} does not serve this{words}")
    if code == 410:
        return Expired(SOURCE, f"What was asked for is no longer kept by the API server{words}")
    if code == 429:
        return Busy(
            f"The API server at {address} is busy (429){words}",
            retry_after_s=seconds(retry_after),
            hint="Kubernetes throttles this client; it is tried again more slowly.",
        )
    if 300 <= code < 400:
        return SourceUnavailable(
            SOURCE,
            f"{address} redirects elsewhere (HTTP {code}) instead of answering.",
            hint="This is likely a login page: the address must be that of the API server itself.",
        )
    if 400 <= code < 500:
        return Rejected(SOURCE, f"The API server at {address} rejected the request ({code}){words}")
    return SourceUnavailable(SOURCE, f"The API server at {address} failed (HTTP {code}){words}")


def unreadable(address: str, content_type: str) -> SourceUnavailable:
    """The error for an answer that is not what the API serves."""
    return SourceUnavailable(
        SOURCE,
        f"{address} answered with {content_type or 'something'} that is not a Kubernetes answer.",
        hint="Is this the address of the API server, or of a proxy or login page in front of it?",
    )


def unreachable(error: Exception, address: str, *, changing: bool = False) -> SourceUnavailable:
    """The error a failed connection or a broken answer amounts to; ``changing``: of a request to change something."""
    failed = _unreachable(error, address)
    return unsure(failed) if changing and not _never_sent(error) else failed


def unsure(error: SourceUnavailable) -> SourceUnavailable:
    """The same failure, of a request that may have been carried out nevertheless."""
    return SourceUnavailable(
        error.source,
        f"{error} It is not known whether the change was made.",
        hint="Look at the object before you try again.",
    )


def _unreachable(error: Exception, address: str) -> SourceUnavailable:
    host = urlsplit(address).hostname or address
    if isinstance(error, transport.ProxyError):
        message, hint = f"The proxy in front of {address} could not be used.", "Check HTTPS_PROXY, NO_PROXY, proxy-url."
    elif isinstance(error, transport.NameResolutionError) or _caused_by(error, socket.gaierror):
        message, hint = f"The name {host} cannot be resolved.", "Check the server address and DNS."
    elif _caused_by(error, ConnectionRefusedError):
        message, hint = f"{address} refused the connection.", "Is the API server running, and is the port right?"
    elif isinstance(error, transport.ConnectTimeoutError) and not isinstance(error, transport.NewConnectionError):
        message, hint = f"{address} did not accept a connection in time.", "A firewall or a stopped server does this."
    elif isinstance(error, transport.ReadTimeoutError):
        message, hint = f"{address} did not answer in time.", ""
    elif _caused_by(error, ssl.SSLError) or "SSLError" in str(error):
        message, hint = _about_tls(error, address)
    elif isinstance(error, transport.LocationValueError):
        message, hint = f"{address} is not an address that can be asked.", "Check the server address."
    elif isinstance(error, transport.NewConnectionError):
        message, hint = f"No connection to {address} could be made.", "Check the network between here and there."
    else:
        message, hint = f"The connection to {address} broke off.", ""
    return SourceUnavailable(SOURCE, message, hint=hint)


def not_permitted(kind: Kind, namespace: str, error: Forbidden) -> tuple[str, str]:
    """Message and hint for a kind that may not be listed; the hint is the rule that would permit it."""
    where = f"in namespace {namespace}" if namespace else "in the whole cluster"
    who = re.search(r'User "([^"]+)"', str(error))
    message = f"{who[1] if who else 'Our account'} may not read {kind.plural} {where} (403)."
    group = group_of(kind.groups[0])
    role = "Role" if namespace else "ClusterRole"
    return message, (
        f"Bind a {role} with this rule: "
        f'{{apiGroups: ["{group}"], resources: ["{kind.plural}"], verbs: ["get", "list", "watch"]}}'
    )


def group_of(version: str) -> str:
    """The API group of "group/version"; "" for the core group."""
    return version.rpartition("/")[0]


def _about_tls(error: Exception, address: str) -> tuple[str, str]:
    words = f"{error} {error.__context__ or ''}"
    if "CERTIFICATE_VERIFY_FAILED" in words:
        if "expired" in words:
            return f"The certificate of {address} has expired.", "Renew the API server's certificate."
        if "mismatch" in words or "doesn't match" in words or "not valid for" in words:
            return (
                f"The certificate of {address} is for another name.",
                "Use a name the certificate holds, or set tls-server-name in the kubeconfig.",
            )
        return (
            f"The certificate of {address} is not signed by the certificate authority we were given.",
            "Check certificate-authority-data of this cluster in the kubeconfig.",
        )
    if "WRONG_VERSION_NUMBER" in words:
        return f"{address} does not speak TLS.", "Use http:// in the kubeconfig or check the port."
    return (
        f"No TLS connection to {address} could be made.",
        "Check the client certificate and the server's TLS settings.",
    )


def _never_sent(error: Exception) -> bool:
    """Whether the connection failed before a request could go out."""
    early = (
        transport.ProxyError,
        transport.NewConnectionError,
        transport.ConnectTimeoutError,
        transport.SSLError,
        transport.LocationValueError,
    )
    return isinstance(error, early)


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, kind) or any(isinstance(part, kind) for part in error.args):
            return True
        error = error.__cause__ or error.__context__
    return False


def shortened(message: str) -> str:
    """On one line and not too long for a person."""
    line = " ".join(message.split())
    return line if len(line) <= 300 else f"{line[:297]}..."


def seconds(retry_after: str | None) -> float:
    """What a Retry-After header asks for; 0 when it says nothing, or a date."""
    return float(retry_after) if retry_after and retry_after.isdigit() else 0.0
