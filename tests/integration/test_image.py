import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import image, serving

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the image holds."""
    made = tmp_path_factory.mktemp("image")
    image.copied_to(made)
    return made


@pytest.fixture(scope="module")
def console(folder: Path) -> Iterator[serving.Served]:
    """The image's command, running in that folder with a clean environment."""
    with serving.serving(folder, image.command(), {"GFC_DATA_DIR": str(folder / "volume")}) as served:
        yield served


def test_the_console_is_healthy_and_serves_its_page(console: serving.Served) -> None:
    status, _, text = console.get("/_stcore/health")
    assert (status, text) == (200, "ok")
    status, kind, text = console.get("/")
    assert (status, kind) == (200, "text/html")
    assert "<title>" in text


def test_the_script_runs_without_error(console: serving.Served) -> None:
    status, _, text = console.get("/_stcore/script-health-check")
    assert (status, text) == (200, "ok"), console.log.read_text()


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1/nodes"])
def test_an_unknown_api_path_answers_with_a_problem(console: serving.Served, path: str) -> None:
    status, kind, text = console.get(path)
    assert (status, kind) == (404, "application/problem+json")
    assert json.loads(text)["title"] == "Not Found"


def test_the_embedded_database_lies_in_the_volume(console: serving.Served, folder: Path) -> None:
    assert [path.name for path in (folder / "volume").glob("*.sqlite3")] == ["gpu-fleet-console.sqlite3"]


def test_the_health_check_of_the_image_is_content(console: serving.Served, folder: Path) -> None:
    (check,) = image.stages()[-1].all("HEALTHCHECK")
    program = json.loads(check[check.index("[") :])
    port = console.url.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, *program[1:]], env=serving.environment(folder, {"STREAMLIT_SERVER_PORT": port}), check=False
    )
    assert done.returncode == 0


def test_a_signal_ends_the_console_in_order(folder: Path) -> None:
    with serving.serving(folder, image.command(), {"GFC_DATA_DIR": str(folder / "other")}) as served:
        pass
    assert served.process.returncode in {0, -15}
    assert "Traceback" not in served.log.read_text()


@pytest.mark.parametrize("command", [["streamlit", "run", "asgi.py"], [sys.executable, "-m", "db.migrate"]])
def test_a_wrong_setting_stops_the_start_with_one_sentence_and_code_2(folder: Path, command: list[str]) -> None:
    variables = {"GFC_PROMETEUS_URL": "x", "STREAMLIT_SERVER_PORT": str(serving.free_port())}
    done = subprocess.run(
        command, cwd=folder, env=serving.environment(folder, variables), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "GFC_PROMETEUS_URL is not a setting; expected GFC_PROMETHEUS_URL perhaps.\n"


def test_a_data_folder_that_cannot_be_created_stops_the_start_the_same_way(folder: Path) -> None:
    variables = {"GFC_DATA_DIR": str(folder / "LICENSE" / "data"), "STREAMLIT_SERVER_PORT": str(serving.free_port())}
    done = subprocess.run(
        image.command(),
        cwd=folder,
        env=serving.environment(folder, variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("GFC_DATA_DIR is ")
    assert "Traceback" not in done.stderr
