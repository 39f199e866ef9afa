"""The roles in docs/connect.md are exactly what the console needs."""

import re
from pathlib import Path

import pytest
import yaml

from services.domain import rights
from services.domain.change.refs import API
from services.domain.kinds import KINDS

ROOT = Path(__file__).parents[2]


def documented() -> dict[str, frozenset[rights.Grant]]:
    """The roles of the page by name, as single rights."""
    text = (ROOT / "docs" / "connect.md").read_text()
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)]
    return {
        role["metadata"]["name"]: frozenset(
            (group, resource, verb)
            for rule in role["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        )
        for role in blocks
        if role.get("kind") == "ClusterRole"
    }


@pytest.mark.parametrize(
    ("name", "rules"), [("read", rights.READ), ("impersonate", rights.IMPERSONATE), ("write", rights.WRITE)]
)
def test_a_documented_role_gives_exactly_what_is_needed(name, rules):
    assert documented()[f"gpu-fleet-console-{name}"] == rights.grants(rules)


def test_the_page_has_no_other_role():
    assert len(documented()) == 3


def test_every_kind_that_is_watched_may_be_listed_and_watched():
    watched = {(kind.groups[0].rpartition("/")[0], kind.plural) for kind in KINDS.values()}
    given = rights.grants(rights.READ)
    assert all({(*kind, "get"), (*kind, "list"), (*kind, "watch")} <= given for kind in watched)


def test_reading_changes_nothing():
    assert {verb for _, _, verb in rights.grants(rights.READ)} == {"get", "list", "watch"}


def test_actions_are_given_rights_only_on_kinds_they_know():
    known = {(version.rpartition("/")[0], plural) for version, plural, _ in API.values()}
    assert {(group, resource.partition("/")[0]) for group, resource, _ in rights.grants(rights.WRITE)} <= known


def test_whoever_writes_may_read_what_they_write():
    given = rights.grants(rights.WRITE)
    assert all((group, resource.partition("/")[0], "get") in given for group, resource, _ in given)


def test_nobody_is_given_secrets_or_everything():
    everything = rights.grants(rights.READ + rights.WRITE + rights.IMPERSONATE)
    assert not {part for grant in everything for part in grant[1:]} & {"*", "secrets", "escalate", "bind"}
