"""Typed settings, read once at start from the environment and one optional file.

:func:`load` answers with a frozen :class:`Settings` or raises ``WrongSetting`` with one sentence.
"""

from services.settings.access import (
    ChannelAccess,
    ClusterSettings,
    DemoSettings,
    GatewayAccess,
    KubeAccess,
    MetricsAccess,
    OpenCostAccess,
    ProviderAccess,
    Settings,
)
from services.settings.loading import load

__all__ = [
    "ChannelAccess",
    "ClusterSettings",
    "DemoSettings",
    "GatewayAccess",
    "KubeAccess",
    "MetricsAccess",
    "OpenCostAccess",
    "ProviderAccess",
    "Settings",
    "load",
]
