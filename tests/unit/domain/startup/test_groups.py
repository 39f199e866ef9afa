from services.domain.startup import Phase
from services.domain.startup.groups import GROUP_OF, GROUPS, folded


def test_every_phase_is_in_exactly_one_group() -> None:
    assert sorted(phase for group in GROUPS.values() for phase in group.phases) == sorted(Phase)
    assert set(GROUP_OF) == set(Phase)


def test_the_groups_stand_in_the_order_of_a_start() -> None:
    assert [group.title for group in GROUPS.values()] == [
        "Waiting", "Autoscaler", "Node provisioning", "Node boot", "GPU device", "Pod setup", "Image pull", "Init",
        "Model download", "Container start", "Restarts", "Model load", "Unattributed",
    ]  # fmt: skip
    assert all(group.about.endswith(".") for group in GROUPS.values())


def test_phases_fold_into_their_groups() -> None:
    found = folded({Phase.QUEUE: 5.0, Phase.BIND: 1.0, Phase.PULL_WAIT: 10.0, Phase.PULL: 90.0})
    assert (found["waiting"], found["pull"], found["load"]) == (6.0, 100.0, 0.0)
