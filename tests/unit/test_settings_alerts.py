"""Settings about channels and the console's own address."""

from datetime import time
from pathlib import Path

import pytest

from services import runtime
from services.domain.findings import Severity
from services.errors import WrongSetting
from services.settings import load

URL = "jsons://hook.example.com/s3cret"


def written(tmp_path: Path, text: str) -> dict[str, str]:
    (tmp_path / "console.yaml").write_text(text, encoding="utf-8")
    return {"GFC_CONFIG": str(tmp_path / "console.yaml")}


def refused(environ: dict[str, str], base: Path | None = None) -> str:
    with pytest.raises(WrongSetting) as caught:
        load(environ, base=base)
    said = str(caught.value)
    assert "; expected " in said
    assert "s3cret" not in said
    return said


def test_without_channels_nobody_is_told() -> None:
    settings = load({})
    assert (settings.channels, settings.public_url) == ((), "")


def test_one_variable_sets_a_channel() -> None:
    (one,) = load({"GFC_CHANNEL_URL": URL}).channels
    assert (one.channel.name, one.channel.least, one.url.get_secret_value()) == ("alerts", Severity.WARNING, URL)
    assert "s3cret" not in repr(one)


def test_variables_can_say_everything_about_one_channel() -> None:
    (one,) = load(
        {
            "GFC_CHANNEL_NAME": "ops",
            "GFC_CHANNEL_URL": URL,
            "GFC_CHANNEL_MIN_SEVERITY": "critical",
            "GFC_CHANNEL_KINDS": "money, health",
            "GFC_CHANNEL_TEAMS": "ml,search",
            "GFC_CHANNEL_DIGEST": "08:30",
            "GFC_CHANNEL_QUIET": "22:00-07:00",
            "GFC_CHANNEL_ZONE": "Europe/Berlin",
            "GFC_CHANNEL_CRITICAL_AT_ONCE": "true",
        }
    ).channels
    channel = one.channel
    assert (channel.name, channel.least, channel.digest, channel.zone) == (
        "ops",
        Severity.CRITICAL,
        "08:30",
        "Europe/Berlin",
    )
    assert (channel.topics, channel.teams) == ({"money", "health"}, {"ml", "search"})
    assert (channel.quiet, channel.critical_at_once) == ((time(22), time(7)), True)


def test_the_file_has_several_channels_and_addresses_in_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "slack").write_text(f"{URL}\n")
    environ = written(
        tmp_path,
        f"channels:\n  - name: ops\n    url_file: slack\n    quiet: 22:00-07:00\n"
        f"  - name: finance\n    url: {URL}\n    kinds: [money]\n    digest: 08:00\n",
    )
    one, two = load(environ).channels
    assert (one.channel.name, one.url.get_secret_value(), one.channel.quiet) == ("ops", URL, (time(22), time(7)))
    assert (two.channel.digest, two.channel.topics) == ("08:00", {"money"})


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"GFC_CHANNEL_NAME": "ops"}, "GFC_CHANNEL_URL or GFC_CHANNEL_URL_FILE is missing"),
        ({"GFC_CHANNEL_MIN_SEVERITY": "loud"}, 'GFC_CHANNEL_MIN_SEVERITY is "loud"; expected critical, warning or'),
        ({"GFC_CHANNEL_KINDS": "money,weather"}, "GFC_CHANNEL_KINDS"),
        ({"GFC_CHANNEL_DIGEST": "2h"}, 'GFC_CHANNEL_DIGEST is "2h"; expected 15m, 30m, 1h or a time of day'),
        ({"GFC_CHANNEL_DIGEST": "25:00"}, 'GFC_CHANNEL_DIGEST is "25:00"'),
        ({"GFC_CHANNEL_QUIET": "22-7"}, 'GFC_CHANNEL_QUIET is "22-7"; expected two times of day'),
        ({"GFC_CHANNEL_QUIET": "07:00-07:00"}, 'GFC_CHANNEL_QUIET is "07:00-07:00"'),
        ({"GFC_CHANNEL_ZONE": "Mars/Base"}, 'GFC_CHANNEL_ZONE is "Mars/Base"; expected the name of a time zone'),
        ({"GFC_CHANNEL_COLOUR": "red"}, "GFC_CHANNEL_COLOUR is not a setting"),
        ({"GFC_CHANNEL_URL": URL, "GFC_CHANNEL_URL_FILE": "x"}, "are both set"),
        ({"GFC_PUBLIC_URL": "gpus.example.com"}, "GFC_PUBLIC_URL"),
    ],
)
def test_what_is_wrong_with_a_channel_is_one_sentence(variables: dict[str, str], said: str) -> None:
    assert said in refused(variables)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"channels: [{{url: '{URL}'}}]", "channels[0].name in"),
        (
            f"channels: [{{name: a, url: '{URL}'}}, {{name: a, url: '{URL}'}}]",
            "expected a name of its own for every channel",
        ),
        (f"channels: [{{name: a, url: '{URL}', teem: [x]}}]", "expected teams perhaps"),
        ("channels: {name: a}", "expected a list of channels"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_by_its_place(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(written(tmp_path, text))


def test_channels_stand_in_the_file_or_in_variables_and_not_in_both(tmp_path: Path) -> None:
    environ = written(tmp_path, f"channels: [{{name: a, url: '{URL}'}}]")
    assert "GFC_CHANNEL_URL is set and" in refused({**environ, "GFC_CHANNEL_URL": URL})


def test_the_address_of_the_console_is_given_or_that_of_its_login() -> None:
    assert (
        load({"GFC_PUBLIC_URL": "https://gpus.example.com/console/"}).public_url == "https://gpus.example.com/console"
    )
    login = {
        "GFC_LOGIN": "oidc",
        "GFC_OIDC_ISSUER": "https://login.example.com",
        "GFC_OIDC_CLIENT_ID": "gfc",
        "GFC_OIDC_CLIENT_SECRET": "x",
        "GFC_OIDC_COOKIE_SECRET": "y" * 32,
        "GFC_OIDC_REDIRECT_URI": "https://gpus.example.com/oauth2callback",
    }
    assert load(login).public_url == "https://gpus.example.com"


def test_an_address_the_library_does_not_know_stops_the_start(tmp_path: Path) -> None:
    settings = load({"GFC_CHANNEL_NAME": "ops", "GFC_CHANNEL_URL": "nosuch://s3cret"}, base=tmp_path)
    with pytest.raises(WrongSetting, match='the channel "ops" is none we can use') as caught:
        runtime.build(settings, database=False)
    assert "s3cret" not in str(caught.value)
