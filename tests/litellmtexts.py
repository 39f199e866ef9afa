"""Configurations of LiteLLM as people write them, made up: random structure, style, indentation and comments."""

import json
import re
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from services.domain.litellm import KINDS

MARK = "sk-PLANTED"
"""Part of every key in clear text, and of nothing else."""
NAMES = ["chat", "large", "small", "a/b", "größer", "x y", "no", "4", "it's", "a: b", "c#", "*", "-", "{d}", "🚀"]
KNOBS: dict[str, list[Any]] = {
    "num_retries": [0, 2], "cooldown_time": [5, 60.0], "allowed_fails": [3], "disable_cooldowns": [True, False],
    "routing_strategy": ["simple-shuffle", "least-busy"], "max_fallbacks": [None, 4],
}  # fmt: skip
COMMENTS = ["# why", "#", f"# was {MARK}-comment", "# - chat: [large]", "#  {a: b}", "# ünï"]


class Scribe:
    """Writes a configuration as people do: in any of YAML's styles, with comments and blank lines anywhere."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.step = random.choice([2, 2, 4])
        self.hanging = random.choice([0, 2])
        self.noise = random.choice([0.0, 0.15, 0.4])
        self.flow = random.choice([0.1, 0.5])
        self.end = random.choice(["\n", "\n", "\r\n"])

    def text(self) -> str:
        """A whole file."""
        lines = [line for name, under in self.sections() for line in self.pair(name, under, 0)]
        whole = self.end.join(self.noisy(lines))
        return whole + (self.end if self.random.random() < 0.8 else "")

    def sections(self) -> list[tuple[str, Any]]:
        groups = self.random.sample(NAMES, self.random.randint(1, 4))
        found: list[tuple[str, Any]] = [
            ("model_list", [self.deployment(self.random.choice(groups)) for _ in range(self.random.randint(1, 5))]),
            ("general_settings", self.random.choice([None, {"master_key": f"{MARK}-master", "alerting": ["slack"]}])),
        ]
        sections = [name for name in ("router_settings", "litellm_settings") if self.random.random() < 0.7]
        found += [(section, self.settings(groups)) for section in sections]
        self.random.shuffle(found)
        return found

    def deployment(self, group: str) -> dict[str, Any]:
        params: dict[str, Any] = {"model": self.random.choice(["openai/gpt-4o", "hosted_vllm/llama", "azure/x"])}
        if self.random.random() < 0.6:
            params["api_key"] = self.random.choice([f"{MARK}-{self.random.randint(1, 99)}", "os.environ/KEY"])
        if self.random.random() < 0.5:
            params["order"] = self.random.randint(0, 3)
        if self.random.random() < 0.4:
            params["weight"] = self.random.choice([1, 2, 0.5, 1.0])
        if self.random.random() < 0.2:
            params["timeout"] = self.random.choice([5, 2.5])
        if self.random.random() < 0.2:
            params["extra"] = {"deep": [1, {"deeper": "a"}], "headers": {"x": f"{MARK}-header"}}
        found: dict[str, Any] = {"model_name": group, "litellm_params": params}
        if self.random.random() < 0.4:
            found["model_info"] = {"order": self.random.randint(1, 3), "tier": "paid"}
            if self.random.random() < 0.4:
                found["model_info"]["blocked"] = self.random.random() < 0.5
        parts = list(found.items())
        self.random.shuffle(parts)
        return dict(parts)

    def settings(self, groups: Sequence[str]) -> dict[str, Any] | None:
        found: dict[str, Any] = {"timeout": 30} if self.random.random() < 0.5 else {}
        for name, values in KNOBS.items():
            if self.random.random() < 0.2:
                found[name] = self.random.choice(values)
        if self.random.random() < 0.3:
            found["routing_groups"] = self.routing(groups)
        for kind in KINDS:
            if self.random.random() < 0.5:
                mine = self.random.sample(groups, self.random.randint(0, len(groups)))
                found[kind] = [{group: self.some(groups)} for group in mine]
        if self.random.random() < 0.3:
            found["default_fallbacks"] = self.some(groups)
        return found or None

    def routing(self, groups: Sequence[str]) -> list[dict[str, Any]]:
        """Every group in one entry at most."""
        mixed = self.random.sample(groups, len(groups))
        cut = self.random.randint(0, len(mixed))
        strategies = ["least-busy", "cost-based-routing", "simple-shuffle"]
        return [
            {"group_name": f"r{number}", "models": models, "routing_strategy": self.random.choice(strategies)}
            for number, models in enumerate((mixed[:cut], mixed[cut:]))
            if models
        ]

    def some(self, groups: Sequence[str]) -> list[str]:
        return self.random.sample(groups, self.random.randint(0, min(3, len(groups))))

    def pair(self, key: str, value: Any, column: int) -> list[str]:
        """The lines of "key: value" at a column."""
        head = " " * column + self.word(key) + ":"
        if value is None:
            return [head + self.random.choice(["", " ", " null"])]
        if not isinstance(value, dict | list) or not value or self.random.random() < self.flow:
            return [f"{head} {self.inline(value)}"]
        return [head, *self.block(value, column + (self.step if isinstance(value, dict) else self.hanging))]

    def block(self, value: Any, column: int) -> list[str]:
        if isinstance(value, dict):
            return [line for key, under in value.items() for line in self.pair(key, under, column)]
        return [line for one in value for line in self.item(one, column)]

    def item(self, value: Any, column: int) -> list[str]:
        if not isinstance(value, dict) or self.random.random() < self.flow:
            return [f"{' ' * column}- {self.inline(value)}"]
        first, *rest = self.block(value, column + 2)
        return [f"{' ' * column}- {first.lstrip()}", *rest]

    def inline(self, value: Any) -> str:
        gap = self.random.choice(["", " "])
        if isinstance(value, dict):
            return "{" + gap + ", ".join(f"{self.word(k)}: {self.inline(v)}" for k, v in value.items()) + gap + "}"
        if isinstance(value, list):
            return "[" + gap + ", ".join(map(self.inline, value)) + gap + "]"
        return self.word(value) if isinstance(value, str) else json.dumps(value)

    def word(self, text: str) -> str:
        quoted = ["'" + text.replace("'", "''") + "'", json.dumps(text, ensure_ascii=False), json.dumps(text)]
        if not all(ord(one) < 0x10000 for one in text):
            quoted.pop()  # JSON writes two halves, which YAML does not take
        plain = re.fullmatch(r"[a-zäöüß_][\w./-]*( \w+)*", text, re.IGNORECASE) and text != "no"
        return self.random.choice([text, text, *quoted] if plain else quoted)

    def noisy(self, lines: Sequence[str]) -> Iterator[str]:
        """The lines with comments behind and between them, blank lines and trailing spaces."""
        for line in lines:
            if self.random.random() < self.noise:
                at = self.random.choice([len(line) - len(line.lstrip()), 0, 3])
                yield self.random.choice(["", "  ", " " * at + self.random.choice(COMMENTS)])
            behind = self.random.choice(["  ", f" {self.random.choice(COMMENTS)}"])
            yield line + (behind if self.random.random() < self.noise else "")
