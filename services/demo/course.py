"""The course of a pod's start after it was bound: instants from how long each step lasts and what its node holds."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from services.demo.lanes import RUN, Pods
from services.demo.lives import NEVER
from services.demo.noise import Ints
from services.demo.recipes import Bools, Steps

if TYPE_CHECKING:
    from services.demo.world import Site

_REPEATED_S = 1  # a pull of an image that another pull has just brought


class Course(NamedTuple):
    """Instants in seconds since the epoch, one entry a pod; NEVER for what does not happen.

    A pull is wanted at ``init_pull`` and ``pull``, the one that succeeds begins at ``*_tried`` (others came first, or
    one failed) and ends at ``*_pulled``. Without an init container its instants are those of the sandbox.
    """

    attached: Ints  # volumes
    sandbox: Ints
    init_pull: Ints
    init_tried: Ints
    init_pulled: Ints
    init_started: Ints
    init_done: Ints
    pull: Ints
    tried: Ints
    pulled: Ints
    first: Ints  # the container's first run
    started: Ints  # the run that becomes ready
    loaded: Ints
    ready: Ints


def to_pull(steps: Steps, scheduled: Ints, init_there: Ints) -> Ints:
    """When pods want their own image."""
    return _before_pull(steps, scheduled, init_there).done


def course(steps: Steps, scheduled: Ints, init_there: Ints, there: Ints) -> Course:
    """The course of pods that run. ``init_there`` and ``there``: see :class:`services.demo.lanes.Pods`."""
    attached, sandbox, init_tried, init_pulled, init_started, done = _before_pull(steps, scheduled, init_there)
    tried, pulled = _pulled(done, steps.pull, there, steps.stall, steps.asks)
    first = pulled + steps.create
    started = first + np.where(steps.crash > 0, steps.crash + 1, 0)
    loaded = np.where(steps.never, NEVER, started + steps.load)
    ready = np.where(steps.never, NEVER, loaded + steps.readiness)
    return Course(
        attached, sandbox, sandbox, init_tried, init_pulled, init_started, done, done, tried, pulled, first, started,
        loaded, ready,
    )  # fmt: skip


def sandboxes(steps: Steps, scheduled: Ints) -> Ints:
    """When pods have a sandbox and want the image of their init container."""
    return np.asarray(scheduled + steps.volume + steps.sandbox)


class _Before(NamedTuple):
    attached: Ints
    sandbox: Ints
    tried: Ints
    pulled: Ints
    started: Ints
    done: Ints


def _before_pull(steps: Steps, scheduled: Ints, init_there: Ints) -> _Before:
    attached = scheduled + steps.volume
    sandbox = attached + steps.sandbox
    tried, pulled = _pulled(sandbox, steps.init_pull, init_there, steps.sandbox * 0, steps.sandbox * 0)
    started = pulled + 1
    done = started + steps.init
    tried, pulled, started, done = (np.where(steps.has_init, at, sandbox) for at in (tried, pulled, started, done))
    return _Before(attached, sandbox, tried, pulled, started, done)


def _pulled(wanted: Ints, lasts: Ints, there: Ints, stall: Ints, asks: Ints) -> tuple[Ints, Ints]:
    own, waits = there >= NEVER, there > wanted
    tried = np.where(own, wanted + stall, np.where(waits, there, wanted))
    return tried, tried + np.where(own, lasts, np.where(waits, _REPEATED_S, asks))


def courses(site: "Site", pods: Pods) -> tuple[Course, Steps]:
    """The courses of pods, and the steps they are made of."""
    steps = site.recipes.steps(pods.work, pods.key, pods.created, zones(site, pods.lane))
    found = course(steps, pods.scheduled, pods.init_there, pods.there)
    bound = pods.scheduled < NEVER
    runs: Bools = bound & (pods.fate == RUN)
    known = ("attached", "sandbox")
    return Course(
        *(np.where(bound if name in known else runs, at, NEVER) for name, at in zip(Course._fields, found, strict=True))
    ), steps


def zones(site: "Site", lanes: Ints) -> Ints:
    """Numbers of the zones of the nodes that lanes are on; 0 for a lane that is on none."""
    nodes = site.lane_nodes[lanes]
    return np.where(nodes >= 0, site.node_zones[np.maximum(nodes, 0)], 0)
