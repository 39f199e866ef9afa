"""Finding out which exporter generations and label habits a metrics source holds: asked now and then, kept a while."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta

import msgspec

from services.adapters.prom_envelope import unreadable
from services.adapters.prom_frames import Grid, decoded
from services.adapters.prom_http import PromHttp
from services.adapters.promql_text import matchers_of, names_selector, quoted, selector
from services.adapters.promql_units import EXPORTER_PODS, Flavour, Owners
from services.domain.signals import SIGNALS

KEEP_S = 300.0
"""How long a finding is used before it is looked up again."""

CARRIERS = {carrier.metric: signal.id for signal in SIGNALS.values() for carrier in signal.carriers}
"""Every metric that can carry a signal, and the signal."""

GUARDED = frozenset(
    carrier.metric for signal in SIGNALS.values() for carrier in signal.carriers if carrier.percent_guard
)

_REACHES = tuple(timedelta(hours=hours) for hours in (1, 6, 24, 7 * 24, 31 * 24, 92 * 24, 400 * 24))


class Flavours:
    """The flavours of one source, by how far back a question looks: an old window may need old names.

    Thread-safe; each is looked up once, whoever asks meanwhile waits for it.
    """

    def __init__(
        self, http: PromHttp, pool: Executor, matchers: Mapping[str, str], clock: Callable[[], datetime]
    ) -> None:
        self._http = http
        self._pool = pool
        self._matchers = matchers_of(matchers)
        self._clock = clock
        self._guard = threading.Lock()
        self._looking = {reach: threading.Lock() for reach in _REACHES}
        self._found: dict[timedelta, tuple[datetime, Flavour]] = {}

    def since(self, start: datetime) -> Flavour:
        """The flavour of all that was collected since ``start`` (at least the last hour). Raises SourceError."""
        now = self._clock()
        reach = next((reach for reach in _REACHES if now - reach <= start), _REACHES[-1])
        with self._looking[reach]:
            held = self._found.get(reach)
            if held is not None and abs(now - held[0]) < timedelta(seconds=KEEP_S):
                return held[1]
            flavour = self._look(now - reach, now)
            with self._guard:
                self._found[reach] = (now, flavour)
            return flavour

    def forget(self) -> None:
        """Look everything up again when next asked."""
        with self._guard:
            self._found.clear()

    def _look(self, start: datetime, end: datetime) -> Flavour:
        span = {"start": f"{start.timestamp():.0f}", "end": f"{end.timestamp():.0f}"}
        every = names_selector(CARRIERS, self._matchers)
        metrics = frozenset(self._values("__name__", [every], span)) & CARRIERS.keys()
        if not metrics:
            return Flavour()
        wanted = names_selector(metrics, self._matchers)
        labels = self._pool.submit(self._labels, wanted, span)
        owned = names_selector(metrics, (*self._matchers, 'exported_pod!=""'))
        exported_jobs = frozenset(self._values("job", [owned], span))
        found = labels.result()
        percent = bool(metrics & GUARDED) and self._in_percent(sorted(metrics & GUARDED), start, end)
        owners, jobs = self._owners(found, metrics, exported_jobs, span)
        return Flavour(metrics, found, owners, jobs, percent)

    def _owners(
        self, labels: frozenset[str], metrics: frozenset[str], exported_jobs: frozenset[str], span: Mapping[str, str]
    ) -> tuple[Owners, tuple[str, ...]]:
        if "exported_pod" not in labels:
            return (Owners.PLAIN if "pod" in labels else Owners.NONE), ()
        # A job none of whose series has exported_pod, but some a pod that is not the exporter: honorLabels is on there.
        plain = names_selector(
            metrics, (*self._matchers, 'exported_pod=""', 'pod!=""', f"pod!~{quoted(EXPORTER_PODS)}")
        )
        plain_jobs = sorted(set(self._values("job", [plain], span)) - exported_jobs)
        return (Owners.MIXED, tuple(plain_jobs)) if plain_jobs else (Owners.EXPORTED, ())

    def _in_percent(self, metrics: Sequence[str], start: datetime, end: datetime) -> bool:
        """Whether a metric that should be a ratio was seen above 1.5: 48 looks over the span are enough for a fleet."""
        step = max(round((end - start).total_seconds() / 48), 60)
        reach = round((end - start).total_seconds())
        query = " or ".join(f"max({selector(metric, self._matchers)})" for metric in metrics)
        form = {"query": f"max_over_time(({query})[{reach}s:{step}s])", "time": f"{end.timestamp():.3f}"}
        answer = self._http.post("query", form)
        table = decoded(self._http.source, answer.data, (), Grid(end.timestamp()), max_series=len(metrics) + 1)
        return bool((table.samples > 1.5).any())

    def _values(self, label: str, match: Sequence[str], span: Mapping[str, str]) -> list[str]:
        answer = self._http.get(f"label/{label}/values", {"match[]": match, **span})
        return texts(self._http.source, answer.data)

    def _labels(self, match: str, span: Mapping[str, str]) -> frozenset[str]:
        return frozenset(texts(self._http.source, self._http.post("labels", {"match[]": match, **span}).data))


def texts(source: str, data: bytes | msgspec.Raw) -> list[str]:
    """A list of strings, as the label endpoints answer. Raises SourceUnavailable for anything else."""
    try:
        return msgspec.json.decode(data, type=list[str] | None) or []
    except msgspec.MsgspecError as error:
        raise unreadable(source) from error
