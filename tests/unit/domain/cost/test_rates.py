import pandas as pd
import pytest

from services.domain import frames, prices
from services.domain.cost import UNPRICED, rates

AT = pd.Timestamp("2026-06-02T14:00:00Z")
LONG_AGO, LATER = pd.Timestamp("2020-01-01T00:00:00Z"), pd.Timestamp("2026-06-02T14:30:00Z")
BOOK = frames.table(
    prices.BOOK,
    [
        ("aws", "us-east-1", "p5.48xlarge", "H100", 8, 55.04, None, "table", "2026-07-20"),
        ("aws", "us-east-1", "g4dn.xlarge", "T4", 1, 0.526, None, "table", "2026-07-20"),
    ],
)
NODES = pd.DataFrame(
    [
        ("prod", "p5.48xlarge", "us-east-1a", "us-east-1", "on-demand", "H100 80GB HBM3", 8),
        ("prod", "g4dn.xlarge", "us-east-1b", "us-east-1", "spot", "T4", 1),
        ("lab", "metal", "", "", "on-demand", "L40S", 4),
    ],
    columns=[*rates.NAMED, "gpus"],
)


def line(per: str, micro: int, *, discount: float = 0.0, begins: pd.Timestamp = LONG_AGO, **named: str) -> list[object]:
    ends = named.pop("ends", pd.NaT)
    return [*(named.get(name, "") for name in rates.NAMED), per, micro, discount, "", begins, ends]


def priced(*lines: list[object], at: pd.Timestamp = AT) -> list[tuple[int, str]]:
    found = rates.priced(NODES, frames.table(rates.CARD, lines), BOOK, at)
    return list(zip(found["micro_per_hour"], found["basis"], strict=True))


def test_without_a_card_list_prices_stand_and_the_unknown_has_none() -> None:
    assert priced() == [
        (55_040_000, "list price 2026-07-20"),
        (210_400, "spot, assumed 60% below list 2026-07-20"),  # 0.526 × 0.4
        (UNPRICED, ""),
    ]


def test_a_line_for_a_gpu_prices_the_instance_by_its_gpus() -> None:
    assert priced(line("gpu", 1_500_000, model="L40S"))[2] == (6_000_000, "rate card")


def test_a_discount_comes_off_the_price() -> None:
    assert priced(line("instance", 55_040_000, discount=0.35, instance_type="p5.48xlarge"))[0][0] == 35_776_000


def test_the_line_that_names_most_wins_wherever_it_stands() -> None:
    exact = line("instance", 3, cluster="prod", instance_type="p5.48xlarge")
    kind, model = line("instance", 2, instance_type="p5.48xlarge"), line("instance", 1, model="H100 80GB HBM3")
    for order in ([exact, kind, model], [model, kind, exact], [kind, exact, model]):
        assert priced(*order)[0] == (3, "rate card")
    assert priced(kind, model)[0][0] == 2, "an instance type tells more than a model"
    assert priced(line("instance", 1, model="T4"), line("instance", 9, model="T4"))[1][0] == 9, "the later of equals"


@pytest.mark.parametrize(
    ("begins", "ends", "micro"),
    [(LONG_AGO, AT, 55_040_000), (AT, pd.NaT, 1), (LONG_AGO, LATER, 1), (LATER, pd.NaT, 55_040_000)],
)
def test_a_line_is_in_force_from_its_beginning_until_before_its_end(
    begins: pd.Timestamp, ends: pd.Timestamp, micro: int
) -> None:
    assert priced(line("instance", 1, begins=begins, ends=ends, cluster="prod"))[0][0] == micro  # type: ignore[arg-type]


def test_prices_turn_where_lines_begin_and_end_within_the_hour() -> None:
    card = frames.table(
        rates.CARD,
        [line("gpu", 1, ends=LATER), line("gpu", 2, begins=LATER), line("gpu", 3, begins=AT)],  # type: ignore[arg-type]
    )
    assert rates.turns(card, AT, AT + pd.Timedelta(hours=1)) == [LATER]
