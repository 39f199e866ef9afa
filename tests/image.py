"""The Dockerfile, read as far as it can be followed without an engine."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Stage:
    """One FROM: its base, its name and its instructions in order, each split into word and rest."""

    base: str
    name: str
    steps: tuple[tuple[str, str], ...]

    def all(self, word: str) -> list[str]:
        """What follows each instruction of that word."""
        return [rest for found, rest in self.steps if found == word]

    def environment(self) -> dict[str, str]:
        """The variables the stage sets."""
        return {name: value.strip('"') for rest in self.all("ENV") for name, value in re.findall(r"(\w+)=(\S+)", rest)}

    def copies(self) -> list[tuple[tuple[str, ...], str]]:
        """Sources and target of each COPY from the build context."""
        words = [rest.split() for rest in self.all("COPY") if "--from=" not in rest]
        return [(tuple(each[:-1]), each[-1]) for each in words]


def stages() -> list[Stage]:
    """The stages of the Dockerfile, in order."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found: list[tuple[str, str, list[tuple[str, str]]]] = []
    for line in lines:
        word, rest = line.split(maxsplit=1)
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append((base, name, []))
        else:
            found[-1][2].append((word, rest))
    return [Stage(base, name, tuple(steps)) for base, name, steps in found]


def copied_to(folder: Path) -> None:
    """Lay the files the image holds into a folder, as its COPY instructions do."""
    for sources, target in stages()[-1].copies():
        for source in sources:
            place = folder / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
                continue
            place = place / Path(source).name if target.endswith("/") else place
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / source, place)


def command() -> list[str]:
    """What the image runs."""
    (last,) = stages()[-1].all("CMD")
    words: list[str] = json.loads(last)
    return words
