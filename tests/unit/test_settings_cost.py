from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.errors import WrongSetting
from services.ports import CostPolicy
from services.settings import OpenCostAccess, load

ONE = {"GFC_IN_CLUSTER": "true"}


def test_without_settings_money_is_counted_in_utc_and_energy_has_no_price() -> None:
    assert load({}).cost == CostPolicy("UTC", (), timedelta(days=400), 1.4, None, None)


def test_settings_say_how_money_is_counted() -> None:
    given = {
        "GFC_REPORT_ZONE": "Asia/Kolkata",
        "GFC_COST_LABELS": "cost-centre, example.com/project, cost-centre",
        "GFC_KEEP_COST_HOURS_DAYS": "90",
        "GFC_ENERGY_PUE": "1.2",
        "GFC_ENERGY_USD_PER_KWH": "0.12",
        "GFC_ENERGY_GRAMS_PER_KWH": "380",
    }
    labels = ("cost-centre", "example.com/project")
    assert load(given).cost == CostPolicy("Asia/Kolkata", labels, timedelta(days=90), 1.2, 0.12, 380)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("GFC_REPORT_ZONE", "Mars/Base", 'GFC_REPORT_ZONE is "Mars/Base"; expected the name of a time zone'),
        ("GFC_REPORT_ZONE", "../etc/passwd", "expected the name of a time zone such as Europe/Berlin."),
        ("GFC_REPORT_ZONE", "Europe", "expected the name of a time zone such as Europe/Berlin."),
        ("GFC_COST_LABELS", "a,b,c,d,e", "expected at most 4 label keys such as"),
        ("GFC_COST_LABELS", "a b", 'GFC_COST_LABELS is "a b"; expected at most 4 label keys'),
        ("GFC_KEEP_COST_HOURS_DAYS", "34", "expected a whole number of days from 35 to 3650."),
        ("GFC_ENERGY_PUE", "0.9", "expected a number from 1 to 5."),
        ("GFC_ENERGY_USD_PER_KWH", "nan", "expected a number from 0 to 10."),
        ("GFC_ENERGY_GRAMS_PER_KWH", "-1", "expected a number from 0 to 5000."),
    ],
)
def test_a_wrong_setting_of_money_stops_the_start(name: str, value: str, says: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        load({name: value})
    assert says in str(caught.value)


def test_an_opencost_belongs_to_its_cluster(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("t-1\n")
    given = {
        "GFC_OPENCOST_URL": "http://opencost.opencost:9003/",
        "GFC_OPENCOST_KEY_FILE": str(tmp_path / "key"),
        "GFC_OPENCOST_CLUSTER_ID": "prod-eu",
    }
    (cluster,) = load({**ONE, **given}).clusters
    assert cluster.opencost == OpenCostAccess(
        "http://opencost.opencost:9003", key=SecretStr(""), key_file=str(tmp_path / "key"), cluster_id="prod-eu"
    )
    assert load(ONE).clusters[0].opencost is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"GFC_OPENCOST_CLUSTER_ID": "x"}, "GFC_OPENCOST_URL is missing; expected an address such as http://opencost"),
        ({"GFC_OPENCOST_URL": "opencost:9003"}, 'GFC_OPENCOST_URL starts with "opencost:"'),
        (
            {"GFC_OPENCOST_URL": "http://o", "GFC_OPENCOST_KEY": "hunter2", "GFC_OPENCOST_KEY_FILE": "x"},
            "are both set; expected only one of the two.",
        ),
    ],
)
def test_a_wrong_way_to_opencost_stops_the_start(given: dict[str, str], says: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        load({**ONE, **given})
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)
