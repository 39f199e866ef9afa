"""The reference of all settings, docs/settings.md: ``python -m services.settings.reference``."""

import sys
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from services.settings import names
from services.settings.fields import expected
from services.settings.given import SECTIONS, Cluster, Gateway, Given, Kubernetes, OpenCost, Prometheus
from services.settings.given_access import Actions, Login, View
from services.settings.given_alerts import Channel
from services.settings.given_cost import Cost

TARGET = Path(__file__).parents[2] / "docs" / "settings.md"

_HEAD = """# Settings

<!-- Written by `make docs` from services/settings/; do not edit. -->

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

_COST = """## Money

Prices are no settings: they are kept on the Prices page, with their history.

"""

_LOGIN = """## Login, rights and views

Without a login a console with real clusters shows everything to whoever reaches it, and changes nothing. How to set a
login up is in [connect.md](connect.md#login).

A person has every role one of their groups has: a viewer reads, finance also edits budgets and prices, an operator also
changes clusters and gateways, an admin may do everything.

Without views everybody sees everything. While there is any view, a person sees the workloads of the namespaces and
teams that the views of all their groups name, and nothing else; `*` is a group everybody belongs to. People with
another role than viewer see everything unless one of their groups has a view. Hardware (nodes, pools, how much of them
is held) is seen by all; what other people's pods hold is shown as held, without names.

"""

_CHANNEL = """## One channel, by variables

Where alerts go, and which; see [alerts.md](alerts.md). Several channels stand in the file, each with these settings in
lower case without `GFC_CHANNEL_`.

"""

_FILE = """## The file

Needed for several clusters, several channels and views. Every setting of the first four tables may stand in it under
its name in lower case without `GFC_`; what is comma-separated in the environment is a list here.

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
    gateway:
      url: http://litellm.serving.example.com:4000
      key_file: /run/secrets/litellm-key
      namespace: serving
      configmap: litellm-config
      deployment: litellm
    opencost:
      url: http://opencost.opencost.example.com:9003
  - name: lab
    kubernetes:
      kubeconfig: lab.kubeconfig
      namespaces: [research, shared]
    prometheus:
      url: http://prometheus.lab.example.com:9090
public_url: https://gpus.example.com
channels:
  - name: gpu-ops
    url_file: /run/secrets/slack
    kinds: [health, demand]
    quiet: 22:00-07:00
    zone: Europe/Berlin
    critical_at_once: true
```

Each entry of `clusters`:
"""

_VIEWS = """Each entry of `views`, by the name of a group:

```yaml
views:
  ml-research:
    namespaces: [research, research-batch]
    teams: [research]
```
"""


def text() -> str:
    """The whole page."""
    rows = {field: _row(f"`{name}`", Given.model_fields[field]) for name, field in names.GENERAL.items()}
    login = [rows.pop(field) for field in Login.model_fields if field in rows]
    actions = [rows.pop(field) for field in Actions.model_fields]
    cost = [rows.pop(field) for field in Cost.model_fields]
    general = list(rows.values())
    config = f"| `{names.CONFIG}` | | Path of the settings file. | the path of a YAML file |"
    one = [_row(f"`{name}`", _at(path)) for name, path in names.CLUSTER.items()]
    channel = [_row(f"`{name}`", Channel.model_fields[path[0]]) for name, path in names.CHANNEL.items()]
    cluster = [_row("`name`", Cluster.model_fields["name"])]
    cluster += [_row(f"`kubernetes.{key}`", field) for key, field in Kubernetes.model_fields.items()]
    cluster += [_row(f"`prometheus.{key}`", field) for key, field in Prometheus.model_fields.items()]
    cluster += [_row(f"`gateway.{key}`", field) for key, field in Gateway.model_fields.items()]
    cluster += [_row(f"`opencost.{key}`", field) for key, field in OpenCost.model_fields.items()]
    views = [_row(f"`{key}`", field) for key, field in View.model_fields.items()]
    parts = [
        _HEAD,
        "## General\n\n" + _table("variable", [config, *general]),
        _COST + _table("variable", cost),
        _LOGIN + _table("variable", login),
        "## Actions\n\n" + _table("variable", actions),
        _CHANNEL + _table("variable", channel),
        "## One cluster, by variables\n\n" + _table("variable", one),
        _FILE + "\n" + _table("key", cluster),
        _VIEWS + "\n" + _table("key", views),
    ]
    return "\n".join(parts)


def _at(path: tuple[str, ...]) -> FieldInfo:
    model: Any = Cluster if len(path) == 1 else SECTIONS[path[0]]
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
    elif isinstance(default, tuple):
        default = ",".join(default)
    shown = "" if default in (None, "", {}) else f"`{default}`"
    return f"| {name} | {shown} | {field.description} | {expected(field)} |"


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if TARGET.read_text(encoding="utf-8") == text() else f"{TARGET.name} is stale: run `make docs`.")
    TARGET.write_text(text(), encoding="utf-8")
