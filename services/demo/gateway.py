"""The world's gateway as :class:`services.ports.Gateway`: what its pods loaded, and who answered whom."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from services.demo.gateway_plan import GatewayPlan
from services.demo.gateway_rollout import InForce, rollouts
from services.demo.gateway_traffic import Traffic, deployment_id, loaded
from services.demo.reaction import seen
from services.demo.world import World
from services.domain import frames, litellm
from services.domain.fallback import TRAFFIC
from services.domain.litellm import Deployment
from services.domain.litellm.rehearsal import ANSWER_TOKENS, FLAGS, MOCKS_REFUSED, NORMAL, PROMPT_TOKENS, way
from services.domain.window import Window
from services.errors import SourceUnavailable
from services.ports import Answered, Routing, SourceStatus, Tier, Trial

SOURCE = "litellm"


class DemoGateway:
    """One cluster's LiteLLM proxy. It runs the text of its last finished rollout, whatever the ConfigMap says since."""

    def __init__(self, world: World, plan: GatewayPlan, clock: Callable[[], datetime]) -> None:
        self._world, self._plan, self._clock = world, plan, clock

    def routing(self) -> Routing:
        """What the pods loaded at their start. Raises SourceUnavailable when there is none."""
        running = self._running()
        if running.text is None:
            raise self._away()
        config = loaded(running.text)
        most = config.numbers.get("max_fallbacks")
        return Routing(
            version=self._plan.version,
            tiers=tuple(self._tier(one) for one in config.deployments),
            fallbacks=config.in_force("fallbacks"),
            context_window_fallbacks=config.in_force("context_window_fallbacks"),
            content_policy_fallbacks=config.in_force("content_policy_fallbacks"),
            default_fallbacks=config.default_fallbacks,
            max_fallbacks=None if most is None else int(most),
            since=datetime.fromtimestamp(running.since, UTC),
        )

    def traffic(self, window: Window) -> pd.DataFrame:
        """Requests and spend of the window's minutes, up to the clock; frame :data:`TRAFFIC`.

        What the counters must agree with; nothing but tests asks for it.
        """
        ends = min(int(window.end.timestamp()), self._now())
        minutes = np.arange(-(-int(window.start.timestamp()) // 60) * 60, ends - 59, 60, dtype=np.int64)
        return frames.table(TRAFFIC, Traffic(self._world, self._plan, ends).rows(minutes))

    def send(self, trial: Trial) -> Answered:
        """The first deployment on the request's way that has room this minute answers. Raises SourceUnavailable."""
        running = self._running()
        if running.text is None:
            raise self._away()
        config = loaded(running.text)
        if trial.flags and not config.mocks:
            return Answered("", "", 400, MOCKS_REFUSED)
        mode = next(mode for mode, flags in FLAGS.items() if flags == trial.flags)
        traffic, minute = Traffic(self._world, self._plan, self._now()), np.array([self._now() // 60 * 60])
        room = traffic.room(minute)
        hops = 0 if mode == NORMAL else 1
        for stop in way(config, trial.group, mode):
            one = next(one for one in config.of(stop.group) if one.key == stop.key)
            if room.get(traffic.upstream(one), np.ones(1))[0] >= 1:
                usd = PROMPT_TOKENS * (one.input_usd or 0.0) + ANSWER_TOKENS * (one.output_usd or 0.0)
                seconds = 0.3 + 0.1 * hops
                return Answered(deployment_id(one), one.group, 200, "", min(hops, 1), 0, usd, seconds)
            hops += 1
        return Answered("", "", 503, "ServiceUnavailableError")

    def probe(self) -> SourceStatus:
        """Reachable while it has a pod."""
        reachable = self._running().text is not None
        return SourceStatus(
            source=SOURCE,
            address=f"demo://{self._plan.cluster}/{self._plan.deployment}",
            reachable=reachable,
            latency_s=0.0 if reachable else None,
            version=f"{self._plan.version} (demo)" if reachable else "",
            newest_at=datetime.fromtimestamp(self._now(), UTC) if reachable else None,
            message="" if reachable else f"LiteLLM of {self._plan.cluster} cannot be reached.",
            hint="" if reachable else "Check that its Deployment has pods.",
        )

    def close(self) -> None:
        """Nothing to release."""

    def _away(self) -> SourceUnavailable:
        return SourceUnavailable(
            SOURCE,
            f"LiteLLM of {self._plan.cluster} cannot be reached.",
            hint="Check that its Deployment has pods.",
        )

    def _now(self) -> int:
        return int(self._clock().timestamp())

    def _running(self) -> InForce:
        now = self._now()
        played = rollouts(seen(self._world.sites[self._plan.cluster], now), now)
        return played.now(now) if played is not None else InForce(now, None)

    def _tier(self, one: Deployment) -> Tier:
        name = one.base.removeprefix("os.environ/")
        return Tier(
            id=deployment_id(one),
            group=one.group,
            model=one.model,
            order=one.order,
            weight=one.weight,
            blocked=one.blocked,
            provider=one.provider,
            base=litellm.host(self._plan.variables.get(name, "")) if name != one.base else one.base,
            input_usd=one.input_usd,
            output_usd=one.output_usd,
        )
