"""What may be given about alerts: the channels they go to, and the console's own address for links in them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from services.settings.fields import PATH, Section, Zone, given, secret

Topic = Literal["money", "startup", "fallback", "health", "demand", "changes"]
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_COMMAS = "Comma-separated in the environment."


def _awake(text: str) -> str:
    begin, _, end = text.partition("-")
    if text and begin == end:
        raise ValueError("quiet hours end when they begin")
    return text


class Channel(Section):
    """One channel that alerts go to."""

    name: str = given(
        "",
        "Name of the channel on every page and in budgets. In the environment it may be left out: it is then `alerts`.",
        "a name of at most 63 characters without spaces at its ends",
        pattern=r"^(\S(.{0,61}\S)?)?$",
    )
    url: SecretStr | None = secret(
        "Address of the channel as the notification library Apprise writes it: slack://…, workflows://… (Teams), "
        "mailtos://…, jsons://… (a webhook) and many more."
    )
    url_file: str = given("", "File that holds the address.", PATH)
    min_severity: Literal["critical", "warning", "notice"] = given(
        "warning", "Least severe finding that is told.", "critical, warning or notice"
    )
    kinds: tuple[Topic, ...] = given(
        (), f"What is told; all without it. {_COMMAS}", "some of money, startup, fallback, health, demand, changes"
    )
    teams: tuple[Annotated[str, Field(min_length=1, max_length=63)], ...] = given(
        (),
        f"Teams whose findings are told; without it all, and hardware too. {_COMMAS}",
        "names of teams",
    )
    digest: Annotated[str, Field(pattern=rf"^(15m|30m|1h|{_CLOCK})?$")] = given(
        "",
        "Collect alerts and send them together: every full 15m, 30m or 1h, or at a time of day. Without it at once.",
        "15m, 30m, 1h or a time of day such as 08:30",
    )
    quiet: Annotated[str, Field(pattern=rf"^({_CLOCK}-{_CLOCK})?$"), AfterValidator(_awake)] = given(
        "",
        "Send nothing from the one time to the other; what is due then is sent afterwards.",
        "two times of day such as 22:00-07:00",
    )
    zone: Zone = given(
        "UTC",
        "Time zone of the digest and the quiet hours.",
        "the name of a time zone such as Europe/Berlin",
        min_length=1,
        max_length=64,
    )
    critical_at_once: bool = given(
        False, "Send critical findings at once, in spite of digest and quiet hours.", "true or false"
    )
