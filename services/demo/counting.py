"""What counters of the gateway and its engines gained: the gateway's traffic, as the exporters would have told it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from services.demo import engines, mesh
from services.demo.gateway_counts import TYPICAL_S, Counts
from services.demo.gateway_traffic import Answered, Traffic, full_rps
from services.demo.lanes import RUN
from services.demo.names import pod_names
from services.demo.noise import Floats, Ints
from services.demo.reaction import seen
from services.demo.world import World, seconds
from services.domain import frames
from services.domain.counters import Counter


@dataclass(frozen=True)
class Steps:
    """Steps by their ``ends``, the ``minutes`` in them that are over (their begins), and the step of each."""

    ends: Sequence[datetime]
    minutes: Ints
    step: Ints

    @classmethod
    def of(cls, ends: Sequence[datetime], step: timedelta, last: int) -> "Steps":
        """Steps of one length; minutes that end after ``last`` are not over."""
        length = int(step.total_seconds())
        begin = seconds(ends[0]) - length if ends else 0
        minutes = np.arange(begin, min(seconds(ends[-1]) if ends else 0, last), 60, dtype=np.int64)
        return cls(ends, minutes, (minutes - begin) // length)

    def sums(self, part: Ints, values: Floats) -> Floats:
        """Values at some of the minutes summed over each step."""
        return np.asarray(np.bincount(self.step[part], values, len(self.ends)), np.float64)


class Replica(NamedTuple):
    """A pod of a served model: 1 in minutes in which it is ``ready``, and requests a second it is ``full`` at."""

    cluster: str
    namespace: str
    pod: str
    ready: Floats
    full: float


class Counting:
    """Counters of one cluster of the world over some steps."""

    def __init__(self, world: World, cluster: str, steps: Steps) -> None:
        self._world, self._cluster, self._steps = world, cluster, steps
        self._until = int(steps.minutes[-1]) + 60
        self._known: dict[str, dict[tuple[str, str], Floats]] = {}

    def grown(self, counter: Counter) -> pd.DataFrame:
        """What a counter gained, where it has a series; nobody works out prices of nodes."""
        if counter.id.startswith("gateway_"):
            return self._table(counter, self._gateway(counter.id))
        if counter.id.startswith("fallback_"):
            return self._table(counter, self._fallbacks(counter.id.removeprefix("fallback_")))
        if counter.id == "budget_provider_left":
            return self._table(counter, self._budgets())
        if counter.id.startswith("engine_"):
            return self._table(counter, self._engines(counter.id))
        if counter.id.startswith("serving_"):
            return self._table(counter, self._serving(counter))
        if counter.id.startswith("mesh_"):
            return self._table(counter, self._mesh(counter))
        return frames.empty(counter.columns)

    def _mesh(self, counter: Counter) -> dict[tuple[str, ...], tuple[Floats, Floats]]:
        """By upstream, or by host and how requests ended; a level is its mean over each step."""
        minutes, rows = self._steps.minutes, dict[tuple[str, ...], tuple[Floats, Floats]]()
        everywhere = np.arange(len(minutes))
        there = self._steps.sums(everywhere, np.ones(len(minutes)))
        for plan in self._world.scenario.gateways:
            if plan.cluster == self._cluster:
                for names, values in mesh.counted(self._world, plan, counter.id, minutes, self._until).items():
                    sums = self._steps.sums(everywhere, values)
                    _add(rows, names, sums / np.maximum(there, 1) if counter.gauge else sums, there)
        return rows

    def _table(self, counter: Counter, rows: dict[tuple[str, ...], tuple[Floats, Floats]]) -> pd.DataFrame:
        """Rows of the steps in which there was something to count: by dimensions, the sums and whether there was."""
        seen_at = [np.flatnonzero(there) for _, there in rows.values()]
        if not sum(len(at) for at in seen_at):
            return frames.empty(counter.columns)
        ends = pd.DatetimeIndex(list(self._steps.ends)).as_unit("us")
        when, *dimensions, value = counter.columns
        lengths = [len(at) for at in seen_at]
        frame = pd.DataFrame({when: ends[np.concatenate(seen_at)]})
        for place, name in enumerate(dimensions):
            frame[name] = np.repeat(np.array([labels[place] for labels in rows], object), lengths)
        frame[value] = np.concatenate([values[at] for (values, _), at in zip(rows.values(), seen_at, strict=True)])
        return frames.conform(frame.sort_values([when, *dimensions], ignore_index=True), counter.columns)

    def _gateway(self, counter: str) -> dict[tuple[str, ...], tuple[Floats, Floats]]:
        """By group, model, provider, team and key."""
        rows: dict[tuple[str, ...], tuple[Floats, Floats]] = {}
        for plan in self._world.scenario.gateways:
            if plan.cluster == self._cluster:
                for one in Traffic(self._world, plan, self._until).answered(self._steps.minutes):
                    names = one.by.group, _model(one), one.by.provider
                    for team, key, requests in _callers(one):
                        amount = self._steps.sums(one.part, requests * _each(counter, one))
                        _add(rows, (*names, team, key), amount, self._steps.sums(one.part, requests))
        return rows

    def _fallbacks(self, counter: str) -> dict[tuple[str, ...], tuple[Floats, Floats]]:
        """By the labels each of these counters has."""
        rows: dict[tuple[str, ...], tuple[Floats, Floats]] = {}
        for plan in self._world.scenario.gateways:
            if plan.cluster == self._cluster:
                counts = Counts(plan, Traffic(self._world, plan, self._until), self._steps.minutes)
                for count in getattr(counts, "by_replica" if counter == "replica_answers" else counter)():
                    _add(rows, count.labels, self._steps.sums(count.part, count.values), self._everywhere)
        return rows

    def _budgets(self) -> dict[tuple[str, ...], tuple[Floats, Floats]]:
        """What is left of each provider's budget at the end of the last step; nobody asks for more."""
        rows: dict[tuple[str, ...], tuple[Floats, Floats]] = {}
        for plan in self._world.scenario.gateways:
            if plan.cluster == self._cluster:
                left = Counts(plan, Traffic(self._world, plan, self._until), self._steps.minutes).budgets()
                for name, usd in left.items():
                    rows[name,] = np.full(len(self._steps.ends), usd), self._everywhere
        return rows

    @property
    def _everywhere(self) -> Floats:
        """1 or more in every step that has a minute."""
        return self._steps.sums(np.arange(len(self._steps.minutes)), np.ones(len(self._steps.minutes)))

    def _engines(self, counter: str) -> dict[tuple[str, ...], tuple[Floats, Floats]]:
        """By model, namespace and pod: ready replicas share what their workload is sent equally."""
        rows: dict[tuple[str, ...], tuple[Floats, Floats]] = {}
        everywhere = np.arange(len(self._steps.minutes))
        for (workload, model), tokens in self._sent(counter).items():
            replicas = list(self._replicas(workload))
            each = tokens / np.maximum(np.sum([one.ready for one in replicas], axis=0), 1)
            for one in replicas:
                if one.cluster == self._cluster:
                    there = self._steps.sums(everywhere, one.ready)
                    _add(rows, (model, one.namespace, one.pod), self._steps.sums(everywhere, each * one.ready), there)
        return rows

    def _serving(self, counter: Counter) -> dict[tuple[str, ...], tuple[Floats, Floats]]:
        """By model, namespace and pod, and of times by their upper bound; a level as its counter wants it."""
        name = counter.id.removeprefix("serving_")
        if name.endswith("_tokens"):
            return self._engines(counter.id)
        rows: dict[tuple[str, ...], tuple[Floats, Floats]] = {}
        needed = ("requests", "engine_completion_tokens", "request_seconds")
        sent = {each: self._sent(each) for each in (needed if name in engines.OF_TOKENS else needed[:1])}
        for served, requests in sent["requests"].items():
            if name in engines.OF_TOKENS and not sent["engine_completion_tokens"][served].any():
                continue
            replicas = list(self._replicas(served[0]))
            ready = np.maximum(np.sum([one.ready for one in replicas], axis=0), 1)
            each = requests / ready
            for one in (one for one in replicas if one.cluster == self._cluster):
                load, labels = engines.of_room(each, one.full), (served[1], one.namespace, one.pod)
                if name in engines.BOUNDS:
                    for bound, values in _timed(name, load, ready, *(sent[each][served] for each in needed)):
                        self._replica(rows, (*labels, bound), values, one.ready)
                elif counter.gauge:
                    self._replica(rows, labels, engines.level(name, load), one.ready, counter.level)
                else:
                    values = each if name == "finished" else engines.preemptions(load)
                    self._replica(rows, labels, values, one.ready)
        return rows

    def _replica(
        self,
        rows: dict[tuple[str, ...], tuple[Floats, Floats]],
        labels: tuple[str, ...],
        values: Floats,
        ready: Floats,
        level: str = "",
    ) -> None:
        """Add a row: the sum of each step, or its mean or peak over the minutes in which the replica was ready."""
        everywhere = np.arange(len(ready))
        there, amount = self._steps.sums(everywhere, ready), self._steps.sums(everywhere, values * ready)
        if level == "mean":
            amount = amount / np.maximum(there, 1)
        elif level == "peak":
            amount = np.zeros(len(self._steps.ends))
            np.maximum.at(amount, self._steps.step, values * ready)
        rows[labels] = amount, there

    def _sent(self, counter: str) -> dict[tuple[str, str], Floats]:
        """What each workload and model on own GPUs was sent, minute by minute: tokens of a counter, or requests."""
        if counter in self._known:
            return self._known[counter]
        minutes = self._steps.minutes
        sent: dict[tuple[str, str], Floats] = {}
        for plan in self._world.scenario.gateways:
            traffic = Traffic(self._world, plan, self._until)
            for one in traffic.answered(minutes):
                if one.by.self_hosted:
                    tokens = sent.setdefault((traffic.upstream(one.by), _model(one)), np.zeros(len(minutes)))
                    tokens[one.part] += one.requests * _each(counter, one)
        self._known[counter] = sent
        return sent

    def _replicas(self, workload: str) -> Iterator[Replica]:
        """Pods of a served language model."""
        minutes = self._steps.minutes
        for site in (seen(one, self._until) for one in self._world.sites.values()):
            works = {work.index: work for work in site.works if work.plan.llm and work.plan.name == workload}
            pods = site.pods(int(minutes[0]), int(minutes[-1]))
            pods = pods.where(np.isin(pods.work, list(works)) & (pods.fate == RUN))
            ended = np.maximum(pods.ended, pods.ready)
            for name, index, begin, end in zip(
                pod_names(site, pods), pods.work.tolist(), pods.ready.tolist(), ended.tolist(), strict=True
            ):
                ready = ((minutes >= begin) & (minutes < end)).astype(np.float64)
                yield Replica(site.name, works[index].namespace, name, ready, full_rps(works[index]))


