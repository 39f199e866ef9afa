import pandas as pd
import pytest

from services.domain.startup.imagenames import canonical, canonicals, parsed, registries, short

DIGEST = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25"),
        ("docker.io/nginx:1.25", "docker.io/library/nginx:1.25"),
        ("index.docker.io/library/nginx:1.25", "docker.io/library/nginx:1.25"),
        ("vllm/vllm-openai:v0.9.1", "docker.io/vllm/vllm-openai:v0.9.1"),
        ("nvcr.io/nvidia/tritonserver:25.01-py3", "nvcr.io/nvidia/tritonserver:25.01-py3"),
        ("localhost/app", "localhost/app:latest"),
        ("registry:5000/team/app", "registry:5000/team/app:latest"),
        ("registry:5000/app:2", "registry:5000/app:2"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        (f"reg.example/a/b:1@{DIGEST}", f"reg.example/a/b@{DIGEST}"),
        ("", ""),
    ],
)
def test_every_image_has_one_spelling(text: str, expected: str) -> None:
    assert canonical(text) == expected
    assert canonical(expected) == expected


def test_other_tags_are_other_images() -> None:
    assert parsed("reg.example/app:1") != parsed("reg.example/app:2")
    assert parsed("reg.example/app") == parsed("reg.example/app:latest")


def test_people_read_the_last_part() -> None:
    assert short("reg.example/team/vllm:1.2") == "vllm:1.2"
    assert short(f"reg.example/team/vllm@{DIGEST}") == "vllm@0123456789ab"
    assert short("") == ""


def test_columns_are_spelt_at_once() -> None:
    names = pd.Series(["nginx", "", "reg.example/a:1"], dtype="str")
    assert list(canonicals(names)) == ["docker.io/library/nginx:latest", "", "reg.example/a:1"]
    assert list(registries(names)) == ["docker.io", "", "reg.example"]
    assert str(canonicals(names[:0]).dtype) == "str"
