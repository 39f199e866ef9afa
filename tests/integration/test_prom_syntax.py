"""Every query the adapter can write is PromQL: all of them as rules, checked by promtool in one go."""

import json
import subprocess
from datetime import timedelta

import pytest

from services.adapters.promql import expand
from services.adapters.promql_units import Flavour, Owners
from services.domain.signals import SIGNALS, UNIT_KEY, Query, Stat, Unit
from tests.needs import need

ALL = frozenset(carrier.metric for signal in SIGNALS.values() for carrier in signal.carriers)
FLAVOURS = {
    "old": Flavour(ALL, frozenset({"Hostname"}), Owners.EXPORTED),
    "new": Flavour(ALL, frozenset({"hostname", "pod_uid"}), Owners.PLAIN),
    "odd": Flavour(ALL, frozenset({"hostname", "Hostname", "pod_uid"}), Owners.MIXED, ("a|b", 'c"d'), percent=True),
    "bare": Flavour(ALL, frozenset(), Owners.EXPORTED),
}
CHOICES = ({}, {"node": ["a.b", 'c"\\'], "pod": ["x\ny"]}, {"gpu": ["G"], "namespace": ["a", "b"], "instance": [""]})


def queries() -> list[Query]:
    over = timedelta(hours=2)
    made = []
    for name, signal in SIGNALS.items():
        for by in ((), ("node",), UNIT_KEY, ("namespace",), ("node", "pod")):
            made.append(Query(name, by))
            stats = [Stat.MEAN, Stat.MAX, *([Stat.IDLE] if signal.unit is Unit.RATIO else [])]
            made += [Query(name, by, over, stat) for stat in stats]
    return made


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_query_can_be_parsed(tmp_path, flavour):
    rules = []
    for query in queries():
        for only in CHOICES:
            plan = expand(query, FLAVOURS[flavour], matchers={"cluster": 'pr"od\\'}, only=only)
            assert plan is not None
            rules += [
                {"record": f"r{len(rules)}:{n}", "expr": text}
                for n, text in enumerate((plan.value, plan.weight))
                if text
            ]
    assert len(rules) > 500
    file = tmp_path / "rules.json"  # YAML reads JSON
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    checked = subprocess.run(
        [need("promtool"), "check", "rules", str(file)], capture_output=True, check=False, text=True, timeout=60
    )
    assert checked.returncode == 0, checked.stdout[-2000:] + checked.stderr[-2000:]
