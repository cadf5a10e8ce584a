"""Numbers of a router for Prometheus."""

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.metrics_core import CounterMetricFamily

from fastroute.online.status import Status

#: Type of the text that Prometheus reads.
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 1.0)


class Metrics:
    """What is counted here, and what the router counts.

    Parameters
    ----------
    status : callable
        Returns the status of the router.
    """

    def __init__(self, status: Callable[[], Status]) -> None:
        self._registry = CollectorRegistry()
        self.choose_seconds = Histogram(
            "fastroute_choose_seconds",
            "Time in which the router chooses, without that of HTTP.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._answers = Counter(
            "fastroute_http_answers",
            "Answers over HTTP.",
            ["path", "status"],
            registry=self._registry,
        )
        self._registry.register(_OfRouter(status))

    def answered(self, path: str, status: int) -> None:
        """Count an answer."""
        self._answers.labels(path, str(status)).inc()

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return generate_latest(self._registry)


class _OfRouter:
    """The numbers of a router, read when they are asked for."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        status = self._status()
        chosen = CounterMetricFamily(
            "fastroute_decisions", "Decisions by the model that was chosen.", labels=["model"]
        )
        rewards = SummaryMetricFamily(
            "fastroute_reward", "Rewards that were observed.", labels=["model"]
        )
        costs = SummaryMetricFamily("fastroute_cost", "Costs that were observed.", labels=["model"])
        deployed = GaugeMetricFamily(
            "fastroute_deployed", "1 for models that are deployed.", labels=["model"]
        )
        for model in status.models:
            name = [model.name]
            chosen.add_metric(name, model.chosen)
            rewards.add_metric(name, model.rewards, model.reward_sum)
            costs.add_metric(name, model.costs, model.cost_sum)
            deployed.add_metric(name, float(model.deployed))
        yield from (chosen, rewards, costs, deployed)
        yield _gauge("in_flight", "Decisions not yet wholly observed.", status.in_flight)
        yield _gauge("budget", "Largest mean cost of a query.", status.budget)
        if status.stage_since is not None:
            yield _gauge(
                "stage_opened_timestamp_seconds", "When the stage opened.", status.stage_since
            )
        window = status.window
        if window is not None:
            yield _gauge("window_available", "Money of the period.", window.available)
            yield _gauge("window_spent", "Money that was spent in the period.", window.spent)
            yield _gauge("window_reserved", "Expected cost of what is in flight.", window.reserved)


def _gauge(name: str, says: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"fastroute_{name}", says, value)
