"""What looks secret is replaced before it is stored, shown or copied. Pure; errs on the side of hiding."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

HIDDEN = "(hidden)"
"""What stands in the place of a secret."""

_SECRET = {
    "password", "passwd", "passphrase", "secret", "token", "credential", "credentials", "authorization", "apikey",
    "bearer", "cookie", "dsn",
}  # fmt: skip
_REFERENCE = {"name", "names", "ref", "path", "file", "class"}
"""A field that ends so names where a secret is, and does not hold it: secretName, token_file."""
_PLAIN = {"topologykey"}
"""Names of the Kubernetes API that only sound secret."""
_REPEATED = "kubectl.kubernetes.io/last-applied-configuration"
"""The object over again as one text, its secrets included."""

_SHORTEST = 6
"""Signs of a secret that is looked for wherever it stands."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ELSEWHERE = re.compile(r"^(os\.environ/|\$\{?\w+}?$|\$\(\w+\)$)")
"""A value that says where the secret is: LiteLLM's os.environ/NAME, a variable of a shell or of a container."""
_KNOWN = re.compile(
    r"\bsk-[\w-]{8,}|\bBearer\s+[\w.~+/-]{8,}=*|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+|\bAKIA[0-9A-Z]{16}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_LOGIN = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
_SETTING = re.compile(r"""(?P<name>[A-Za-z_][\w.-]*)["']?\s*[:=]\s*""")
_VALUE = re.compile(r"""(?P<value>"[^"]*"|'[^']*'|[^\s,;}]+)""")


def secret(name: str) -> bool:
    """Whether a field of this name holds a secret: password, api_key, clientSecret; not key, secretName, max_tokens."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _REFERENCE or "".join(words) in _PLAIN:
        return False
    return bool(_SECRET & set(words)) or (len(words) > 1 and words[-1] == "key")


def text(value: str) -> str:
    """A text with the secrets in it replaced: known forms of keys, logins in addresses, values of secret settings."""
    return _settings(_LOGIN.sub(HIDDEN, _KNOWN.sub(HIDDEN, value)))


def held(value: Any) -> frozenset[str]:
    """Secrets in clear text in the texts of a JSON value: what must not be repeated by whoever is told of it."""
    if isinstance(value, Mapping):
        named = {inner for key, inner in value.items() if isinstance(inner, str) and secret(str(key))}
        return frozenset(filter(_long, named)).union(*(held(inner) for inner in value.values()))
    if isinstance(value, list | tuple):
        return frozenset().union(*(held(inner) for inner in value))
    if not isinstance(value, str):
        return frozenset()
    found = {known[0] for known in _KNOWN.finditer(value)} | {given for _, _, given in _given(value)}
    return frozenset(filter(_long, found | {login[0].partition(":")[2] for login in _LOGIN.finditer(value)}))


def without(told: str, secrets: frozenset[str]) -> str:
    """The text without these, wherever they stand."""
    for one in sorted(secrets, key=len, reverse=True):
        told = told.replace(one, HIDDEN)
    return told


def _long(value: str) -> bool:
    """Whether it is no common word: what is shorter would hide the rest of what is said."""
    return len(value) >= _SHORTEST and value != HIDDEN and not _ELSEWHERE.match(value)


def redacted(value: Any, *, kind: str = "") -> Any:
    """A JSON value (an object, a patch, a plan) without its secrets; what was given is not changed.

    ``kind`` is the kind of object it is or patches, for a patch that does not say so itself.
    """
    return _redacted(value, kind, ())


def field(kind: str, path: tuple[str, ...], value: Any) -> Any:
    """The value of one field of an object of a kind, without its secrets."""
    return _under(kind, path, value)


def _redacted(value: Any, kind: str, path: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        here = str(value.get("kind") or kind) if not path else kind
        return {key: _under(here, (*path, str(key)), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner, kind, (*path, str(place))) for place, inner in enumerate(value)]
    return text(value) if isinstance(value, str) else value


def _under(kind: str, path: tuple[str, ...], value: Any) -> Any:
    if _hides(kind, path, value):
        return HIDDEN
    return _redacted(value, kind, path)


def _hides(kind: str, path: tuple[str, ...], value: Any) -> bool:
    if value is None or isinstance(value, bool) or not path:
        return False
    if kind == "Secret" and path[0] in ("data", "stringData"):
        return len(path) > 1
    if isinstance(value, Mapping | list | tuple):
        return False
    if isinstance(value, str) and _ELSEWHERE.match(value):
        return False
    last = path[-1]
    if last == _REPEATED or (last == "value" and "env" in path):
        return True
    # A price per token or a number of keys is a number; no secret we know of is.
    return isinstance(value, str) and secret(last)


def _settings(told: str) -> str:
    """The text with values of secret settings replaced."""
    kept, at = [], 0
    for begin, end, _ in _given(told):
        kept += [told[at : max(begin, at)], HIDDEN]
        at = end
    return "".join([*kept, told[at:]])


def _given(told: str) -> Iterator[tuple[int, int, str]]:
    """Where values of secret settings begin and end, and the values.

    What another name says may be a setting: "denied: key_b: x".
    """
    at = 0
    for found in _SETTING.finditer(told):
        given = _VALUE.match(told, found.end())
        if given is None or given.end() <= at or not secret(found["name"]):
            continue
        value = given["value"].strip("\"'")
        if value not in ("", HIDDEN, "null", "true", "false") and not _ELSEWHERE.match(value):
            yield found.end(), given.end(), value
            at = given.end()
