"""The router ``epsilon_greedy``."""

from typing import ClassVar

from fastroute.policies.part import Rounds, Router, RunNumbers, Share


class EpsilonGreedy(Router):
    r"""The LP's distribution p, mixed with the uniform distribution u.

    .. math::

        \varepsilon u + (1 - \varepsilon) p, \qquad \varepsilon = T^{-1/3} \text{ by default}

    Auer, Cesa-Bianchi & Fischer 2002.

    Attributes
    ----------
    explore : float or None
        epsilon, in [0, 1]; None is ``T^(-1/3)``.
    resolve_every : int
        Rounds between two solutions of the LP.
    """

    name: ClassVar[str] = "epsilon_greedy"
    passes: ClassVar[str] = "epsilon_greedy"

    explore: Share | None = None
    resolve_every: Rounds = 1

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the budget of the LP, the largest cost, and epsilon."""
        explore = float(run.horizon ** (-1 / 3)) if self.explore is None else self.explore
        return run.budget, run.cost_max, explore
