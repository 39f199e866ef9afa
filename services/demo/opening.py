"""How a replay begins: the nodes and pods of the timetable, as they stand when a pool is first touched."""

from typing import TYPE_CHECKING

import numpy as np

from services.demo.autoscaler import taints
from services.demo.lanes import IMAGE_PULL, RUN
from services.demo.lives import NEVER
from services.demo.moment import NodeFacts
from services.demo.names import uid
from services.demo.nodeobjects import labels
from services.demo.scenario import PoolPlan
from services.demo.seating import Cell, Host, Stay, Unit
from services.demo.workloads import PRIORITIES

if TYPE_CHECKING:
    from services.demo.replay import Replay


def stand(replay: "Replay", pool: PoolPlan) -> None:
    """The nodes of the timetable."""
    site = replay.site
    roster = site.roster(replay.since, replay.until)
    cells: dict[int, list[Cell]] = {}
    units: dict[int, Unit] = {}
    estate = site.estate
    for slot, (unit, replica) in enumerate(
        zip(site.placement.slot_unit.tolist(), site.placement.slot_replica.tolist(), strict=True)
    ):
        gpu = int(estate.unit_gpu[unit])
        node = int(estate.gpu_node[gpu])
        if estate.nodes[node].pool is not pool:
            continue
        known = units.get(unit)
        if known is None:
            place = int(estate.gpu_place[gpu])
            known = units[unit] = Unit(place, estate.unit_profile[unit], estate.unit_instance[unit], unit)
        cells.setdefault(node, []).append(Cell(known, replica, slot, known.resource))
    for row, node in enumerate(roster.node_slot.tolist()):
        slot_ = estate.nodes[node]
        claimed, born, ready, usable, gone = (int(values[row]) for values in roster.node_life)
        late = slot_.burst and claimed > replay.since
        if slot_.pool is not pool or gone <= replay.since or born > replay.until or late:
            continue
        name, gen = roster.node_names[row], int(roster.node_gen[row])
        own = [Cell(cell.unit, cell.replica, cell.slot, cell.resource) for cell in cells.get(node, [])]
        host = Host(
            slot=slot_, name=name, born=born, gone=gone, usable=usable, cells=own,
            labels=labels(
                site, NodeFacts(slot_, row, name, uid(site, "node", name, gen), claimed, born, ready, usable, gone)
            ),
            units=list(dict.fromkeys(cell.unit for cell in own)),
            broken=int(site.placement.hit("gpu-lost", node)),
            closed=site.placement.hit("cordoned", node), taints=taints(pool),
        )  # fmt: skip
        for cell in own:
            cell.host = host
        replay.hosts.append(host)
        if host.usable > replay.since:
            replay.later(host.usable, replay.freeing(host))
        if slot_.burst and host.usable > replay.since:
            replay.autoscaler.coming.append(host)
        if gone < NEVER:
            replay.later(gone, replay.node_gone(host), rank=0)


def seat(replay: "Replay", pool: PoolPlan) -> None:
    """The pods of the timetable: those that are there take their seats, the others come in time."""
    site, table = replay.site, replay.site.table
    pods = site.timetable(replay.since, replay.until)
    mine = np.array([work.plan.place.pool == pool.name for work in site.works], np.bool_)
    pods = pods.where(mine[pods.work] & (pods.gone > replay.since))
    by_slot: dict[int, list[Cell]] = {}
    for host in replay.hosts:
        for cell in host.cells:
            by_slot.setdefault(cell.slot, []).append(cell)
    for row in range(len(pods)):
        lane, fate = int(pods.lane[row]), int(pods.fate[row])
        created, scheduled, ended, gone = (
            int(getattr(pods, name)[row]) for name in ("created", "scheduled", "ended", "gone")
        )
        work = site.works[int(pods.work[row])]
        first, count = int(table.slot_first[lane]), int(table.slot_count[lane])
        slots = table.slots[first : first + count].tolist() if fate in (RUN, IMAGE_PULL) else []
        key = int(pods.key[row])
        at = min(scheduled, ended)
        home = tuple(
            cell
            for slot in slots
            for cell in by_slot.get(slot, ())
            if cell.host is not None and cell.host.born <= at < cell.host.gone
        )
        known = scheduled < NEVER and fate == RUN
        stay = Stay(
            work=work, lane=lane, replica=int(pods.replica[row]), cycle=int(pods.cycle[row]), key=key,
            created=created, priority=PRIORITIES[work.plan.priority], fate=fate, failed=bool(pods.failed[row]),
            until=ended, kept=gone - ended, home=home if len(home) == work.amount else (), bound_first=scheduled,
            lasts=ended - scheduled if known and work.plan.rhythm in ("queue", "batch", "burst") else 0,
        )  # fmt: skip
        stay.ended, stay.gone = ended, gone
        replay.stays.append(stay)
        if ended <= replay.since or scheduled <= replay.since:
            stay.scheduled = scheduled
            stay.init_there, stay.there = int(pods.init_there[row]), int(pods.there[row])
            stay.started, stay.ready = int(pods.started[row]), int(pods.ready[row])
            if ended > replay.since and home:
                replay.sit(stay, home)
                replay.later(ended, replay.ends(stay), rank=0)
            elif not slots:
                stay.host = None
        elif created <= replay.since:
            replay.comes(stay, created)
        else:
            replay.later(created, lambda now, one=stay: replay.comes(one, now))  # type: ignore[misc]
        if scheduled > replay.since and scheduled < NEVER:
            replay.later(scheduled, lambda _now: replay.try_again())
