"""Why pods wait, in plain words."""

from services.domain.pending import unschedulable


def test_gpu_shortage_is_named_before_nodes_that_never_fitted() -> None:
    message = (
        "0/12 nodes are available: 4 Insufficient nvidia.com/gpu, 8 node(s) didn't match Pod's node affinity/selector. "
        "preemption: 0/12 nodes are available: 12 No preemption victims found for incoming pod."
    )
    assert unschedulable(message) == (
        "No free GPU",
        "4 of 12 nodes have too few free nvidia.com/gpu; 8 of 12 nodes do not match its node selector or affinity",
    )


def test_otherwise_the_cause_that_rules_out_most_nodes() -> None:
    message = "0/9 nodes are available: 2 Insufficient cpu, 7 node(s) had untolerated taint {team: x}."
    reason, sentence = unschedulable(message)
    assert reason == "Taint not tolerated"
    assert sentence == "7 of 9 nodes have a taint it does not tolerate; 2 of 9 nodes have too little free cpu"


def test_both_wordings_of_taints_are_read() -> None:
    assert unschedulable("0/3 nodes are available: 3 node(s) had untolerated taint(s).")[0] == "Taint not tolerated"


def test_gpu_and_cpu_shortage_are_both_said() -> None:
    _, sentence = unschedulable("0/5 nodes are available: 3 Insufficient nvidia.com/gpu, 2 Insufficient memory.")
    assert sentence == "3 of 5 nodes have too few free nvidia.com/gpu; 2 of 5 nodes have too little free memory"


def test_an_unknown_message_is_quoted_and_bounded() -> None:
    reason, sentence = unschedulable("x" * 1000)
    assert reason == "Unschedulable"
    assert len(sentence) == 300
