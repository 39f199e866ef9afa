"""The role in docs/connect.md is exactly what the stores read."""

import re
from pathlib import Path

import yaml

from services.domain.kinds import KINDS

ROOT = Path(__file__).parents[2]


def test_the_documented_role_allows_exactly_what_is_read() -> None:
    text = (ROOT / "docs" / "connect.md").read_text()
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)]
    (role,) = [block for block in blocks if block.get("kind") == "ClusterRole"]
    allowed = {(group, plural) for rule in role["rules"] for group in rule["apiGroups"] for plural in rule["resources"]}
    read = {(kind.groups[0].rpartition("/")[0], kind.plural) for kind in KINDS.values()}
    assert allowed == read
    assert all(rule["verbs"] == ["get", "list", "watch"] for rule in role["rules"])
