"""Batch settings from arguments; and what is dropped, keys above all."""

import pytest

from services.domain.serving.arguments import SGLANG, TGI, VLLM, engine, kept, settings

SECRET = "sk-planted-7f3a"


def said(*parts: str) -> dict[str, str]:
    return {name: one.text for name, one in settings(parts).items()}


def test_flags_are_read_in_every_way_they_are_written() -> None:
    assert said("--max-num-seqs", "64", "--gpu-memory-utilization=0.92") == {"sequences": "64", "memory_share": "0.92"}
    assert said("vllm serve /m --max-num-seqs 64 --max_model_len 8k  --tp 2") == {
        "sequences": "64", "length": "8k", "gpus_per_model": "2",
    }  # fmt: skip
    assert said("--max-running-requests=48", "--mem-fraction-static", "0.85", "--disable-radix-cache") == {
        "sequences": "48", "memory_share": "0.85", "prefix_cache": "off",
    }  # fmt: skip


def test_the_last_of_a_name_counts() -> None:
    assert said("--max-num-seqs", "64", "--max-num-seqs=128") == {"sequences": "128"}


@pytest.mark.parametrize(
    ("text", "number"), [("8k", 8000.0), ("8K", 8192.0), ("1m", 1e6), ("0.9", 0.9), ("131072", 131072.0)]
)
def test_numbers_are_read_as_the_engine_does(text: str, number: float) -> None:
    assert settings(["--max-model-len", text])["length"].number == number


@pytest.mark.parametrize(
    "parts",
    [
        ["--max-num-seqs"],
        ["--max-num-seqs", "--max-model-len"],
        ["--max-num-seqs", "$(SEQS)"],
        ["--max-num-seqs", "many"],
        ["--max-num-seqs", "-4"],
        ["--max-num-seqs", "64; rm -rf /"],
        ["sh", "-c", "vllm 'unfinished --max-num-seqs 64"],
        ["--kv-cache-dtype", "<b>evil</b>"],
        ["--quantization=" + "x" * 25],
    ],
)
def test_what_is_no_setting_is_left_out(parts: list[str]) -> None:
    assert settings(parts) == {}


def test_nothing_but_known_settings_is_kept() -> None:
    parts = [
        "vllm", "serve", "--api-key", SECRET, f"--api-key={SECRET}", "--max-num-seqs", "64", "--enable-prefix-caching",
        f"--max-model-len={SECRET}", "--quantization", "fp8",
    ]  # fmt: skip
    assert kept(parts) == ["--max-num-seqs=64", "--enable-prefix-caching", "--quantization=fp8"]
    line = f"TOKEN={SECRET} vllm serve --gpu-memory-utilization 0.8 --hf-token {SECRET}"
    assert kept(["sh", "-c", line]) == ["--gpu-memory-utilization=0.8"]
    assert settings(kept(parts)) == settings(parts)


def test_an_engine_is_known_by_its_flags() -> None:
    assert engine(["--max-num-seqs=1"]) == VLLM
    assert engine(["--mem-fraction-static=0.8"]) == SGLANG
    assert engine(["--num-shard=2"]) == TGI
    assert engine(["--quantize=awq"]) == engine([]) == ""
