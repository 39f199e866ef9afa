"""A plan as commands and files for people: what it does in kubectl's words, and what to commit where Git is the master.

Secrets are replaced (:mod:`services.domain.change.redact`); of texts inside ConfigMaps only the edits are told. The
console does not run these commands: it sends the same writes itself, each with the version it read.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import yaml  # type: ignore[import-untyped]

from services.domain.change import redact
from services.domain.change.plan import Plan, Step, StepKind
from services.domain.change.refs import Ref


def commands(plan: Plan) -> str:
    """The plan as shell commands, step by step; the context of each is called like the cluster."""
    blocks = [f"# {number}. {_line(step.says)}\n{_command(step)}" for number, step in enumerate(plan.steps, start=1)]
    return "\n\n".join(blocks)


def manifest(step: Step) -> str:
    """The object a CREATE makes, as YAML."""
    return _yaml(redact.redacted(step.body, kind=step.ref.kind))


def commit(plan: Plan) -> str:
    """What to write into the source of the objects, as YAML documents: of each only the fields that change.

    A field that is null is one to remove.
    """
    return "---\n".join(text for step in plan.steps if (text := _document(step)))


def _document(step: Step) -> str:
    ref = step.ref
    if step.kind is StepKind.CREATE:
        return manifest(step)
    if step.kind is StepKind.DELETE:
        return f"# Remove {ref}.\n"
    if step.kind is StepKind.EDIT:
        return "".join(f"# {line}\n" for line in [f"In {step.body['key']} of {ref}:", *_edits(step)])
    if step.kind is StepKind.PATCH:
        meta = {"name": ref.name} | ({"namespace": ref.namespace} if ref.namespace else {})
        body = redact.redacted(step.body, kind=ref.kind)
        changed = {**body, "metadata": {**meta, **body.get("metadata", {})}}
        return _yaml({"apiVersion": ref.api, "kind": ref.kind, **changed})
    return ""


def _command(step: Step) -> str:
    ref = step.ref
    if step.kind is StepKind.CREATE:
        return f"{_kubectl(ref, 'create', '-f', '-')} <<'EOF'\n{manifest(step)}EOF"
    if step.kind is StepKind.PATCH:
        body = json.dumps(redact.redacted(step.body, kind=ref.kind), separators=(",", ":"))
        return _kubectl(ref, "patch", _resource(ref), ref.name, *_namespace(ref), "--type=merge", f"--patch={body}")
    if step.kind is StepKind.DELETE:
        return _kubectl(ref, "delete", _resource(ref), ref.name, *_namespace(ref))
    if step.kind is StepKind.EDIT:
        told = [f"In {step.body['key']}:", *_edits(step)]
        edit = _kubectl(ref, "edit", _resource(ref), ref.name, *_namespace(ref))
        return "\n".join([*(f"#   {line}" for line in told), edit])
    if step.kind is StepKind.DRAIN:
        return _drain(step)
    if step.kind is StepKind.PAUSE:
        return f"sleep {float(step.body['seconds']):g}"
    if step.kind is StepKind.SEND:
        return f"# The console sends it to the model group {_line(str(step.body['group']))}; kubectl cannot."
    return "\n".join(_waits(step))


def _drain(step: Step) -> str:
    """Kubectl's drain with the flags that come nearest; it cannot choose pods by what they hold."""
    held = ", ".join(f"{prefix}*" for prefix in step.body["resources"])
    flags = ["--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={_seconds(step)}"]
    if step.body.get("force"):
        flags.append("--force")
    drain = _kubectl(step.ref, "drain", step.ref.name, *flags)
    return f"# The console evicts only pods that hold {_line(held)}; kubectl drain cordons and evicts all.\n{drain}"


def _waits(step: Step) -> Iterator[str]:
    ref, timeout = step.ref, f"--timeout={_seconds(step)}"
    named = f"{_resource(ref)}/{ref.name}"
    for path, word, value in step.body["until"]:
        if word == "rolled_out":
            yield _kubectl(ref, "rollout", "status", named, *_namespace(ref), timeout)
        elif word == "gone":
            yield _kubectl(ref, "wait", named, *_namespace(ref), "--for=delete", timeout)
        elif word == "is":
            yield _kubectl(ref, "wait", named, *_namespace(ref), f"--for=jsonpath={_jsonpath(path)}={value}", timeout)
        else:
            wanted = "" if value is None else f" {value}"
            yield f"# Look until {_line('.'.join(map(str, path)))} {word}{_line(wanted)}:"
            yield _kubectl(ref, "get", named, *_namespace(ref), f"--output=jsonpath={_jsonpath(path)}")


def _edits(step: Step) -> list[str]:
    lines = []
    for edit in step.body["edits"]:
        path = tuple(str(part) for part in edit["path"])
        was, now = (_said(redact.field(step.ref.kind, path, edit.get(side))) for side in ("before", "after"))
        lines.append(f"{'.'.join(path)}: {was} -> {now}")
    return lines


def _said(value: Any) -> str:
    return "not there" if value is None else json.dumps(value, ensure_ascii=False)


def _kubectl(ref: Ref, *words: str) -> str:
    return shlex.join(["kubectl", f"--context={ref.cluster}", *words])


def _namespace(ref: Ref) -> list[str]:
    return [f"--namespace={ref.namespace}"] if ref.namespace else []


def _resource(ref: Ref) -> str:
    """The kind as kubectl takes it without asking which version is meant: nodes, deployments.v1.apps."""
    group, _, version = ref.api.rpartition("/")
    return f"{ref.plural}.{version}.{group}" if group else ref.plural


def _jsonpath(path: list[Any] | tuple[Any, ...]) -> str:
    parts = [f"[{part}]" if str(part).isdigit() else "." + str(part).replace(".", "\\.") for part in path]
    return "{" + "".join(parts) + "}"


def _seconds(step: Step) -> str:
    return f"{float(step.body['deadline_s']):.0f}s"


def _yaml(body: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(dict(body), sort_keys=False, default_flow_style=False, allow_unicode=True, width=110))


def _line(text: str) -> str:
    """Text from outside on one line, so that nothing of it leaves its comment."""
    return " ".join(text.split())
