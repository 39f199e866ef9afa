"""The OpenCost adapter against a server that answers as its ``/assets`` does."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from services.adapters.opencost import OpenCost
from services.errors import Forbidden, Rejected, SourceUnavailable
from services.ports import NODE_PRICES
from services.settings.access import OpenCostAccess
from tests.conftest import NOW

TEN = datetime(2026, 6, 2, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def node(name: str, usd: Any, minutes: Any = 60.0, **more: Any) -> dict[str, Any]:
    """As ``Node.MarshalJSON`` writes it, without the fields nobody reads here."""
    return {
        "type": "Node",
        "properties": {"category": "Compute", "cluster": more.pop("cluster", "cluster-one"), "name": name},
        "labels": {"node_kubernetes_io_instance_type": "p5.48xlarge"},
        "minutes": minutes,
        "GPUHours": 8 * (minutes or 0) / 60,
        "gpuCost": 50.0,
        "gpuCount": 8,
        "totalCost": usd,
        **more,
    }


class Server:
    """Answers each hour's ``/assets`` with ``data``; keeps what was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.data: Any = {}
        self.by_hour: dict[str, Any] = {}
        self.asked: list[str] = []
        self.keys: set[str | None] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                window = parse_qs(parts.query).get("window", [""])[0]
                server.asked.append(f"{parts.path} {window}".strip())
                server.keys.add(self.headers.get("Authorization"))
                body = server.by_hour.get(window, server.data)
                raw = body if isinstance(body, bytes) else json.dumps({"code": 200, "data": body}).encode()
                self.send_response(server.status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def opencost(self, **more: Any) -> OpenCost:
        access = OpenCostAccess(f"http://127.0.0.1:{self.http.server_port}", **more)
        return OpenCost("OpenCost of east", access, clock=lambda: NOW)

    def said(self, **more: Any) -> list[tuple[Any, ...]]:
        return list(self.opencost(**more).nodes(TEN, TEN + HOUR).itertuples(index=False, name=None))


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.http.shutdown()
    found.http.server_close()


def test_a_node_costs_an_hour_what_it_came_to_in_the_time_it_was_there(server: Server) -> None:
    # 55.04 in a whole hour; 10 dollars in 15 minutes are 40 an hour, and its GPUs 50 / 2 hours of them
    server.data = {"a": node("n1", 55.04), "b": node("n2", 10.0, 15.0)}
    found = server.opencost().nodes(TEN, TEN + HOUR)
    assert found.dtypes.astype("str").to_dict() == NODE_PRICES
    assert found["node"].tolist() == ["n1", "n2"]
    assert found["usd"].tolist() == pytest.approx([55.04, 40.0])
    assert found["gpu_usd"].tolist() == pytest.approx([6.25, 25.0])
    assert set(found["hour"]) == {TEN}


def test_each_hour_is_asked_for_by_itself_and_nothing_else_is(server: Server) -> None:
    server.by_hour = {
        "2026-06-02T10:00:00Z,2026-06-02T11:00:00Z": {"a": node("n1", 40.0)},
        "2026-06-02T11:00:00Z,2026-06-02T12:00:00Z": [{"a": node("n1", 50.0)}],  # as lists of sets, too
    }
    found = server.opencost(key=SecretStr("t-1")).nodes(TEN, TEN + 2 * HOUR)
    assert found[["hour", "usd"]].to_numpy().tolist() == [[TEN, 40.0], [TEN + HOUR, 50.0]]
    assert server.asked == [f"/assets {window}" for window in server.by_hour]
    assert server.keys == {"Bearer t-1"}


def test_a_node_that_came_again_under_its_name_has_one_price(server: Server) -> None:
    server.data = {"a": node("n1", 20.0, 30.0), "b": node("n1", 5.0, 15.0)}  # 25 dollars in 45 minutes
    assert server.said()[0][2] == pytest.approx(25 / 0.75)


def test_what_is_no_node_and_what_costs_nothing_has_no_price(server: Server) -> None:
    server.data = {
        "disk": {"type": "Disk", "properties": {"name": "d"}, "minutes": 60, "totalCost": 3.0},
        "free": node("n1", 0.0),
        "null": node("n2", None),
        "never": node("n3", 5.0, 0.0),
        "credit": node("n4", -5.0),
        "nameless": node("", 5.0),
        "bare": {"type": "Node", "totalCost": 4.0},
    }
    assert server.said() == []
    for server.data in (None, {}, [], [None]):
        assert server.said() == []


def test_a_node_without_gpus_has_no_price_of_one(server: Server) -> None:
    server.data = {"a": node("n1", 1.0, GPUHours=0.0, gpuCost=0.0)}
    ((_, _, usd, gpu),) = server.said()
    assert usd == 1.0
    assert gpu != gpu, "NaN: there is none"


def test_of_several_clusters_ours_has_to_be_named(server: Server) -> None:
    server.data = {"a": node("n1", 4.0, cluster="east"), "b": node("n1", 8.0, cluster="west")}
    with pytest.raises(Rejected, match=r"knows the clusters east, west, and nobody said") as caught:
        server.said()
    assert "cluster_id" in caught.value.hint
    assert [row[2] for row in server.said(cluster_id="west")] == [8.0]
    with pytest.raises(Rejected, match="not north"):
        server.said(cluster_id="north")
    del server.data["b"]
    assert [row[2] for row in server.said()] == [4.0]


@pytest.mark.parametrize("body", [b"<html>login</html>", b"[]", b'{"data": {"a": 3}}', b'{"data": {"a": {"type": 1}}}'])
def test_another_servers_answer_is_called_so(server: Server, body: bytes) -> None:
    server.data = body
    with pytest.raises(SourceUnavailable, match="not that of OpenCost"):
        server.said()


def test_a_refusal_says_what_to_do(server: Server) -> None:
    server.status = 401
    with pytest.raises(Forbidden, match="does not let us read its prices") as caught:
        server.said()
    assert "token" in caught.value.hint


def test_it_is_probed_without_asking_for_prices(server: Server) -> None:
    source = server.opencost()
    server.data = b""
    status = source.probe()
    assert (status.source, status.reachable, server.asked) == ("opencost", True, ["/healthz"])
    server.status = 503
    status = source.probe()
    assert (status.reachable, status.since) == (False, NOW)
    assert "out of order" in status.message
    source.close()
