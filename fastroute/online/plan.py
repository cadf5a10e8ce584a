"""What the next stage would deploy, and why."""

from typing import NamedTuple

import numpy as np

from fastroute.online.player import Player


class PlannedModel(NamedTuple):
    """A model in a plan."""

    name: str
    deploy: bool
    reason: str
    reward_bound: float  #: what it may bring: the bound by which models are chosen
    cost_bound: float
    observations: float


class Plan(NamedTuple):
    """What a stage would deploy if it opened now."""

    deploy: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    budget_price: float  #: worth of one more unit of budget, in reward
    models: tuple[PlannedModel, ...]

    def __str__(self) -> str:
        """Write the plan as lines of text."""
        lines = [f"deploy {', '.join(self.deploy) or 'nothing'}"]
        lines += [
            f"  {'+' if model.deploy else '-'} {model.name}: {model.reason}"
            for model in self.models
        ]
        return "\n".join(lines)


def make_plan(player: Player, names: list[str]) -> Plan:
    """Return what the next stage would deploy; nothing changes."""
    choice, problem = player.preview()
    chosen = choice.deployed[0]
    now = set(player.deployed)
    models = []
    for number, name in enumerate(names):
        bounds = float(problem.upper[0, number]), float(problem.lower[0, number])
        count = float(problem.pulls[0, number])
        if player.models.retired[number]:
            reason = "is retired"
        elif player.models.failed[number]:
            reason = "has failed"
        else:
            stays = "stays" if number in now else "comes in"
            goes = "goes out" if number in now else "stays out"
            known = (
                f"reward up to {bounds[0]:.3g} at a cost from {bounds[1]:.3g}"
                if count
                else "never observed, so taken as the best that it can be"
            )
            reason = f"{stays if chosen[number] else goes}: {known}"
        models.append(PlannedModel(name, bool(chosen[number]), reason, *bounds, count))
    deploy = np.flatnonzero(chosen).tolist()
    return Plan(
        deploy=tuple(names[m] for m in deploy),
        added=tuple(names[m] for m in deploy if m not in now),
        removed=tuple(names[m] for m in sorted(now) if not chosen[m]),
        budget_price=float(choice.budget_price[0]),
        models=tuple(models),
    )
