"""What may be given about money: the calendar of reports, what costs are kept by and for how long, energy."""

from typing import Annotated

from pydantic import BaseModel, Field

from services.settings.fields import LABEL_KEY, Zone, given

MOST_LABELS = 4
"""Each label multiplies the rows of every hour."""


class Cost(BaseModel):
    """How money is counted."""

    report_zone: Zone = given(
        "UTC",
        "Time zone of days, months and reports about money. Facts that were kept before a change stay as they are.",
        "the name of a time zone such as Europe/Berlin",
        min_length=1,
        max_length=64,
    )
    cost_labels: tuple[Annotated[str, Field(pattern=LABEL_KEY)], ...] = given(
        (),
        "Labels of pods that costs are kept by, besides team, namespace and workload. Comma-separated in the "
        "environment.",
        f"at most {MOST_LABELS} label keys such as cost-centre or example.com/project",
        max_length=MOST_LABELS,
    )
    keep_cost_hours_days: int = given(
        400,
        "How long costs are kept hour by hour, in days. Costs by day are kept for ever.",
        "a whole number of days from 35 to 3650",
        ge=35,
        le=3650,
    )
    energy_pue: float = given(
        1.4,
        "Energy the whole site draws for each unit its computers draw (PUE).",
        "a number from 1 to 5",
        ge=1,
        le=5,
        allow_inf_nan=False,
    )
    energy_usd_per_kwh: float | None = given(
        None,
        "Price of electricity, in US dollars per kWh. Without it energy has no price.",
        "a number from 0 to 10",
        ge=0,
        le=10,
        allow_inf_nan=False,
    )
    energy_grams_per_kwh: float | None = given(
        None,
        "Carbon dioxide of the grid, in grams per kWh. Without it no carbon is shown.",
        "a number from 0 to 5000",
        ge=0,
        le=5000,
        allow_inf_nan=False,
    )
