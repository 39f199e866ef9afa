"""Where settings come from: the environment, and one YAML file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from services.errors import WrongSetting
from services.settings import names
from services.settings.given import Given
from services.settings.given_alerts import Channel

_LISTS = {("kubernetes", "namespaces")} | {
    (field,)
    for model in (Given, Channel)
    for field, given in model.model_fields.items()
    if get_origin(given.annotation) is tuple
}
_PAIRS = {("prometheus", "matchers")}


class Environment(PydanticBaseSettingsSource):
    """Settings from environment variables; an empty variable counts as not set."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._given = {name: value for name, value in environ.items() if value.strip()}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """The text given for a field, its name, and that it is not JSON."""
        return self._given.get(f"{names.PREFIX}{field_name.upper()}"), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Everything given, as the schema nests it."""
        values: dict[str, Any] = {
            field: _parsed(name, (field,), self._given[name])
            for name, field in names.GENERAL.items()
            if name in self._given
        }
        for field, variables in (("clusters", names.CLUSTER), ("channels", names.CHANNEL)):
            if described := self._one(variables):
                values[field] = [described]
        return values

    def _one(self, variables: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
        """The one cluster or channel that variables describe."""
        found: dict[str, Any] = {}
        for name, path in variables.items():
            if name not in self._given:
                continue
            section = found if len(path) == 1 else found.setdefault(path[0], {})
            section[path[-1]] = _parsed(name, path, self._given[name])
        return found


def _parsed(name: str, path: tuple[str, ...], text: str) -> Any:
    """A variable's text as the schema wants it: lists and pairs are comma-separated."""
    if path in _LISTS:
        return [part.strip() for part in text.split(",") if part.strip()]
    if path in _PAIRS:
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        if not all(sign for _, sign, _ in pairs):
            raise WrongSetting(
                f'{name} is "{text}"; expected pairs of a label name and a value, such as cluster=prod-eu.'
            )
        return {label.strip(): value.strip() for label, _, value in pairs}
    return text


def from_file(path: str, base: Path) -> dict[str, Any]:
    """The mapping in the YAML file at ``path`` (relative to ``base``); {} when it is "" or the file is empty.

    Raises WrongSetting, which never repeats what stands in the file: it may hold secrets.
    """
    if not path:
        return {}
    named = f"{names.CONFIG} names {path}"
    try:
        content = YAML(typ="safe", pure=True).load((base / Path(path).expanduser()).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WrongSetting(f"{named}, which does not exist; expected the path of a YAML file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSetting(f"{named}, which cannot be read; expected the path of a YAML file.") from error
    except DuplicateKeyError as error:
        raise WrongSetting(f"{named}, which says one key twice{_place(error)}; expected every key once.") from error
    except YAMLError as error:
        raise WrongSetting(f"{named}, which is not YAML{_place(error)}; expected a mapping of settings.") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise WrongSetting(f"{named}, which holds no mapping of names to values; expected a mapping of settings.")
    return content


def _place(error: YAMLError) -> str:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    return "" if mark is None else f" (line {mark.line + 1})"
