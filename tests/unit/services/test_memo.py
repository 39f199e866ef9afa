import threading

import pytest

from services.memo import Memo


def test_a_value_is_built_once_per_version() -> None:
    memo, built = Memo(), []
    for version in (1, 1, 2, 2, 1):
        memo.get("key", version, lambda: built.append(1))
    assert len(built) == 3


def test_a_newer_version_waits_until_the_old_one_has_been_kept_long_enough() -> None:
    memo = Memo()
    answers = [
        memo.get("key", version, lambda version=version: version, at=at, keep_s=5)  # type: ignore[misc]
        for version, at in ((1, 100.0), (2, 104.9), (3, 105.0))
    ]
    assert answers == [1, 1, 3]


def test_after_a_change_nobody_is_given_what_was_built_before_it() -> None:
    memo = Memo()

    def build() -> str:
        memo.hurry()
        return "read before the change"

    memo.get("held", 1, lambda: "read before the change", at=100.0, keep_s=5)
    memo.get("under way", 1, build, at=100.0, keep_s=5)
    for key in ("held", "under way"):
        assert memo.get(key, 1, lambda: "never built", at=100.1, keep_s=5) == "read before the change"
        assert memo.get(key, 2, lambda: "read after it", at=100.1, keep_s=5) == "read after it"


def test_many_who_ask_at_once_wait_for_one_who_builds() -> None:
    memo, built = Memo(), []
    inside, go = threading.Event(), threading.Event()

    def build() -> str:
        built.append(1)
        inside.set()
        assert go.wait(5)
        return "value"

    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(memo.get("key", 1, build))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert inside.wait(5)
    go.set()
    for thread in threads:
        thread.join(5)
    assert answers == ["value"] * 8
    assert len(built) == 1


def test_building_one_key_does_not_hold_up_another() -> None:
    memo, go = Memo(), threading.Event()
    slow = threading.Thread(target=lambda: memo.get("slow", 1, lambda: go.wait(5)))
    slow.start()
    assert memo.get("quick", 1, lambda: "value") == "value"
    go.set()
    slow.join(5)


def test_the_least_recently_used_goes_first() -> None:
    memo = Memo(2)
    for key in ("a", "b", "a", "c"):
        memo.get(key, 1, lambda key=key: key)  # type: ignore[misc]
    assert [memo.last(key) for key in ("a", "b", "c")] == ["a", None, "c"]


def test_a_builder_that_fails_leaves_nothing_behind() -> None:
    memo = Memo()

    def fail() -> None:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            memo.get("key", 1, fail)
    assert memo.last("key") is None
    assert memo.get("key", 1, lambda: "value") == "value"
