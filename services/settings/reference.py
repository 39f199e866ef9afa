"""The reference of all settings, docs/settings.md: ``python -m services.settings.reference``."""

import sys
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from services.settings import names
from services.settings.given import Cluster, Given, Kubernetes, Prometheus, expected

TARGET = Path(__file__).parents[2] / "docs" / "settings.md"

_HEAD = """# Settings

<!-- Written by `make docs` from services/settings/given.py; do not edit. -->

Settings come from environment variables and from one optional YAML file, which `GFC_CONFIG` names. A variable wins
over the file; an empty variable counts as not set. A wrong setting, an unknown variable that begins with `GFC_` or an
unknown key in the file stops the start with one sentence and exit code 2.

Two settings connect a cluster:

```
GFC_KUBE_CONTEXT=prod-eu GFC_PROMETHEUS_URL=https://prometheus.example.com make run
```

Without any cluster the console shows a simulated estate and says so on every page.

Secrets may stand in a file of their own, named by the setting that ends in `_FILE` (`_file`). They are never shown,
logged or repeated in messages. Relative paths in the YAML file are relative to it.
"""

_FILE = """## The file

Needed for several clusters. Every general setting may stand in it under its name in lower case without `GFC_`.

```yaml
team_label: example.com/team
clusters:
  - name: prod-eu
    kubernetes:
      context: prod-eu
    prometheus:
      url: https://mimir.example.com/prometheus
      auth: bearer
      token_file: /run/secrets/mimir-token
      matchers:
        cluster: prod-eu
  - name: lab
    kubernetes:
      kubeconfig: lab.kubeconfig
      namespaces: [research, shared]
    prometheus:
      url: http://prometheus.lab.example.com:9090
```

Each entry of `clusters`:
"""


def text() -> str:
    """The whole page."""
    general = [_row(f"`{name}`", Given.model_fields[field]) for name, field in names.GENERAL.items()]
    config = f"| `{names.CONFIG}` | | Path of the settings file. | the path of a YAML file |"
    one = [_row(f"`{name}`", _at(path)) for name, path in names.CLUSTER.items()]
    cluster = [_row("`name`", Cluster.model_fields["name"])]
    cluster += [_row(f"`kubernetes.{key}`", field) for key, field in Kubernetes.model_fields.items()]
    cluster += [_row(f"`prometheus.{key}`", field) for key, field in Prometheus.model_fields.items()]
    parts = [
        _HEAD,
        "## General\n\n" + _table("variable", [config, *general]),
        "## One cluster, by variables\n\n" + _table("variable", one),
        _FILE + "\n" + _table("key", cluster),
    ]
    return "\n".join(parts)


def _at(path: tuple[str, ...]) -> FieldInfo:
    model: Any = Cluster if len(path) == 1 else {"kubernetes": Kubernetes, "prometheus": Prometheus}[path[0]]
    found: FieldInfo = model.model_fields[path[-1]]
    return found


def _table(first: str, rows: list[str]) -> str:
    return "\n".join([f"| {first} | default | meaning | value |", "|---|---|---|---|", *rows]) + "\n"


def _row(name: str, field: FieldInfo) -> str:
    default = field.default
    if isinstance(default, bool):
        default = str(default).lower()
    elif isinstance(default, float):
        default = f"{default:g}"
    shown = "" if default in (None, "", (), {}) else f"`{default}`"
    return f"| {name} | {shown} | {field.description} | {expected(field)} |"


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if TARGET.read_text(encoding="utf-8") == text() else f"{TARGET.name} is stale: run `make docs`.")
    TARGET.write_text(text(), encoding="utf-8")
