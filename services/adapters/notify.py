"""Messages to Slack, Teams, e-mail, webhooks and the like, by the notification library."""

import logging
import re

import apprise
from pydantic import SecretStr

from services.errors import SourceUnavailable, WrongSetting

TIMEOUT_S = 20.0
"""Longest time a message may take altogether."""
_STATUS = re.compile(r"error=(\d{3})\b")
_ASSET = apprise.AppriseAsset(
    app_id="GPU Fleet Console", app_desc="GPU Fleet Console", app_url="", service_timeout=TIMEOUT_S
)

# The library writes addresses of webhooks, which are secrets, into its log; so does what it sends them with.
logging.getLogger("apprise").propagate = False
logging.getLogger("apprise").addHandler(logging.NullHandler())
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


class Post:
    """The way to one channel. ``place`` is what may be shown of its address."""

    def __init__(self, name: str, url: SecretStr) -> None:
        service = apprise.Apprise.instantiate(url.get_secret_value(), asset=_ASSET, suppress_exceptions=True)
        if not isinstance(service, apprise.NotifyBase):
            raise WrongSetting(
                f'The address of the channel "{name}" is none we can use; expected one of the notification library, '
                "such as slack://…, mailtos://… or jsons://…."
            )
        if "overflow=" not in url.get_secret_value():
            # A message that is longer than a service takes would be refused for ever.
            service.overflow_mode = apprise.OverflowMode.TRUNCATE
        self._name, self._service = name, service
        self.place = place(service)

    def send(self, subject: str, body: str) -> None:
        """Send a message; returns once it was accepted. Raises SourceUnavailable, in words without secrets."""
        way = apprise.Apprise(asset=_ASSET)
        way.add(self._service)
        done = way.notify(title=subject, body=body, body_format=apprise.NotifyFormat.TEXT, timeout=TIMEOUT_S)
        if done:
            return
        # What the library says of a failure may hold parts of the address: of its words only a status is repeated.
        found = [_STATUS.search(str(entry)) for entry in done.logs()]
        status = next((one[1] for one in found if one is not None), "")
        if done.status is apprise.AppriseResultStatus.TIMEOUT:
            says = f"did not take the message within {TIMEOUT_S:.0f} seconds"
        else:
            says = f"refused the message with status {status}" if status else "could not be reached or took no message"
        raise SourceUnavailable(
            "alerts", f"{self.place} {says}.", hint="Check the address of the channel in the settings."
        )


def place(service: apprise.NotifyBase) -> str:
    """Scheme and host of an address; the scheme alone where what stands in the host's place may be a secret."""
    scheme = str(service.url(privacy=True)).split(":", 1)[0]  # type: ignore[no-untyped-call]
    if not service.template_tokens.get("host", {}).get("required"):
        return scheme
    port = f":{service.port}" if service.port else ""
    return f"{scheme}://{service.host}{port}"
