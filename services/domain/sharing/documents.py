"""YAML documents as plain data."""

from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


def load(text: str) -> Any:
    """The data of a document. Raises ValueError when it is no YAML (or has a key twice)."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ValueError("it is no YAML") from error


def dump(body: Any) -> str:
    """Data as a document, keys in the order they have."""
    stream = StringIO()
    writer = YAML()
    writer.default_flow_style = False
    writer.dump(body, stream)
    return stream.getvalue()
