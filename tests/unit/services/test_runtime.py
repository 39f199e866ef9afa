"""What the settings make of a live cluster."""

from pathlib import Path

import pytest

from services import runtime
from services.adapters.litellm import LiteLLMGateway
from services.ports import GatewayPlace, Sources
from services.settings import load

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: prod
contexts: [{name: prod, context: {cluster: prod, user: console}}]
clusters: [{name: prod, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: console, user: {token: t0}}]
"""
PLACE = {
    "GFC_GATEWAY_NAMESPACE": "serving",
    "GFC_GATEWAY_CONFIGMAP": "litellm-config",
    "GFC_GATEWAY_DEPLOYMENT": "litellm",
}


def built(folder: Path, **gateway: str) -> Sources:
    (folder / "kubeconfig").write_text(KUBECONFIG)
    given = {
        "GFC_KUBECONFIG": str(folder / "kubeconfig"),
        "GFC_KUBE_CONTEXT": "prod",
        "GFC_CLUSTER_NAME": "prod",
        "GFC_DATA_DIR": str(folder),
        **gateway,
    }
    return runtime.build(load(given))


def closed(sources: Sources) -> None:
    with runtime.using(sources):
        runtime.close()


@pytest.mark.parametrize(
    ("given", "asked", "place"),
    [
        ({}, False, None),
        ({"GFC_GATEWAY_URL": "http://127.0.0.1:9"}, True, None),
        (PLACE, False, GatewayPlace("serving", "litellm-config", "config.yaml", "litellm")),
        (
            {**PLACE, "GFC_GATEWAY_URL": "http://127.0.0.1:9", "GFC_GATEWAY_CONFIG_KEY": "proxy.yaml"},
            True,
            GatewayPlace("serving", "litellm-config", "proxy.yaml", "litellm"),
        ),
    ],
)
def test_a_gateway_is_asked_where_it_has_an_address_and_edited_where_it_has_a_place(
    tmp_path: Path, given: dict[str, str], asked: bool, place: GatewayPlace | None
) -> None:
    sources = built(tmp_path, **given)
    (source,) = sources.clusters.values()
    assert isinstance(source.gateway, LiteLLMGateway) is asked
    assert source.gateway_place == place
    closed(sources)


def test_closing_releases_the_gateways_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[str] = []
    monkeypatch.setattr(LiteLLMGateway, "close", lambda self: released.append("gateway"))
    closed(built(tmp_path, GFC_GATEWAY_URL="http://127.0.0.1:9"))
    assert released == ["gateway"]
