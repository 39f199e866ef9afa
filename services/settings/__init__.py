"""Typed settings, read once at start from the environment and one optional file.

:func:`load` answers with a frozen :class:`Settings` or raises ``WrongSetting`` with one sentence.
"""

from services.settings.access import (
    ClusterSettings,
    DemoSettings,
    GatewayAccess,
    KubeAccess,
    MetricsAccess,
    ProviderAccess,
    Settings,
)
from services.settings.loading import load

__all__ = [
    "ClusterSettings",
    "DemoSettings",
    "GatewayAccess",
    "KubeAccess",
    "MetricsAccess",
    "ProviderAccess",
    "Settings",
    "load",
]
