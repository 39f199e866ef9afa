"""Batch settings of an inference engine as the arguments of its container say them.

Arguments may hold keys (``--api-key``), so :func:`kept` takes what is known here and drops the rest, at the door.
Names and defaults: vLLM ``engine/arg_utils.py``; SGLang ``srt/server_args.py``; TGI ``launcher/src/main.rs``.
"""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

VLLM, SGLANG, TGI = "vLLM", "SGLang", "TGI"

FLAGS: dict[str, str] = {
    "--max-num-seqs": "sequences",
    "--max-running-requests": "sequences",
    "--max-concurrent-requests": "sequences",
    "--max-num-batched-tokens": "batch_tokens",
    "--chunked-prefill-size": "batch_tokens",
    "--max-batch-prefill-tokens": "batch_tokens",
    "--gpu-memory-utilization": "memory_share",
    "--mem-fraction-static": "memory_share",
    "--cuda-memory-fraction": "memory_share",
    "--max-model-len": "length",
    "--context-length": "length",
    "--max-total-tokens": "length",
    "--tensor-parallel-size": "gpus_per_model",
    "--tp-size": "gpus_per_model",
    "--tp": "gpus_per_model",
    "--num-shard": "gpus_per_model",
    "--kv-cache-dtype": "cache_type",
    "--quantization": "quantisation",
    "--quantize": "quantisation",
}
"""Flags by what they set."""
_ENGINES = {
    VLLM: ("--max-num-seqs", "--max-num-batched-tokens", "--gpu-memory-utilization", "--max-model-len"),
    SGLANG: ("--max-running-requests", "--mem-fraction-static", "--context-length", "--chunked-prefill-size"),
    TGI: ("--max-concurrent-requests", "--max-batch-prefill-tokens", "--cuda-memory-fraction", "--num-shard"),
}
_SWITCHES = {
    "--enable-prefix-caching": ("prefix_cache", "on"),
    "--no-enable-prefix-caching": ("prefix_cache", "off"),
    "--disable-radix-cache": ("prefix_cache", "off"),
}
_NUMBERS = frozenset({"sequences", "batch_tokens", "memory_share", "length", "gpus_per_model"})
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,24}")
_LONGEST = 8192
"""Characters of one argument that are looked at."""


@dataclass(frozen=True)
class Setting:
    """One setting: what it sets, the ``flag`` that does, and its value as it is written."""

    name: str
    flag: str
    text: str

    @property
    def number(self) -> float | None:
        """Its value, None when it is a word. ``8k`` is 8,000 and ``8K`` is 8,192, as vLLM reads them."""
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kKmM]?)", self.text)
        if match is None:
            return None
        times = {"": 1, "k": 1000, "K": 1024, "m": 1000**2, "M": 1024**2}[match[2]]
        return float(match[1]) * times


def kept(parts: Iterable[str]) -> list[str]:
    """Of a command and its arguments, what is known here, as ``--flag=value``; nothing else, whatever it is."""
    return [one.flag if one.flag in _SWITCHES else f"{one.flag}={one.text}" for one in _found(parts)]


def settings(parts: Iterable[str]) -> dict[str, Setting]:
    """Settings by name; the last of a name counts, as for the engines."""
    return {one.name: one for one in _found(parts)}


def engine(parts: Sequence[str]) -> str:
    """The engine whose flags these are, "" when none is told."""
    flags = {one.flag for one in _found(parts)}
    return next((name for name, own in _ENGINES.items() if flags & set(own)), "")


def _found(parts: Iterable[str]) -> list[Setting]:
    words: list[str] = []
    for part in parts:
        if isinstance(part, str):
            words += _split(part[:_LONGEST]) if " " in part else [part]
    found = []
    for place, word in enumerate(words):
        flag, equals, value = word.partition("=")
        flag = flag.replace("_", "-")
        if flag in _SWITCHES and not equals:
            name, text = _SWITCHES[flag]
            found.append(Setting(name, flag, text))
        elif flag in FLAGS:
            text = value if equals else words[place + 1] if place + 1 < len(words) else ""
            if _WORD.fullmatch(text) and not text.startswith("-"):
                one = Setting(FLAGS[flag], flag, text)
                if FLAGS[flag] not in _NUMBERS or one.number is not None:
                    found.append(one)
    return found


def _split(line: str) -> list[str]:
    """Words of a line for a shell; one that no shell reads has none."""
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return []
