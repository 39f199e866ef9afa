import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from streamlit import config

from tests import image

ROOT = Path(__file__).parents[2]
LAST = image.stages()[-1]
UNIMPORTED = {"orjson"}
"""Used without an import of ours: Plotly writes figures with orjson."""


def pins(name: str) -> dict[str, str]:
    """Distribution → version of a requirements file; the file's own rules are checked on the way."""
    found = {}
    for line in (ROOT / name).read_text().splitlines():
        if line.strip().startswith(("#", "-r ")) or not line.strip():
            continue
        match = re.fullmatch(r"([a-z0-9][a-z0-9._-]*)==([0-9][\w.+!]*)( ; [a-z_]+ .*)?", line)
        assert match, f"{name}: not a plain pin: {line}"
        found[match[1]] = match[2]
    return found


def wanted(name: str) -> list[str]:
    """Names in a .in file, as distributions are normalised."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith(("#", "-"))]
    return [re.split(r"[=\[<>~ ]", line)[0].replace(".", "-").lower() for line in lines]


@pytest.mark.parametrize("name", ["requirements.txt", "tests/requirements.txt"])
def test_requirements_are_pins_without_addresses(name: str) -> None:
    assert pins(name)
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "--" not in text


def test_everything_asked_for_is_pinned() -> None:
    assert set(wanted("requirements.in")) <= set(pins("requirements.txt"))
    assert set(wanted("tests/requirements.in")) <= set(pins("tests/requirements.txt"))


def test_tests_run_with_the_versions_of_the_product() -> None:
    assert "-r ../requirements.txt" in (ROOT / "tests/requirements.txt").read_text().splitlines()
    product, tools = pins("requirements.txt"), pins("tests/requirements.txt")
    assert {name: tools[name] for name in product.keys() & tools.keys()} == {
        name: product[name] for name in product.keys() & tools.keys()
    }


def imported() -> set[str]:
    """Distributions the product imports."""
    files = [ROOT / "app.py", ROOT / "asgi.py"]
    files += [path for package in ("pages", "services", "db") for path in (ROOT / package).rglob("*.py")]
    names = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    names -= {"app", "asgi", "pages", "services", "db", "pydantic_core"} | set(sys.stdlib_module_names)
    known = packages_distributions()
    return {known[name][0].replace(".", "-").lower() for name in names}


def test_what_is_imported_is_required_and_what_is_required_is_imported() -> None:
    assert imported() == set(wanted("requirements.in")) - UNIMPORTED


def test_the_image_copies_only_what_exists() -> None:
    sources = [source for stage in image.stages() for copied, _ in stage.copies() for source in copied]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert {"app.py", "asgi.py", "pages", "services", "db", ".streamlit/config.toml"} <= set(sources)


def test_the_build_context_holds_what_the_image_copies_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    assert let_in == {source for stage in image.stages() for copied, _ in stage.copies() for source in copied}


def test_the_base_is_an_exact_version() -> None:
    bases = {stage.base for stage in image.stages()}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", bases.pop())


def test_the_image_runs_as_nobody_special_and_keeps_its_data_in_a_volume() -> None:
    (user,) = LAST.all("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert LAST.all("VOLUME") == ["/data"]
    environment = LAST.environment()
    assert environment["GFC_DATA_DIR"] == "/data"
    assert environment["HOME"] == "/home/console"
    assert environment["STREAMLIT_SERVER_ADDRESS"] == "0.0.0.0"
    assert [word for word, _ in LAST.steps].index("USER") > [word for word, _ in LAST.steps].index("RUN")


def test_the_image_starts_what_make_run_starts_and_receives_signals() -> None:
    assert image.command() == ["streamlit", "run", "asgi.py"]
    assert "$(BIN)/streamlit run asgi.py" in (ROOT / "Makefile").read_text()


def test_health_is_asked_by_python_and_is_valid_code() -> None:
    (check,) = LAST.all("HEALTHCHECK")
    program = json.loads(check[check.index("[") :])
    assert program[:2] == ["python", "-c"]
    compile(program[2], "health", "exec")


def test_no_secret_and_no_machine_is_written_into_the_image() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"(?i)password|secret|token|index-url|find-links", text)
    assert not LAST.all("ARG")


def test_dependencies_are_laid_before_the_code() -> None:
    words = [rest for word, rest in LAST.steps if word == "COPY"]
    assert words[0].startswith("--from=dependencies")


def test_every_streamlit_option_exists() -> None:
    written = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())
    unknown = []

    def look(section: str, values: dict) -> None:
        known = {key.rsplit(".", 1)[-1] for key in config.get_options_for_section(section)}
        for key, value in values.items():
            if isinstance(value, dict):
                look(f"{section}.{key}", value)
            elif key not in known:
                unknown.append(f"{section}.{key}")

    for section, values in written.items():
        look(section, values)
    assert unknown == []


def test_streamlit_reads_its_configuration_without_complaint() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "streamlit", "config", "show"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "not a valid config option" not in shown.stdout + shown.stderr


def luminance(colour: str) -> float:
    """Relative luminance of #RRGGBB, WCAG 2.2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio, 1 to 21, WCAG 2.2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_defined() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21.0)
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_text_and_controls_can_be_read_in_both_themes(name: str) -> None:
    theme = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["theme"][name]
    backgrounds = [theme["backgroundColor"], theme["secondaryBackgroundColor"], theme["sidebar"]["backgroundColor"]]
    assert contrast(theme["primaryColor"], "#FFFFFF") >= 4.5
    assert all(contrast(theme["textColor"], background) >= 7 for background in backgrounds)
    assert all(contrast(theme["linkColor"], background) >= 4.5 for background in backgrounds)
    assert all(contrast(theme["primaryColor"], background) >= 3 for background in backgrounds)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_chart_colours_are_as_many_as_needed_and_different(name: str) -> None:
    theme = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["theme"][name]
    assert len(theme["chartSequentialColors"]) == len(set(theme["chartSequentialColors"])) == 10
    assert len(theme["chartCategoricalColors"]) == len(set(theme["chartCategoricalColors"])) == 8
    shades = [luminance(colour) for colour in theme["chartSequentialColors"]]
    assert shades in (sorted(shades), sorted(shades, reverse=True))


def test_ci_runs_the_two_targets_and_nothing_else() -> None:
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    code = [line for line in lines if line and not line.startswith("#")]
    assert code == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "make check", "make test"]
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
