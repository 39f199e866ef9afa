"""Device plugin, feature discovery and MIG manager of the replay: what a node's labels make of its GPUs.

Order and timing: k8s-device-plugin ``cmd/config-manager`` (a new label value: SIGHUP, the plugin registers anew),
kubelet (while it does, allocatable is 0), mig-parted's ``nvidia-mig-manager`` (pending, then success, or failed while a
pod holds a GPU of the node).
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from services.demo import manifests
from services.demo.hardware import PROFILES, GpuModel
from services.demo.journal import Write
from services.demo.nodeobjects import instance_labels
from services.demo.replay import Replay
from services.demo.seating import GPU, Cell, Event, Face, Host, Unit
from services.domain import units
from services.domain.sharing import Layout, Mode, mig
from services.domain.sharing import config as sharing_config

CONFIG = "nvidia.com/device-plugin.config"
MIG = "nvidia.com/mig.config"
STATE = "nvidia.com/mig.config.state"

_NOTICED_S, _REGISTERED_S = 3, 15
_PENDING_S, _REFUSED_S, _CUT_S = 3, 20, 70


def restarts(write: Write) -> bool:
    """Whether a write makes the device plugin start anew on every node."""
    if write.verb != "patch":
        return False
    if write.ref.kind == "ClusterPolicy":
        return "devicePlugin" in (write.body.get("spec") or {})
    named = write.ref.kind == "DaemonSet" and write.ref.name in (
        "nvidia-device-plugin",
        "nvidia-device-plugin-daemonset",
    )
    return named and "template" in (write.body.get("spec") or {})


class Sharing:
    """The controllers of one pool's nodes."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._site = replay.site
        replay.hear(self._heard)

    def _heard(self, write: Write) -> None:
        replay = self._replay
        if restarts(write):
            plugged = [one for one in replay.hosts if one.cells and one.gone > write.at]
            for place, one in enumerate(plugged):
                replay.later(write.at + 5 + 4 * place, self._chosen(one))
        if write.ref.kind != "Node" or write.verb != "patch":
            return
        host = replay.host(write.ref.name, write.at)
        given = (write.body.get("metadata") or {}).get("labels") or {}
        if host is None or not host.slot.pool.instance.gpus:
            return
        if CONFIG in given:
            replay.later(write.at + _NOTICED_S, self._chosen(host))
        if given.get(MIG) is not None:
            replay.later(write.at + _PENDING_S, self._wanted(host, given[MIG]))

    # -- device plugin -----------------------------------------------------------------------------------------------

    def _chosen(self, host: Host) -> Event:
        def event(now: int) -> None:
            documents = manifests.data(
                self._site, manifests.configs_name(self._site), manifests.plugin(self._site)[0], now
            )
            key = self._key(host, documents, now)
            if not host.cells:
                return  # no device plugin runs here
            if key and key not in documents:
                self._show(host, now, crash=key)
                return
            host.turn += 1
            host.down = True
            self._show(host, now, dipped=True)
            document = sharing_config.read(documents.get(key, ""))
            self._replay.later(now + _REGISTERED_S, self._registered(host, host.turn, document))

        return event

    def _key(self, host: Host, documents: Mapping[str, str], now: int) -> str:
        site = self._site
        default = manifests.DEFAULT
        policy = ("ClusterPolicy", "", "cluster-policy")
        folded = site.ledger.folded(policy, manifests.objects(site).get(policy), now)
        if folded is not None:
            config = ((folded.body.get("spec") or {}).get("devicePlugin") or {}).get("config") or {}
            default = config.get("default", "")
        fallback = "empty" if manifests.operated(site) else "named,single"
        return sharing_config.effective_key(host.labels.get(CONFIG, ""), default, documents, fallback=fallback)

    def _registered(self, host: Host, turn: int, document: sharing_config.Document) -> Event:
        def event(now: int) -> None:
            if turn != host.turn:
                return
            host.down = False
            by_resource = dict(document.by_resource)
            for unit in dict.fromkeys(cell.unit for cell in host.cells):
                replicas = max(by_resource.get(unit.resource, 1), 1)
                named = f"{unit.resource}.shared" if document.renamed and replicas > 1 else unit.resource
                own = {cell.replica: cell for cell in host.cells if cell.unit is unit}
                for replica in range(replicas):
                    if replica not in own:
                        own[replica] = Cell(unit, replica, host=host)
                        host.cells.append(own[replica])
                for replica, cell in own.items():
                    cell.offered, cell.resource = replica < replicas, named
            self._show(host, now, labels=_sharing_labels(host, document.layout, renamed=document.renamed))

        return event

    # -- MIG manager -------------------------------------------------------------------------------------------------

    def _wanted(self, host: Host, name: str) -> Event:
        def event(now: int) -> None:
            model = host.slot.pool.instance.model
            texts = manifests.data(self._site, manifests.mig_config_name(host.name), manifests.OPERATOR, now)
            known = mig.configs(texts["config.yaml"]) if "config.yaml" in texts else {}
            host.turn += 1
            if model is None or name not in known:
                self._show(host, now, labels={STATE: "failed"})
                return
            cuts = mig.cut(known[name], host.slot.pool.instance.gpus, units.model_name(model.product))
            self._show(host, now, labels={STATE: "pending"})
            if host.held() or any(set(cut or ()) - set(PROFILES) for cut in cuts):
                self._replay.later(now + _REFUSED_S, self._failed(host, host.turn))
                return
            host.down = True
            self._show(host, now + 1, labels={STATE: "pending"}, dipped=True)
            self._replay.later(now + _CUT_S, self._cut(host, host.turn, cuts, model))

        return event

    def _failed(self, host: Host, turn: int) -> Event:
        def event(now: int) -> None:
            if turn == host.turn:
                self._show(host, now, labels={STATE: "failed"})

        return event

    def _cut(self, host: Host, turn: int, cuts: Sequence[mig.Cut], model: GpuModel) -> Event:
        def event(now: int) -> None:
            if turn != host.turn:
                return
            host.down = False
            for gpu, cut in enumerate(cuts):
                own = [unit for unit in host.units if unit.gpu == gpu and unit.gone > now]
                if not own or Counter(unit.profile for unit in own) == (Counter(cut) if cut else Counter({"": 1})):
                    continue
                for unit in own:
                    unit.gone = now
                host.cells = [cell for cell in host.cells if cell.unit not in own]
                for unit in _instances(gpu, cut, now):
                    host.units.append(unit)
                    host.cells.append(Cell(unit, 0, resource=unit.resource, host=host))
            counts = Counter(unit.profile for unit in host.units if unit.profile and unit.gone > now)
            old = {name: None for name in host.labels if name.startswith("nvidia.com/mig-")}
            plain = {"nvidia.com/mig.strategy": "mixed", "nvidia.com/gpu.replicas": "0"} if counts else {
                "nvidia.com/mig.strategy": "mixed", "nvidia.com/gpu.replicas": "1"
            }  # fmt: skip
            self._show(host, now, labels={**old, **plain, **instance_labels(model, counts), STATE: "success"})

        return event

    def _show(
        self,
        host: Host,
        at: int,
        *,
        labels: Mapping[str, str | None] | None = None,
        dipped: bool = False,
        crash: str = "",
    ) -> None:
        """Have the node show what it now offers, and the labels feature discovery makes of it."""
        before = host.faces[-1] if host.faces else None
        known = dict.fromkeys(before.capacity if before else (), 0)
        offered = {GPU: 0, **known, **host.resources}  # the kubelet keeps a resource it has once seen
        broken = host.broken * max((cell.replica + 1 for cell in host.cells if cell.offered), default=0)
        capacity = {name: str(count + (broken if name == GPU else 0)) for name, count in sorted(offered.items())}
        if dipped and before is not None:
            capacity = dict(before.capacity)
        allocatable = {name: str(0 if dipped else count) for name, count in sorted(offered.items())}
        kept = {**(before.labels if before else {}), **(labels or {})}
        for name, value in kept.items():
            if value is None:
                host.labels.pop(name, None)
            else:
                host.labels[name] = value
        host.faces.append(Face(at, capacity, allocatable, kept, crash))
        self._replay.shown(at)
        self._replay.freed(host)


def _instances(gpu: int, cut: mig.Cut, now: int) -> list[Unit]:
    if not cut:
        return [Unit(gpu, "", "", born=now)]
    return [
        Unit(gpu, profile, str(PROFILES[profile].first_id + place), born=now)
        for profile, count in cut.items()
        for place in range(count)
    ]


def _sharing_labels(host: Host, layout: Layout, *, renamed: bool) -> dict[str, str | None]:
    model = host.slot.pool.instance.model
    product = model.product if model else ""
    cut = any(cell.unit.profile for cell in host.cells)
    return {
        "nvidia.com/gpu.product": f"{product}-SHARED" if layout.shared and not renamed else product,
        "nvidia.com/gpu.replicas": str(layout.replicas) if layout.shared or not cut else "0",
        "nvidia.com/gpu.sharing-strategy": layout.mode.value if layout.shared else "none",
        "nvidia.com/mps.capable": str(layout.mode is Mode.MPS).lower(),
    }
