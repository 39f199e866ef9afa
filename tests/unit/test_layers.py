import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    contract["name"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
LAYERS: list[str] = CONTRACTS["arrows point down"]["layers"]
NOT_PRODUCT = {"services.data"}
"""Folders of data files."""


def modules_of(package: str) -> set[str]:
    """The direct children of a package, modules and packages alike."""
    folder = ROOT / package
    found = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    found |= {path.name for path in folder.iterdir() if path.is_dir() and any(path.rglob("*.py"))} - {"__pycache__"}
    return {f"{package}.{name}" for name in found} - NOT_PRODUCT


def in_layer(layer: str) -> set[str]:
    return {part.strip(" ()") for part in layer.replace("|", ":").split(":")}


USE_CASES = in_layer(LAYERS[2])


def test_every_module_of_services_has_its_layer() -> None:
    placed = {name for layer in LAYERS for name in in_layer(layer)}
    assert modules_of("services") - placed == set(), "add the module to the layers in pyproject.toml"


def test_every_named_layer_exists() -> None:
    named = {name for layer in LAYERS for name in in_layer(layer) if f"({name})" not in layer}
    existing = {"pages", "db"} | modules_of("services")
    assert named - existing == set(), "remove the module from the layers in pyproject.toml"


def test_every_use_case_is_kept_from_the_implementations() -> None:
    kept = set(CONTRACTS["only the runtime chooses implementations"]["source_modules"])
    existing = modules_of("services")
    assert (USE_CASES & existing) | {"pages"} <= kept


def test_only_adapters_may_use_client_libraries() -> None:
    kept = set(CONTRACTS["client libraries live in the adapters"]["source_modules"])
    assert (USE_CASES & modules_of("services")) | {"pages", "db", "services.demo", "services.domain"} <= kept
    assert "services.adapters" not in kept


@pytest.mark.parametrize("package", ["services", "db", "pages"])
def test_every_folder_with_code_is_a_package(package: str) -> None:
    folders = {path.parent for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_no_page_lies_where_streamlit_would_find_it_by_itself() -> None:
    assert [path.name for path in (ROOT / "pages").glob("*.py")] == ["__init__.py"]


def test_files_stay_small_enough_to_read() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for package in ("services", "db", "pages")
        for path in (ROOT / package).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_nobody_catches_everything() -> None:
    """``except:`` and ``except BaseException`` would swallow what ends a page script; raising again is allowed."""
    caught = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in ("services", "db", "pages")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "BaseException"))
        and not isinstance(node.body[-1], ast.Raise)
    ]
    assert caught == []
