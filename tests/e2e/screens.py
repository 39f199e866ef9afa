"""Pictures of the console: into docs/images when SCREENSHOTS=1, otherwise nowhere."""

import os
from pathlib import Path

from tests.e2e.browser import Tab

FOLDER = Path(__file__).parents[2] / "docs" / "images"


def shoot(tab: Tab, name: str) -> None:
    """What the reader sees now, once fonts are there and nothing moves."""
    if os.environ.get("SCREENSHOTS") != "1":
        return
    tab.page.evaluate("document.fonts.ready")
    tab.page.mouse.move(0, 0)
    tab.page.wait_for_timeout(400)  # sliders of toggles and fades of charts
    FOLDER.mkdir(parents=True, exist_ok=True)
    tab.page.screenshot(path=FOLDER / f"{name}.png", animations="disabled", caret="hide")
