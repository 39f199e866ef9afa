"""What other servers, proxies and broken networks answer, and what a person reads of it."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from pydantic import SecretStr

from services.adapters import prom_http
from services.adapters.prom_http import PromHttp
from services.adapters.prometheus import PrometheusMetrics
from services.domain.signals import Query
from services.domain.window import Window
from services.errors import Forbidden, Rejected, SourceError, SourceUnavailable, WrongSetting
from services.settings import MetricsAccess
from tests import tls
from tests.integration.prom_server import DATA, free_port
from tests.integration.replay import Asked, Reply, replaying

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECRET = "s3cr3t-token"
POWER = "DCGM_FI_DEV_POWER_USAGE"


def body(name: str) -> bytes:
    return (DATA / "prom_api" / name).read_bytes()


def ask(url: str, **access: object) -> None:
    http = PromHttp("metrics", MetricsAccess(url, **{"connect_timeout_s": 1.0, "read_timeout_s": 1.0, **access}))
    try:
        http.post("query", {"query": "up"})
    finally:
        http.close()


REFUSALS: list[tuple[int, str, type[SourceError], str]] = [
    (400, "error_400_parse.json", Rejected, "metrics did not understand the query (400)."),
    (400, "query_missing_param.json", Rejected, "metrics did not understand the query (400)."),
    (400, "error_400_11000_points.json", Rejected, "metrics gives at most 11,000 points a series."),
    (400, "error_400_bad_step.json", Rejected, "metrics did not understand the query (400)."),
    (400, "error_400_end_before_start.json", Rejected, "metrics did not understand the query (400)."),
    (400, "error_400_timeout_value.json", Rejected, "metrics did not understand the query (400)."),
    (400, "error_400_timeout_unit.json", Rejected, "metrics did not understand the query (400)."),
    (422, "error_422_many_to_many.json", Rejected, "metrics could not evaluate the query (422)."),
    (422, "error_422_same_labelset.json", Rejected, "metrics could not evaluate the query (422)."),
    (422, "error_422_too_many_samples.json", Rejected, "The query would load too many samples into metrics."),
    (503, "error_503_timeout.json", SourceUnavailable, "metrics ran out of time evaluating the query (503)."),
    (404, "error_404.html", SourceUnavailable, "There is no Prometheus API at the address of metrics (404)."),
    (502, "constructed_proxy_502.html", SourceUnavailable, "metrics is out of order (502)."),
    (200, "constructed_login_200.html", SourceUnavailable, "metrics answered with a web page instead of data."),
    (401, "constructed_mimir_401.txt", Forbidden, "metrics does not know who asks (401)."),
    (403, "constructed_login_200.html", Forbidden, "metrics does not let us read metrics (403)."),
    (429, "constructed_mimir_429.json", SourceUnavailable, "metrics is asked too much at the moment."),
    (413, "constructed_proxy_502.html", Rejected, "The query is too long for metrics (413)."),
]


@pytest.mark.parametrize(("status", "name", "error", "message"), REFUSALS)
def test_a_refusal_becomes_one_plain_sentence(status, name, error, message):
    with replaying(lambda _: Reply(status, body(name))) as server, pytest.raises(error) as raised:
        ask(server.url)
    assert type(raised.value) is error
    assert str(raised.value) == message
    assert raised.value.source == "metrics"
    assert len(server.asked) == 1  # refused is refused: nothing is asked twice
    if status == 422 or status == 503:
        assert raised.value.hint


def test_an_execution_error_never_shows_label_sets():
    with (
        replaying(lambda _: Reply(422, body("error_422_many_to_many.json"))) as server,
        pytest.raises(Rejected) as raised,
    ):
        ask(server.url)
    chain = [str(raised.value), raised.value.hint, str(raised.value.__cause__)]
    assert not any("UUID" in text or "GPU-" in text or "{" in text for text in chain)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        body("instant_vector_honor_false.json")[:500],
        b"[]",
        b'"text"',
        b'{"status":"success"}',
        b'{"status":"partial","data":{}}',
        b"\xff\xfe\x00",
    ],
)
def test_an_answer_that_cannot_be_read_is_a_failing_source(content):
    with replaying(lambda _: Reply(200, content)) as server, pytest.raises(SourceUnavailable, match="cannot be read"):
        ask(server.url)


def test_an_answer_that_breaks_off_is_a_failing_source():
    reply = Reply(200, body("range_matrix.json"), cut=True)
    with replaying(lambda _: reply) as server, pytest.raises(SourceUnavailable, match=r"broke off|broke\."):
        ask(server.url)


def test_a_broken_connection_is_tried_again_but_not_for_ever():
    replies = iter([Reply(drop=True), Reply(200, body("empty_vector.json"))])
    with replaying(lambda _: next(replies)) as server:
        ask(server.url)
        assert len(server.asked) == 2
    with replaying(lambda _: Reply(drop=True)) as server, pytest.raises(SourceUnavailable, match="cannot be reached"):
        ask(server.url)
    assert len(server.asked) == 2


def test_a_query_that_times_out_is_not_asked_again():
    """Waits 0.2 s: the read timeout is what is tested."""
    released = threading.Event()

    def hang(_: Asked) -> Reply:
        released.wait(5)
        return Reply(200, body("empty_vector.json"))

    with replaying(hang) as server:
        with pytest.raises(SourceUnavailable, match=r"did not answer within 0\.2 s") as raised:
            ask(server.url, read_timeout_s=0.2)
        released.set()
    assert len(server.asked) == 1
    assert isinstance(raised.value.__cause__, requests.exceptions.RequestException)
    assert raised.value.hint


def test_refused_and_unknown_hosts_are_told_apart(monkeypatch):
    with pytest.raises(SourceUnavailable, match="refused or broke"):
        ask(f"http://127.0.0.1:{free_port()}")
    import socket

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SourceUnavailable, match="host name of metrics is not known"):
        ask("http://prometheus.monitoring.svc:9090")


def test_a_certificate_nobody_vouches_for_is_refused_and_one_named_is_trusted(tmp_path):
    made, key = tls.certificate(tmp_path, "server")
    with replaying(lambda _: Reply(200, body("empty_vector.json")), tls=tls.server_side(made, key)) as server:
        with pytest.raises(SourceUnavailable, match="encrypted connection"):
            ask(server.url)
        ask(server.url, ca_file=str(made))
        with pytest.raises(SourceUnavailable, match="certificates to trust"):
            ask(server.url, ca_file=str(tmp_path / "missing.pem"))
    assert len(server.asked) == 1


def test_the_environment_decides_neither_proxy_nor_certificates(tmp_path, monkeypatch):
    made, key = tls.certificate(tmp_path, "server")
    other, _ = tls.certificate(tmp_path, "other")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")
    with replaying(lambda _: Reply(200, body("empty_vector.json")), tls=tls.server_side(made, key)) as server:
        ask(server.url, ca_file=str(made))
    assert len(server.asked) == 1


def test_queries_travel_as_form_bodies():
    with replaying(lambda _: Reply(200, body("empty_vector.json"))) as server:
        http = PromHttp("metrics", MetricsAccess(server.url + "/select/0/prometheus/"))
        http.post("query", {"query": "x" * 20_000})
        http.close()
    asked = server.asked[0]
    assert (asked.method, asked.path, asked.query) == ("POST", "/select/0/prometheus/api/v1/query", {})
    assert asked.form == {"query": "x" * 20_000}
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Authorization" not in asked.headers


CREDENTIALS: list[tuple[dict[str, object], str, str]] = [
    ({"auth": "bearer", "token": SecretStr(SECRET)}, "Authorization", f"Bearer {SECRET}"),
    ({"auth": "basic", "username": "ann", "password": SecretStr("pä:ss")}, "Authorization", "Basic YW5uOnDDpDpzcw=="),
    ({"auth": "header", "header_name": "X-Scope-OrgID", "header_value": SecretStr("team")}, "X-Scope-OrgID", "team"),
]


@pytest.mark.parametrize(("access", "header", "value"), CREDENTIALS)
def test_each_kind_of_credential_is_sent(access, header, value):
    with replaying(lambda _: Reply(200, body("empty_vector.json"))) as server:
        ask(server.url, **access)
    assert server.asked[0].headers[header] == value


def test_a_password_in_the_address_is_sent_but_never_shown():
    with replaying(lambda _: Reply(503, b"no")) as server:
        url = server.url.replace("http://", "http://ann:pw@")
        metrics = PrometheusMetrics("metrics", MetricsAccess(url), clock=lambda: NOW)
        status = metrics.probe()
        metrics.close()
    assert server.asked[0].headers["Authorization"] == "Basic YW5uOnB3"
    assert not status.reachable
    assert status.address == server.url
    assert "pw" not in status.message + status.hint


def test_a_token_file_is_read_again_when_it_changes(tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    with replaying(lambda _: Reply(200, body("empty_vector.json"))) as server:
        http = PromHttp("metrics", MetricsAccess(server.url, auth="bearer", token_file=str(file)))
        http.post("query", {"query": "1"})
        file.write_text("second-and-longer")
        http.post("query", {"query": "1"})
        file.unlink()
        with pytest.raises(Forbidden, match="token file for metrics cannot be read"):
            http.post("query", {"query": "1"})
        http.close()
    assert [asked.headers["Authorization"] for asked in server.asked] == ["Bearer first", "Bearer second-and-longer"]


@pytest.mark.parametrize("token", ["", "two\nlines", "caf\u00e9"])
def test_a_credential_that_cannot_be_sent_is_refused_without_showing_it(token):
    with pytest.raises(Forbidden) as raised:
        ask("http://127.0.0.1:9", auth="bearer", token=SecretStr(token))
    assert not token or token not in str(raised.value) + raised.value.hint + repr(raised.value.__cause__)


def test_an_unknown_kind_of_credential_stops_the_start():
    with pytest.raises(WrongSetting, match="digest"):
        PromHttp("metrics", MetricsAccess("http://127.0.0.1:9", auth="digest"))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("access", [case[0] for case in CREDENTIALS], ids=["bearer", "basic", "header"])
def test_a_redirect_is_told_and_not_followed(status, access):
    with replaying(lambda _: Reply(200, body("empty_vector.json"))) as elsewhere:
        sent = {"Location": f"{elsewhere.url}/login?state={SECRET}"}
        told = pytest.raises(SourceUnavailable, match=r"sends us to 127\.0\.0\.1")
        with replaying(lambda _: Reply(status, b"", sent)) as server, told as raised:
            ask(server.url, **access)
    assert elsewhere.asked == []
    assert SECRET not in str(raised.value) + raised.value.hint


def test_no_failure_shows_a_secret():
    for reply in (Reply(401, SECRET.encode()), Reply(500, SECRET.encode()), Reply(200, SECRET.encode())):
        with replaying(lambda _, reply=reply: reply) as server, pytest.raises(SourceError) as raised:
            ask(server.url, auth="bearer", token=SecretStr(SECRET))
        error: BaseException | None = raised.value
        while error is not None:
            assert SECRET not in str(error)
            error = error.__cause__


def test_a_source_that_asks_to_wait_is_left_alone_for_that_long():
    with replaying(lambda _: Reply(429, body("constructed_mimir_429.json"), {"Retry-After": "30"})) as server:
        http = PromHttp("metrics", MetricsAccess(server.url))
        for _ in range(3):
            with pytest.raises(SourceUnavailable) as raised:
                http.post("query", {"query": "1"})
        http.close()
    assert len(server.asked) == 1
    assert raised.value.hint == "Try again in 30 s."


def test_an_answer_beyond_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(prom_http, "MAX_BYTES", 100_000)
    with (
        replaying(lambda _: Reply(200, b" " * 2_000_000)) as server,
        pytest.raises(Rejected, match="larger than") as raised,
    ):
        ask(server.url)
    assert raised.value.hint


def test_at_most_six_requests_are_under_way_at_a_time():
    lock, all_here, now_open, most = threading.Lock(), threading.Event(), 0, 0

    def count(_: Asked) -> Reply:
        nonlocal now_open, most
        with lock:
            now_open += 1
            most = max(most, now_open)
            if now_open == 6:
                all_here.set()
        all_here.wait(5)
        with lock:
            now_open -= 1
        return Reply(200, body("empty_vector.json"))

    with replaying(count) as server:
        http = PromHttp("metrics", MetricsAccess(server.url))
        threads = [threading.Thread(target=http.post, args=("query", {"query": "1"})) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        http.close()
    assert len(server.asked) == 20
    assert most == 6


def store(answer: Callable[[Asked], bytes]) -> Callable[[Asked], Reply]:
    """A store that knows one power metric and answers queries as told."""

    def reply(asked: Asked) -> Reply:
        if asked.path.endswith("/label/__name__/values"):
            return Reply(200, f'{{"status":"success","data":["{POWER}"]}}'.encode())
        if asked.path.endswith("/label/job/values"):
            return Reply(200, b'{"status":"success","data":[]}')
        if asked.path.endswith("/labels"):
            return Reply(200, b'{"status":"success","data":["UUID","Hostname"]}')
        if asked.path.endswith("/status/buildinfo"):
            return Reply(404, b"404 page not found")
        return Reply(200, answer(asked))

    return reply


def metrics(url: str, **access: object) -> PrometheusMetrics:
    return PrometheusMetrics("metrics", MetricsAccess(url, **access), clock=lambda: NOW)


def vector(*pairs: tuple[str, str], warnings: str = "") -> bytes:
    series = ",".join(
        f'{{"metric":{{"UUID":"{uuid}"}},"value":[{NOW.timestamp()},"{value}"]}}' for uuid, value in pairs
    )
    return f'{{"status":"success","data":{{"resultType":"vector","result":[{series}]}}{warnings}}}'.encode()


def test_warnings_and_infos_come_along_bounded_and_without_label_sets():
    remarks = (
        ',"warnings":["first {cluster=\\"eu\\"} store","' + "x" * 5000 + '","first {cluster=\\"us\\"} store","c","d"]'
    )
    remarks += ',"infos":["info","more"]'
    with replaying(store(lambda _: vector(("G1", "5"), warnings=remarks))) as server:
        asked = metrics(server.url)
        samples = asked.instant(Query("power", ("gpu",)), NOW)
        asked.close()
    assert samples.notes[0] == "first {…} store"
    assert len(samples.notes) == 5
    assert max(len(note) for note in samples.notes) == 200
    assert samples.frame["value"].tolist() == [5.0]


@pytest.mark.parametrize("name", ["constructed_thanos_partial.json", "constructed_prom3_infos.json"])
def test_remarks_of_real_stores_are_carried(name):
    with replaying(store(lambda _: body(name))) as server:
        asked = metrics(server.url)
        samples = asked.instant(Query("power", ("gpu",)), NOW)
        asked.close()
    assert samples.notes
    assert not any("{cluster=" in note for note in samples.notes)
    assert len(samples.frame) == 1


@pytest.mark.parametrize(
    "answer",
    [
        body("scalar.json"),
        b'{"status":"success","data":{"resultType":"string","result":[1,"x"]}}',
        b'{"status":"success","data":{"resultType":"vector","result":{}}}',
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"abc"]}]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1]}]}}',
        b'{"status":"success","data":["a"]}',
        b'{"status":"success","data":null}',
    ],
)
def test_a_result_of_the_wrong_kind_is_a_failing_source(answer):
    with replaying(store(lambda _: answer)) as server:
        asked = metrics(server.url)
        with pytest.raises(SourceUnavailable, match="cannot be read"):
            asked.instant(Query("power", ("gpu",)), NOW)
        asked.close()


def test_values_that_are_no_numbers_are_left_out():
    with replaying(store(lambda _: vector(("G1", "NaN"), ("G2", "+Inf"), ("G3", "-Inf"), ("G4", "1.5e+02")))) as server:
        asked = metrics(server.url)
        frame = asked.instant(Query("power", ("gpu",)), NOW).frame
        asked.close()
    assert list(zip(frame["gpu"], frame["value"], strict=True)) == [("G4", 150.0)]


def test_more_series_than_allowed_are_refused_with_advice():
    with replaying(store(lambda _: vector(*((f"G{n}", "1") for n in range(11))))) as server:
        asked = metrics(server.url, max_series=10)
        with pytest.raises(Rejected, match="11 series; at most 10") as raised:
            asked.instant(Query("power", ("gpu",)), NOW)
        asked.close()
    assert "fewer GPUs" in raised.value.hint


def test_what_cannot_be_asked_is_refused_before_asking():
    asked = metrics("http://127.0.0.1:9", scrape_interval_s=30.0)
    with pytest.raises(Rejected, match=r"every 10 s are finer than GPUs are measured \(every 30 s\)"):
        asked.range(Query("power", ()), Window(NOW - timedelta(hours=1), NOW, timedelta(seconds=10)))
    with pytest.raises(Rejected, match="20,160 points"):
        asked.range(Query("power", ()), Window(NOW - timedelta(days=7), NOW, timedelta(seconds=30)))
    with pytest.raises(Rejected, match="20,160 points"):
        asked.instant(Query("power", (), timedelta(days=7), step=timedelta(seconds=30)), NOW)
    with pytest.raises(Rejected, match="trailing span"):
        asked.range(Query("power", (), timedelta(hours=1)), Window(NOW - timedelta(hours=1), NOW, timedelta(minutes=1)))
    asked.close()


def test_a_range_asks_for_the_points_after_the_start():
    matrix = b'{"status":"success","data":{"resultType":"matrix","result":[]}}'
    with replaying(store(lambda _: matrix)) as server:
        asked = metrics(server.url, read_timeout_s=12.0)
        window = Window(NOW - timedelta(hours=1), NOW, timedelta(minutes=5))
        assert asked.range(Query("power", ("gpu",)), window).frame.empty
        asked.close()
    form = server.asked[-1].form
    first = (NOW - timedelta(minutes=55)).timestamp()
    assert (float(form["start"]), float(form["end"]), float(form["step"])) == (first, NOW.timestamp(), 300.0)
    assert form["timeout"] == "12s"  # the server gives up when we do


def test_a_store_without_build_information_is_still_reachable():
    with replaying(store(lambda _: vector(("", str(NOW.timestamp()))))) as server:
        asked = metrics(server.url)
        status = asked.probe()
        asked.close()
    assert (status.reachable, status.version, status.newest_at) == (True, "", NOW)


def test_a_probe_tells_since_when_a_source_fails():
    moments = iter([NOW, NOW + timedelta(minutes=5)])
    asked = PrometheusMetrics("metrics", MetricsAccess(f"http://127.0.0.1:{free_port()}"), clock=lambda: next(moments))
    first, second = asked.probe(), asked.probe()
    asked.close()
    assert not first.reachable
    assert first.since == second.since == NOW
    assert first.hint


def test_the_exporters_are_looked_at_once_for_many_questions_at_a_time():
    with replaying(store(lambda _: vector(("G1", "5")))) as server:
        asked = metrics(server.url)
        query = Query("power", ("gpu",))
        threads = [threading.Thread(target=asked.instant, args=(query, NOW)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        looked = [one.path for one in server.asked if not one.path.endswith("/query")]
        assert len(looked) == len(set(looked)) == 3
        asked.coverage()  # looks again, on demand
        asked.close()
    assert sum(one.path.endswith("/labels") for one in server.asked) == 2


def test_what_was_found_is_looked_up_again_after_a_while_and_for_older_windows():
    moment = [NOW]
    with replaying(store(lambda _: vector(("G1", "5")))) as server:
        asked = PrometheusMetrics("metrics", MetricsAccess(server.url), clock=lambda: moment[0])
        for wait in (0, 4, 6):  # minutes since the first question
            moment[0] = NOW + timedelta(minutes=wait)
            asked.instant(Query("power", ("gpu",)), moment[0])
        asked.instant(Query("power", ("gpu",), timedelta(days=7)), moment[0])
        asked.close()
    looks = [one for one in server.asked if one.path.endswith("/labels")]
    reaches = [float(one.form["end"]) - float(one.form["start"]) for one in looks]
    assert reaches == [3600, 3600, 31 * 86400]
    assert Path(looks[0].path).name == "labels"
