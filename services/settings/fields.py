"""What every given field has: a default, a description, and the end of the sentence a wrong value is answered with."""

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

TIMEOUT = "a number of seconds above 0, at most 600"
PATH = "the path of a readable file"
LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"


def given(default: Any, description: str, expected: str, **limits: Any) -> Any:
    """A field with what the reference and the messages say of it."""
    return Field(default=default, description=description, json_schema_extra={"expected": expected}, **limits)


def secret(description: str) -> Any:
    """A field that is never shown."""
    return given(None, description, "a text on one line")


def expected(field: FieldInfo) -> str:
    """How the field's sentence ends: what a right value looks like."""
    extra = field.json_schema_extra
    return str(extra["expected"]) if isinstance(extra, dict) else ""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # unknown, a folder, or out of the folder of zones
        raise ValueError("no such time zone") from error
    return name


Zone = Annotated[str, AfterValidator(_zone)]
Seconds = Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)]
Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]


class Section(BaseModel):
    """A part of the settings: unknown names are refused, and nothing given is repeated in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
