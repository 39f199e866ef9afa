"""Which GPU series the simulated exporters have at one minute."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from services.demo import exporter
from services.demo.holds import holds
from services.demo.readings import Readings
from services.demo.world import Site
from services.domain.signals import SIGNALS
from services.ports import COVERAGE_COLUMNS, Coverage


def coverage(site: Site, minute: int) -> Coverage:
    """Carriers, labels and duplicates at a whole minute (seconds since the epoch)."""
    pods, roster = site.pods(minute, minute), site.roster(minute, minute)
    held = holds(site, roster, pods)
    readings = Readings(site, roster, pods, held)
    now = np.array([minute], np.int64)
    there = readings.exists(now)[:, 0]
    hold, _, _ = held.pairs(now)
    owners = np.bincount(held.unit[hold], minlength=len(there))
    jobs = np.array([len(exporter.exporters(site, slot)) for slot in roster.node_slot.tolist()], np.int64)
    copies = np.maximum(owners, 1) * jobs[roster.unit_node] * there
    whole = roster.unit_codes["profile"] == roster.labels["profile"].index("")
    signals = {carrier.metric: signal for signal in SIGNALS.values() for carrier in signal.carriers}
    rows = []
    for family in exporter.FAMILIES:
        name = exporter.metric(site, family)
        if name not in signals:
            continue
        signal = signals[name].id
        has = readings.reports(signal) & there
        if family.whole_only:
            has &= whole
        elif signal == "util":
            has &= readings.profiled
        if has.any():
            gpus = len(np.unique(roster.unit_gpu[has]))
            rows.append((signal, name, int(copies[has].sum()), gpus, datetime.fromtimestamp(minute, UTC)))
    carriers = pd.DataFrame(rows, columns=list(COVERAGE_COLUMNS)).astype(COVERAGE_COLUMNS)
    twice = jobs[roster.gpu_node] > 1
    seen = readings.gpu_exists(now)[:, 0]
    owned = bool(owners.any())
    return Coverage(
        carriers=carriers,
        labels=frozenset(_labels(site, owned=owned)),
        owner_labels="exported" if owned else "",
        duplicates=int((twice & seen).sum()),
    )


def _labels(site: Site, *, owned: bool) -> set[str]:
    device = exporter.device_labels(site, 0, "", "", "1g.10gb" if _cut(site) else "", "7", "", "")
    labels = {*device, *exporter.target_labels(site, "", "dcgm-exporter"), "err_code", "err_msg"}
    if owned:
        labels |= {"exported_container", "exported_namespace", "exported_pod"}
        if exporter.shares(site):
            labels.add("vgpu")
    return labels


def _cut(site: Site) -> bool:
    return any(pool.mig for pool in site.plan.pools)
