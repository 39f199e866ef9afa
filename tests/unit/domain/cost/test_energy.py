import math

import pytest

from services.domain.cost.energy import Energy, energy

NOTHING = {"usd_per_kwh": None, "grams_per_kwh": None}


def test_energy_is_power_by_time_by_what_the_site_draws_besides() -> None:
    # 10 GPU-hours at 700 W are 7 kWh of boards; with a PUE of 1.5 the site drew 10.5 kWh.
    found = energy(700.0, 10.0, pue=1.5, usd_per_kwh=0.2, grams_per_kwh=400.0)
    assert found == Energy(gpu_hours=10.0, kwh=10.5, usd=pytest.approx(2.1), grams=pytest.approx(4200.0))


def test_money_and_carbon_are_not_known_until_somebody_says_what_a_kwh_stands_for() -> None:
    found = energy(700.0, 10.0, pue=1.5, **NOTHING)
    assert found == Energy(gpu_hours=10.0, kwh=10.5, usd=None, grams=None)


def test_a_kwh_that_is_free_costs_nothing_and_that_is_known() -> None:
    found = energy(700.0, 10.0, pue=1.5, usd_per_kwh=0.0, grams_per_kwh=0.0)
    assert found is not None
    assert (found.usd, found.grams) == (0.0, 0.0)


@pytest.mark.parametrize(("watts", "gpu_hours"), [(None, 10.0), (math.nan, 10.0), (700.0, 0.0)])
def test_what_was_not_measured_has_no_energy(watts: float | None, gpu_hours: float) -> None:
    assert energy(watts, gpu_hours, pue=1.5, **NOTHING) is None
