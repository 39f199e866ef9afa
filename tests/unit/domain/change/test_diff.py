from datetime import UTC, datetime
from typing import Any

from services.domain.change import diff
from services.domain.change.plan import Draft, Plan, Risk
from services.domain.change.refs import Live, Ref

NODE = Ref.of("east", "Node", "n1")
CONFIG = Ref.of("east", "ConfigMap", "routes", "llm")


def shown(draft: Draft) -> list[tuple[str, str, str, str]]:
    frame = diff.table(Plan("p", "x", "s", tuple(draft.steps), datetime(2026, 6, 3, tzinfo=UTC), Risk.LOW))
    assert list(frame.columns) == list(diff.CHANGES)
    return list(frame[["field", "change", "before", "after"]].itertuples(index=False, name=None))


def live(ref: Ref, **body: Any) -> Live:
    return Live(ref, {"kind": ref.kind, "metadata": {"name": ref.name, "uid": "u"}, **body})


def test_each_field_says_whether_it_is_added_changed_or_removed() -> None:
    draft = Draft("s")
    draft.set(live(NODE, spec={"a": 1, "b": [1, 2]}), {"spec": {"a": 2, "b": None, "c": True}}, "Set")
    assert shown(draft) == [
        ("spec.a", "changed", "1", "2"),
        ("spec.b", "removed", "[1, 2]", "not there"),
        ("spec.c", "added", "not there", "true"),
    ]


def test_evictions_edits_and_comments_have_words_of_their_own() -> None:
    draft = Draft("s")
    draft.drain(live(NODE), "Drain", resources=["nvidia.com/"], deadline_s=1)
    edits = [{"op": "set", "path": ["a", "0"], "before": 1, "after": 2}, {"op": "comment", "path": ["b"]}]
    draft.edit(live(CONFIG), "k", edits=edits, inverse=[], sha256="x", sha256_after="y", says="Edit")
    assert shown(draft) == [
        ("pods", "evicted", "GPU pods on the node", "evicted"),
        ("a[0]", "changed", "1", "2"),
        ("b", "commented", "not there", "not there"),
    ]


def test_secrets_are_hidden_and_long_values_cut() -> None:
    draft = Draft("s")
    draft.set(live(CONFIG, data={"api_key": "a"}), {"data": {"api_key": "b", "text": "x" * 1000}}, "Set")
    rows = shown(draft)
    assert rows[0] == ("data.api_key", "changed", "(hidden)", "(hidden)")
    assert len(rows[1][3]) == diff.LONGEST


def test_paths_read_as_people_write_them() -> None:
    assert diff.named(("metadata", "labels", "nvidia.com/gpu.product")) == "metadata.labels[nvidia.com/gpu.product]"
    assert diff.named(("spec", "tolerations", "0", "key")) == "spec.tolerations[0].key"
    assert diff.named(()) == "the object"
