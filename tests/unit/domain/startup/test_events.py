"""What the texts and times of events say, for every wording since Kubernetes 1.25."""

import pytest

from services.domain.objects import Event, EventSeries, EventSource, Meta, Reference
from services.domain.startup import events
from tests.unit.domain.startup.looks import UID, at

META = Meta(name="e", creation_timestamp=at(9))


def test_the_kubelets_recorder_counts_from_first_to_last() -> None:
    said = Event(META, first_timestamp=at(10), last_timestamp=at(40), count=4, source=EventSource("kubelet"))
    assert events.times(said) == (at(10), at(40), 4)
    assert events.component(said) == "kubelet"


def test_the_schedulers_recorder_has_an_event_time_and_a_series() -> None:
    said = Event(
        META,
        event_time=at(10.25),
        series=EventSeries(count=7, last_observed_time=at(70.5)),
        reporting_component="default-scheduler",
    )
    assert events.times(said) == (at(10.25), at(70.5), 7)
    assert events.component(said) == "default-scheduler"


def test_an_event_without_times_is_dated_by_its_object() -> None:
    assert events.times(Event(META)) == (at(9), at(9), 1)


def test_an_event_that_was_never_dated_has_no_time() -> None:
    assert events.times(Event(Meta(name="e"))) is None


def test_the_last_time_is_never_before_the_first() -> None:
    assert events.times(Event(META, first_timestamp=at(10), last_timestamp=at(3))) == (at(10), at(10), 1)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("spec.containers{server}", "server"),
        ("spec.initContainers{fetch-model}", "fetch-model"),
        (None, ""),
        ("", ""),
        ("spec.volumes{weights}", ""),
    ],
)
def test_a_container_is_named_by_the_field_path_only(path: str | None, name: str) -> None:
    said = Event(META, involved_object=Reference(field_path=path), message="Started container other")
    assert events.container(said) == name


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("850ms", 0.85),
        ("12.3s", 12.3),
        ("1m0.5s", 60.5),
        ("1h2m3.4s", 3723.4),
        ("1.5µs", 1.5e-6),
        ("12ns", 1.2e-8),
        ("0s", 0.0),
        ("", None),
        ("12", None),
        ("soon", None),
        ("12 s", None),
    ],
)
def test_durations_are_read_as_go_writes_them(text: str, seconds: float | None) -> None:
    assert events.go_seconds(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('Successfully pulled image "reg.example/a:1" in 12.3s', ("reg.example/a:1", 12.3, None, None)),
        (
            'Successfully pulled image "reg.example/a:1" in 12.3s (14.1s including waiting)',
            ("reg.example/a:1", 12.3, 1.8, None),
        ),
        (
            'Successfully pulled image "reg.example/a:1" in 1m12.3s (1m12.3s including waiting). '
            "Image size: 4831838208 bytes.",
            ("reg.example/a:1", 72.3, 0.0, 4831838208),
        ),
        ('Container image "reg.example/a:1" already present on machine', None),
        ('Successfully pulled image "reg.example/a:1" in a while', None),
    ],
)
def test_a_pull_tells_its_time_its_waiting_and_its_size(message: str, expected: object) -> None:
    assert events.pulled(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        'Container image "reg.example/a:1" already present on machine',
        'Container image "reg.example/a:1" already present on machine and can be accessed by the pod',
    ],
)
def test_a_cached_image_is_known_by_its_text(message: str) -> None:
    assert events.cached(message) == "reg.example/a:1"


def test_a_pulled_image_was_not_cached() -> None:
    assert events.cached('Successfully pulled image "reg.example/a:1" in 12.3s') is None


def test_a_combined_event_is_known_by_its_prefix() -> None:
    assert events.combined('(combined from similar events): Failed to pull image "reg.example/a:1": not found')
    assert not events.combined('Failed to pull image "reg.example/a:1": not found')


def test_a_victim_names_who_it_had_to_leave_for() -> None:
    assert events.preemptor(f"Preempted by pod {UID} on node n1") == UID
    assert events.preemptor(f"Preempted by {UID} on node n1") == UID
    assert events.preemptor("Preempted by serving/chat-0 on node n1") is None
    assert events.preemptor("Stopping container server") is None
