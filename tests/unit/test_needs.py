import pytest

from tests.needs import need


def test_a_missing_component_skips_the_test_and_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-binary is not installed"):
        need("no-such-binary")


def test_in_ci_a_missing_component_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-binary is not installed"):
        need("no-such-binary")


def test_a_component_that_is_there_is_named_by_its_path() -> None:
    assert need("sh").endswith("/sh")
