"""A real Prometheus on data of our own: OpenMetrics text is written into blocks, and the server is started on them."""

import contextlib
import math
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from tests.needs import need

DATA = Path(__file__).parents[1] / "data"

TARGET = {"namespace": "gpu-operator", "pod": "nvidia-dcgm-exporter-x7k2p", "container": "exporter"}
"""Labels of the exporter's own pod, which the scrape configuration adds."""

_LINE = re.compile(r"^(\w+)\{(.*)\}\s+(\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Series:
    """One series: a constant, or a function of time that gives None where it has no sample."""

    name: str
    labels: Mapping[str, str]
    value: float | Callable[[datetime], float | None]

    def at(self, instant: datetime) -> float | None:
        return self.value(instant) if callable(self.value) else self.value

    def labelled(self, **labels: str) -> "Series":
        return replace(self, labels={**self.labels, **labels})


def sample(name: str) -> list[Series]:
    """The series of a file in tests/data/dcgm, as the exporter prints them."""
    series = []
    for line in (DATA / "dcgm" / f"{name}.prom").read_text().splitlines():
        match = _LINE.match(line)
        if match:
            series.append(Series(match[1], dict(_LABEL.findall(match[2])), float(match[3])))
    return series


def scraped(
    series: Iterable[Series], *, honor: bool = False, job: str = "dcgm-exporter", instance: str = "10.0.0.1:9400"
) -> list[Series]:
    """What Prometheus stores of a scrape: target labels added, conflicts settled as ``honor_labels`` says."""
    target = {**TARGET, "job": job, "instance": instance}
    stored = []
    for one in series:
        own = {name: value for name, value in one.labels.items() if value}
        if honor:
            labels = {**target, **own}
        else:
            moved = {f"exported_{name}" if name in target else name: value for name, value in own.items()}
            labels = {**target, **moved}
        stored.append(replace(one, labels=labels))
    return stored


def openmetrics(series: Iterable[Series], start: datetime, end: datetime, step: timedelta) -> str:
    """OpenMetrics text with a sample of each series at start, start + step, … end."""
    by_name: dict[str, list[Series]] = {}
    for one in series:
        by_name.setdefault(one.name, []).append(one)
    instants = [start + step * number for number in range((end - start) // step + 1)]
    lines = []
    for name, members in by_name.items():
        lines.append(f"# TYPE {name} gauge")
        for one in members:
            labels = ",".join(f'{label}="{_escaped(value)}"' for label, value in one.labels.items() if value)
            lines += [
                f"{name}{{{labels}}} {_number(value)} {instant.timestamp():.0f}"
                for instant in instants
                if (value := one.at(instant)) is not None
            ]
    return "\n".join([*lines, "# EOF", ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[repr(value)]


def backfill(file: Path, into: Path) -> None:
    """OpenMetrics text written as blocks a server can open."""
    subprocess.run(
        [need("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(file), str(into)],
        check=True,
        capture_output=True,
        timeout=120,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def prometheus(folder: Path, *, lookback: str = "59s", config: str = "global: {}\n") -> Iterator[str]:
    """A server on the blocks in ``folder``; its URL. Ended, by its handle, when the block is left.

    Blocks hold no staleness markers, so the default lookback is just shorter than the samples' distance.
    """
    program, port = need("prometheus"), free_port()
    (folder / "prometheus.yml").write_text(config)
    with (folder / "prometheus.log").open("wb") as log:
        server = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder}",
                "--storage.tsdb.retention.time=50y",
                f"--web.listen-address=127.0.0.1:{port}",
                f"--query.lookback-delta={lookback}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: ready(f"http://127.0.0.1:{port}/-/ready", server), "Prometheus is ready", seconds=60)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)


def ready(url: str, server: "subprocess.Popen[bytes]") -> bool:
    if server.poll() is not None:
        raise RuntimeError("Prometheus ended at once")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_until(true: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Wait for something outside; fails by name when it does not come."""
    ends = time.monotonic() + seconds
    while not true():
        if time.monotonic() > ends:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.05)
