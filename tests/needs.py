"""System components tests need: skipped with a reason where one is missing, a failure with CI=true."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

_PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    "postgres": "postgresql",
    "initdb": "postgresql",
}
"""Binary → Debian package, for the reason; `make test` installs them on Debian as root."""


def need(binary: str) -> str:
    """The path of a system binary; skips the test when it is missing, or fails it with CI=true."""
    found = shutil.which(binary) or _beside_postgresql(binary)
    return found or missing(f"{binary} is not installed (Debian package {_PACKAGES.get(binary, binary)})")


def missing(reason: str) -> NoReturn:
    """Skip the test for a missing component, or fail it with CI=true."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI needs every component: {reason}", pytrace=False)
    pytest.skip(reason)


def _beside_postgresql(binary: str) -> str | None:
    """Debian keeps the server's binaries of each version in a folder of their own, off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{binary}"))
    return str(found[-1]) if found else None
