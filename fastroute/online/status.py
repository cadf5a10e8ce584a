"""What an online router has decided, observed and spent, and what it knows of every model."""

from dataclasses import dataclass

from fastroute.online.plan import make_plan
from fastroute.online.state import State


@dataclass(frozen=True)
class ModelStatus:
    """What is known of a model."""

    name: str
    deployed: bool
    failed: bool
    retired: bool
    chosen: int  #: decisions in which the policy chose it
    rewards: int  #: rewards that were observed of it
    reward_sum: float
    costs: int  #: costs that were observed of it
    cost_sum: float
    mean_reward: float | None
    mean_cost: float | None
    reward_bound: float  #: what it may bring: the bound by which models are chosen
    cost_bound: float


@dataclass(frozen=True)
class WindowStatus:
    """Money of the period of a window."""

    start: float  #: seconds of the epoch
    end: float
    available: float
    spent: float  #: by all replicas, as far as is known
    reserved: float  #: expected cost of the queries in flight


@dataclass(frozen=True)
class Status:
    """What a router has done so far."""

    time: float  #: of this status, in seconds of the epoch
    policy: str
    mode: str
    decisions: int
    in_flight: int  #: decisions of which a reward or a cost is yet to be observed
    mean_reward: float | None
    mean_cost: float | None
    budget: float
    max_deployed: int
    stage_since: float | None  #: seconds of the epoch; None before the first decision
    next_stage_time: float | None  #: None where stages are counted in decisions
    next_stage_decision: int | None  #: number of a decision; None where stages go by the clock
    window: WindowStatus | None
    models: tuple[ModelStatus, ...]


def make_status(state: State, moment: float) -> Status:
    """Return what a router has done until a time; nothing changes.

    Parameters
    ----------
    state : State
    moment : float
        Seconds of the epoch.
    """
    settings, player = state.settings, state.player
    rewards, reward_sum, costs, cost_sum = (sum(c[k] for c in state.counts) for k in range(1, 5))
    begun, stage = state.stage_first >= 0, settings.stage
    next_time = stage.end_of(state.stage_time) if begun else None
    next_decision = None
    if begun and next_time is None and stage.decisions is not None:
        next_decision = state.stage_first + stage.decisions
    return Status(
        time=moment,
        policy=settings.policy.title,
        mode=settings.mode,
        decisions=player.now,
        in_flight=len(state.open),
        mean_reward=_mean(reward_sum, rewards),
        mean_cost=_mean(cost_sum, costs),
        budget=settings.budget,
        max_deployed=settings.max_deployed,
        stage_since=state.stage_time if begun else None,
        next_stage_time=next_time,
        next_stage_decision=next_decision,
        window=_window(state),
        models=tuple(_models(state)),
    )


def _window(state: State) -> WindowStatus | None:
    account = state.account
    if account is None or account.end < 0.0:
        return None
    spent = account.spent + account.others
    return WindowStatus(account.start, account.end, account.available, spent, account.reserved)


def _models(state: State) -> list[ModelStatus]:
    player = state.player
    planned = make_plan(player, state.names).models
    found = []
    for number, name in enumerate(state.names):
        chosen, rewards, reward_sum, costs, cost_sum = state.counts[number]
        found.append(
            ModelStatus(
                name=name,
                deployed=name in state.deployed,
                failed=bool(player.models.failed[number]),
                retired=bool(player.models.retired[number]),
                chosen=int(chosen),
                rewards=int(rewards),
                reward_sum=reward_sum,
                costs=int(costs),
                cost_sum=cost_sum,
                mean_reward=_mean(reward_sum, rewards),
                mean_cost=_mean(cost_sum, costs),
                reward_bound=planned[number].reward_bound,
                cost_bound=planned[number].cost_bound,
            )
        )
    return found


def _mean(total: float, count: float) -> float | None:
    return total / count if count else None