def _timed(
    name: str, load: Floats, ready: Floats, requests: Floats, tokens: Floats, length_s: Floats
) -> Iterator[tuple[str, Floats]]:
    """What a replica's histogram gains: requests or their tokens, by upper bound."""
    whole = np.maximum(requests, 1.0)
    middle = engines.typical(name, load, length_s / whole, tokens / whole)
    yield from engines.buckets(name, middle, np.round((requests if name == "first_token" else tokens) / ready))


def _callers(one: Answered) -> Iterator[tuple[str, str, Floats]]:
    """Team, key and whole requests of each caller; together they are all."""
    shares = np.cumsum([caller.share for caller in one.asked.callers])
    bounds = np.round(np.outer(shares / shares[-1], one.requests))
    parts = np.diff(bounds, axis=0, prepend=0.0)
    for caller, requests in zip(one.asked.callers, parts, strict=True):
        yield caller.team, caller.key, requests


def _each(counter: str, one: Answered) -> Floats:
    """What one request adds to a counter, minute by minute. LiteLLM counts 0 US dollars where it knows no price."""
    if counter.endswith("_prompt_tokens"):
        return one.prompt
    if counter.endswith("_completion_tokens"):
        return one.completion
    if counter == "request_seconds":
        return np.full(len(one.part), TYPICAL_S.get(one.asked.group, 2.0))
    if counter == "gateway_spend":
        return one.usd
    return np.ones(len(one.part))


def _model(one: Answered) -> str:
    """The deployment's model as the provider calls it, and as the engine does."""
    return one.by.model.removeprefix(f"{one.by.provider}/")


def _add(
    rows: dict[tuple[str, ...], tuple[Floats, Floats]], names: tuple[str, ...], amount: Floats, there: Floats
) -> None:
    before = rows.get(names)
    rows[names] = (amount, there) if before is None else (before[0] + amount, before[1] + there)
