"""Channels of the demo: they take every message and send it nowhere."""

from collections.abc import Mapping

from services.domain.alerts import Channel
from services.domain.findings import Severity
from services.ports import ChannelSource


class Nowhere:
    """A channel that takes messages and sends nothing."""

    def send(self, subject: str, body: str) -> None:
        """Take a message."""


def channels() -> Mapping[str, ChannelSource]:
    """One that is told what is urgent at once, one that is told about money once a day."""
    made = (
        Channel("gpu-ops", place="simulated", least=Severity.CRITICAL),
        Channel("finance", place="simulated", topics=frozenset({"money"}), digest="08:00"),
    )
    return {channel.name: ChannelSource(channel, Nowhere()) for channel in made}
