"""Single objects of a cluster, read and changed over HTTP: the ``Writable`` port, as ourselves or for a person."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from services.access import User
from services.adapters.kube_denial import denied, unread
from services.adapters.kube_wire import Answer, Headers, Query, Request, Wire
from services.adapters.kube_words import SOURCE, group_of, shortened
from services.domain.change import redact
from services.domain.change.refs import Live, Ref
from services.errors import Busy, Conflict, NotFound, Refused, Rejected

FIELD_MANAGER = "gpu-fleet-console"
"""The name under which the API server keeps which fields are ours."""

_JSON = (("Content-Type", "application/json"),)
_MERGE = (("Content-Type", "application/merge-patch+json"),)
_PART = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.:-]+")  # what a name may hold in a path, and more than any name does
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')
_WARNINGS_KEPT = 10
_IDENTITY_AT_MOST = 253


class Writes:
    """Reads and writes of one cluster. ``headers`` go with every request: who it is made for."""

    def __init__(self, name: str, wire: Wire, headers: Headers = ()) -> None:
        self._name, self._wire, self._headers = name, wire, headers

    def read(self, ref: Ref) -> Live:
        """The object now, whole. Raises NotFound."""
        return self._live(ref, self._asked(ref, "GET", _path(ref)))

    def create(self, ref: Ref, body: Mapping[str, Any], *, dry_run: bool = False) -> Live:
        """Create it, under the name and kind of ``ref``. Raises Conflict when it exists."""
        named = {"name": ref.name} | ({"namespace": ref.namespace} if ref.namespace else {})
        whole = {**body, "apiVersion": ref.api, "kind": ref.kind, "metadata": {**(body.get("metadata") or {}), **named}}
        query = _options(dry_run=dry_run)
        answer = self._asked(ref, "POST", _path(ref, named=False), whole, query=query, changes=not dry_run)
        return self._live(ref, answer, changes=not dry_run)

    def patch(self, ref: Ref, body: Mapping[str, Any], *, expected: str, dry_run: bool = False) -> Live:
        """Merge-patch it while its resourceVersion is ``expected``. Raises Conflict when it is another."""
        if not expected:
            raise ValueError("a patch without the version it was made for would overwrite what others did")
        guarded = {**body, "metadata": {**(body.get("metadata") or {}), "resourceVersion": expected}}
        query = _options(dry_run=dry_run)
        answer = self._asked(ref, "PATCH", _path(ref), guarded, query=query, content=_MERGE, changes=not dry_run)
        return self._live(ref, answer, changes=not dry_run)

    def delete(self, ref: Ref, *, expected: str, uid: str = "", dry_run: bool = False) -> None:
        """Delete it, and in the background what belongs to it, while its version is ``expected`` and its uid ``uid``.

        One of them may be empty. Raises Conflict when one differs.
        """
        if not (expected or uid):
            raise ValueError("a delete without a version or a uid would remove whatever has the name by then")
        given = {"resourceVersion": expected, "uid": uid}
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {key: value for key, value in given.items() if value},
            **_dry(dry_run),
        }
        self._asked(ref, "DELETE", _path(ref), options, changes=not dry_run)

    def evict(self, ref: Ref, *, uid: str = "", dry_run: bool = False) -> None:
        """Evict a pod; one that is gone, or has been replaced since it had ``uid``, is no error.

        Raises Busy while a disruption budget forbids it, Rejected when several budgets protect the pod.
        """
        options = _dry(dry_run) | ({"preconditions": {"uid": uid}} if uid else {})
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "deleteOptions": options,
        }
        query = _options(dry_run=dry_run)
        try:
            self._asked(ref, "POST", f"{_path(ref)}/eviction", eviction, query=query, changes=not dry_run)
        except NotFound:
            return
        except Conflict as error:
            # Also two evictions that meet at one budget are answered with 409; only another uid says it is done.
            if not self._replaced(ref, uid):
                raise Busy(f"{ref} was changed while it was evicted.", hint="It is tried again.") from error

    def allowed(self, verb: str, ref: Ref, *, subresource: str = "") -> bool:
        """Whether who asks may do it, by SelfSubjectAccessReview."""
        asked = {
            "verb": verb,
            "group": group_of(ref.api),
            "version": ref.api.rpartition("/")[2],
            "resource": ref.plural,
            "subresource": subresource,
            "namespace": ref.namespace,
            "name": ref.name if verb != "create" or subresource else "",
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in asked.items() if value}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = self._asked(ref, "POST", path, review)
        status = _decoded(answer, changes=False).get("status")
        return isinstance(status, dict) and status.get("allowed") is True

    def pods_on(self, node: str) -> Sequence[Live]:
        """The pods bound to a node, now, whole."""
        subject = Ref.of(self._name, "Node", node)
        _path(subject)  # a name that holds a comma would select something else
        answer = self._asked(subject, "GET", "/api/v1/pods", query=(("fieldSelector", f"spec.nodeName={node}"),))
        items = _decoded(answer, changes=False).get("items") or []
        pods = []
        for item in items:
            meta = item["metadata"]
            whole = {"apiVersion": "v1", "kind": "Pod", **item}  # items of a list do not say what they are
            pods.append(Live(Ref.of(self._name, "Pod", meta["name"], meta["namespace"]), whole))
        return pods

    def _replaced(self, ref: Ref, uid: str) -> bool:
        try:
            return bool(uid) and self.read(ref).uid != uid
        except NotFound:
            return True

    def _asked(
        self,
        ref: Ref,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Query = (),
        content: Headers = _JSON,
        changes: bool = False,
    ) -> Answer:
        raw = None if body is None else msgspec.json.encode(body)
        headers = self._headers if body is None else self._headers + content
        answer = self._wire.send(Request(path, query, method, headers, raw, changes))
        if answer.status not in (200, 201, 202):
            raise denied(answer, ref, changes=changes, sent=body)
        if answer.warnings:
            secrets = redact.held(body)
            return replace(answer, warnings=tuple(redact.without(one, secrets) for one in answer.warnings))
        return answer

    def _live(self, ref: Ref, answer: Answer, *, changes: bool = False) -> Live:
        return Live(ref, _decoded(answer, changes=changes), _warnings(answer))


def on_behalf(user: User) -> Headers:
    """The headers that make a request the person's: their name and one header for each of their groups.

    Raises Refused for names that no person has: none at all, Kubernetes' own ("system:masters") or unprintable.
    """
    name = user.kube_name or user.id
    for identity in (name, *user.groups):
        if identity.startswith("system:"):
            raise Refused(f'Nobody is let act as "{shortened(identity)}": such names are Kubernetes\' own.')
        if not identity or not identity.isprintable() or identity != identity.strip():
            raise Refused("Your login has a name or a group that Kubernetes cannot be told.")
        if len(identity) > _IDENTITY_AT_MOST:
            raise Refused("Your login has a name or a group that is too long.")
    groups = dict.fromkeys(user.groups)
    return (("Impersonate-User", _octets(name)), *(("Impersonate-Group", _octets(group)) for group in groups))


def _octets(text: str) -> str:
    """UTF-8 as the Latin-1 text a header is written from: the server reads the bytes as UTF-8."""
    return text.encode().decode("latin-1")


def _path(ref: Ref, *, named: bool = True) -> str:
    """The path of the object or of its list. Raises Rejected for names that would lead elsewhere."""
    parts = [*ref.api.split("/"), ref.name, *([ref.namespace] if ref.namespace else [])]
    if not all(_PART.fullmatch(part) for part in parts):
        raise Rejected(SOURCE, "A Kubernetes object cannot have this name.")
    return quote(ref.path if named else ref.collection)


def _options(*, dry_run: bool) -> Query:
    given = (("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict"))
    return (*given, ("dryRun", "All")) if dry_run else given


def _dry(dry_run: bool) -> dict[str, Any]:
    return {"dryRun": ["All"]} if dry_run else {}


def _decoded(answer: Answer, *, changes: bool) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unread(answer, changes=changes) from error
    if not isinstance(body, dict):
        raise unread(answer, changes=changes)
    return body


def _warnings(answer: Answer) -> tuple[str, ...]:
    """The texts of Warning headers (RFC 7234 §5.5): code, agent and a quoted string."""
    texts = [text for value in answer.warnings for text in _WARNING.findall(value)]
    return tuple(shortened(redact.text(re.sub(r"\\(.)", r"\1", text))) for text in texts[:_WARNINGS_KEPT])
