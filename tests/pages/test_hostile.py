"""Names from outside are shown as they are: never as Markdown, HTML, a link or a formula."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import tables as columns
from services.errors import SourceUnavailable
from services.ports import ClusterSource, Sources
from tests import factories, fakes, tiny
from tests.conftest import NOW
from tests.pages.opening import ENTRIES, figures, opened, table

EVIL = "[x](javascript:evil) <b>b <a href='evil'>a **bold** :red[r] $a$ \"q\" \\ ' ![i](u)"
"""Without a slash, which parts namespace and name."""
SIGNS = (r"\[x\]\(", r"<b>", r"<a ", r"\*\*bold", r":red\[r", r"!\[i\]")
"""Beginnings of what Markdown would interpret, were they not escaped."""


def interpreted(at: AppTest) -> Iterator[str]:
    """Every text of the page that the browser reads as Markdown, without code spans, which it shows as they are."""
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error", "success")
    texts = [element.value for kind in kinds for element in getattr(at, kind)]
    texts += [element.label for element in at.expander] + [element.label for element in at.metric]
    texts += [element.delta for element in at.metric]
    texts += [element.proto.text for element in at.get("progress")]
    protos = [getattr(element, "proto", None) for part in (at.main, at.sidebar) for element in part]
    texts += [str(getattr(proto, name, "")) for proto in protos for name in ("label", "help")]
    texts += [option.content for element in at.get("button_group") for option in element.proto.options]
    for text in texts:
        yield re.sub(r"(\\.)|`[^`\n]*`", r"\1", str(text))


def interpretations(at: AppTest, *signs: str) -> list[str]:
    """Texts of the page in which one of the signs is not escaped."""
    bare = [re.sub(r"\\.", "", text) for text in interpreted(at)]
    return [text for text in bare if any(re.search(sign, text) for sign in signs)]


def estate(evil: str = EVIL) -> Sources:
    """An estate with everything named by an enemy: cluster, pool, product, namespace, team, pod, node, messages."""
    labels = {**factories.H100, "karpenter.sh/nodepool": evil, "nvidia.com/gpu.product": f"NVIDIA-{evil}"}
    broken = factories.node(f"broken {evil}", labels=labels, ready=False)
    objects = {
        "nodes": [factories.node(evil, labels=labels, allocatable={"nvidia.com/gpu": "7"}), broken],
        "pods": [
            factories.pod(evil, namespace=evil, node_name=evil, units={"nvidia.com/gpu": 4}, labels={"team": evil}),
            factories.pod(
                f"{evil}-2",
                namespace=evil,
                node_name=None,
                units={"nvidia.com/gpu": 8},
                scheduler_says=f"because {evil}",
            ),
        ],
        "namespaces": [factories.namespace(evil, team=evil)],
    }
    cards = [
        fakes.Card(
            evil, f"GPU-{i} {evil}", 0.0, (f"{evil}/{evil}",), model=evil, values={"memory_used": 1.0, "xid": 79.0}
        )
        for i in range(4)
    ]
    source = ClusterSource(evil, fakes.HeldCluster(objects, NOW), fakes.SteadyMetrics(cards, NOW))  # type: ignore[arg-type]
    return tiny.sources(source)


LINKS = {
    "overview": {},
    "utilisation": {"util_node": EVIL, "util_group": "workload"},
    "workloads": {"work_name": f"{EVIL}/{EVIL}"},
    "sources": {"cluster": EVIL},
    "headroom": {"headroom_pool": EVIL},
    "sharing": {"share_pool": f"{EVIL}/{EVIL}"},
    "startup": {"start_workload": f"{EVIL}/{EVIL}", "start": f"{EVIL}/{EVIL}"},
    "fallback": {"cluster": EVIL, "fell_group": EVIL, "fallback_split": EVIL},
    "serving": {"serving_workload": f"{EVIL}/{EVIL}"},
    "fallback-edit": {"cluster": EVIL},
    "breakers": {"cluster": EVIL},
    "cost": {"cost_in": f"team:{quote(EVIL)}", "cost_card": EVIL, "cost_by": EVIL},
    "budgets": {"budget": EVIL},
    "waste": {"waste_team": EVIL, "waste_least": EVIL, "waste_verbs": EVIL},
    "savings": {"cluster": EVIL},
    "prices": {"card_new": EVIL, "card_old": EVIL},
    "books": {"books_hour": f"{EVIL}/2026-06-03T05:00Z", "books_day": EVIL},
    "audit": {"op": EVIL},
    "alerts": {"alerts_channel": EVIL, "alerts_state": EVIL, "alerts_severity": EVIL, "alerts_text": EVIL},
}
RECORDED = ("startup", "cost", "budgets", "savings", "books", "audit", "alerts")
"""Pages that read the record; here is none: tests/pages/test_hostile_record.py has one."""
GATEWAYS = ("fallback", "fallback-edit", "breakers")
"""Pages about gateways; here is none: tests/pages/test_hostile_gateway.py has one."""
MAY_NAME_NOBODY = (*RECORDED, *GATEWAYS, "serving", "utilisation", "workloads", "headroom", "sharing", "prices")
"""Pages on which nothing of this estate has a name to show, in one of the two cases."""
ASK_NO_METRICS = (*RECORDED, *GATEWAYS, "headroom", "sharing", "prices")


@pytest.mark.parametrize("path", list(ENTRIES))
@pytest.mark.parametrize("linked", [False, True])
def test_names_of_an_enemy_are_shown_and_never_interpreted(path: str, linked: bool) -> None:
    at = opened(estate(), path, **(LINKS[path] if linked else {}))
    assert interpretations(at, *SIGNS) == []
    assert any("evil" in text for text in interpreted(at)) or path in MAY_NAME_NOBODY


def test_an_escaped_name_reads_as_the_name() -> None:
    at = opened(estate(), "overview")
    titles = [element.proto.label for element in at.page_link]
    assert any(re.sub(r"\\(.)", r"\1", title).startswith(f"{EVIL} holds 4 GPUs") for title in titles)


def test_tables_hold_the_name_itself() -> None:
    assert table(opened(estate(), "overview"), columns.POOLS)["pool"].tolist() == [EVIL]


@pytest.mark.parametrize(("path", "params"), [("utilisation", {}), ("utilisation", {"util_group": "workload"})])
def test_figures_hold_no_tag_of_an_enemy(path: str, params: dict[str, str]) -> None:
    """Plotly reads a few tags, links among them, in names, tick labels and hovers."""
    for figure in figures(opened(estate(), path, **params)):
        assert "<a href" not in str(figure)


def test_messages_of_sources_are_shown_and_never_interpreted() -> None:
    sources = fakes.watched(tiny.sources())
    fakes.metrics_of(sources, "tiny").error = SourceUnavailable("prometheus", f"Said {EVIL}", hint=EVIL)
    for path in ENTRIES:
        at = opened(sources, path)
        assert any("evil" in text for text in interpreted(at)) or path in ASK_NO_METRICS
        assert interpretations(at, *SIGNS) == [], path


def test_filters_from_the_link_are_shown_and_never_interpreted() -> None:
    for path in ENTRIES:
        at = opened(tiny.sources(), path, pool=EVIL, team=EVIL, ns=EVIL, util_node=EVIL, work_name=EVIL)
        assert interpretations(at, *SIGNS) == [], path


def test_a_name_with_line_breaks_and_backticks_stays_one_line() -> None:
    at = opened(
        estate("`x`\n\n# big\n\n[x](javascript:evil)"), "utilisation", util_node="`x`\n\n# big\n\n[x](javascript:evil)"
    )
    for text in interpreted(at):
        assert not re.search(r"(?m)^# big", text)
        assert not re.search(r"(?<!\\)\[x\]\(", text)
