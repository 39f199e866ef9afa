"""Sending by the notification library: to a real receiver, without a word of the address anywhere."""

import io
import json
import logging
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from services.adapters import notify
from services.adapters.notify import Post
from services.errors import SourceUnavailable, WrongSetting
from tests.alerting import receiver

SECRET = "s3cret-t0ken"


def test_a_webhook_gets_subject_and_body_as_they_are() -> None:
    with receiver() as (host, got):
        Post("hook", SecretStr(f"json://{host}/in/{SECRET}")).send("Sub <1>", "one\n*two* & 3")
    (one,) = got
    assert one.path == f"/in/{SECRET}"
    assert (one.body["title"], one.body["message"]) == ("Sub <1>", "one\n*two* & 3")


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_refusal_is_told_by_its_status_and_nothing_else(status: int) -> None:
    written = io.StringIO()
    root, handler = logging.getLogger(), logging.StreamHandler(written)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with receiver(status) as (host, _), pytest.raises(SourceUnavailable) as caught:
            Post("hook", SecretStr(f"json://ada:{SECRET}@{host}/in/{SECRET}")).send("s", "b")
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert str(caught.value) == f"json://{host} refused the message with status {status}."
    assert SECRET not in written.getvalue() + str(caught.value.__cause__)


def test_a_receiver_that_is_not_there_is_said_to_be_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceUnavailable, match=f"^json://127.0.0.1:{port} could not be reached"):
        Post("hook", SecretStr(f"json://127.0.0.1:{port}/{SECRET}")).send("s", "b")


def test_a_receiver_that_never_answers_is_given_up() -> None:
    """The shortest read timeout an address may carry: a quarter of a second."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"json://127.0.0.1:{silent.getsockname()[1]}/{SECRET}?rto=0.25"
        with pytest.raises(SourceUnavailable, match="could not be reached or took no message"):
            Post("hook", SecretStr(url)).send("s", "b")


def test_a_mail_server_gets_a_mail_with_the_subject() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        said = pool.submit(_smtp, server)
        port = server.getsockname()[1]
        Post("mail", SecretStr(f"mailto://127.0.0.1:{port}?from=console@example.com&to=ops@example.com")).send(
            "n1 is not ready (abc)", "It broke."
        )
        text = said.result(20)
    assert "Subject: n1 is not ready (abc)" in text
    assert "RCPT TO:<ops@example.com>" in text.upper().replace("OPS@EXAMPLE.COM", "ops@example.com")


def _smtp(server: socket.socket) -> str:
    """One conversation with a mail client; everything it said."""
    server.settimeout(10)
    connection, _ = server.accept()
    heard: list[str] = []
    with connection, connection.makefile("rwb") as lines:

        def say(text: str) -> None:
            lines.write(f"{text}\r\n".encode())
            lines.flush()

        say("220 here")
        inside = False
        for raw in lines:
            line = raw.decode().rstrip("\r\n")
            heard.append(line)
            if inside and line != ".":
                continue
            say("354 go on" if line.upper() == "DATA" else "221 bye" if line.upper() == "QUIT" else "250 yes")
            inside = line.upper() == "DATA"
            if line.upper() == "QUIT":
                break
    return "\n".join(heard)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("json://ada:s3cret-t0ken@hook.example.com:8080/s3cret-t0ken", "json://hook.example.com:8080"),
        ("jsons://hook.example.com/s3cret-t0ken", "jsons://hook.example.com"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "slack"),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "slack"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "discord"),
        ("workflows://host.example.com:443/wfid1234567890/sigsigsigsigsig", "workflow://host.example.com:443"),
    ],
)
def test_of_an_address_scheme_and_host_are_shown_and_never_what_may_be_a_secret(url: str, shown: str) -> None:
    assert Post("c", SecretStr(url)).place == shown


@pytest.mark.parametrize("url", ["nonsense", "http://", "slack://s3cret-t0ken", "file:///etc/passwd", ""])
def test_a_wrong_address_stops_the_start_by_the_name_of_the_channel(url: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        Post("gpu-ops", SecretStr(url))
    assert '"gpu-ops"' in str(caught.value)
    assert not url or url not in str(caught.value)


def test_a_message_longer_than_a_service_takes_is_cut_and_not_refused_for_ever() -> None:
    post = Post("c", SecretStr("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"))
    assert post._service.overflow_mode is notify.apprise.OverflowMode.TRUNCATE
    chosen = Post("c", SecretStr("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?overflow=split"))
    assert chosen._service.overflow_mode is notify.apprise.OverflowMode.SPLIT


def test_a_name_from_outside_does_not_break_out_of_a_webhooks_json() -> None:
    with receiver() as (host, got):
        Post("hook", SecretStr(f"json://{host}/")).send('"}', "\\")
    assert json.dumps(got[0].body["title"]) == '"\\"}"'
