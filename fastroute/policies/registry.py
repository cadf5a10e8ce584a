"""Named policies."""

from typing import Any, Final

from fastroute.policies.spec import Policy, one_of

#: Name -> (what it is, the parts that differ from the defaults of :class:`Policy`).
POLICIES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "stageroute": (
        "StageRoute: exact deployment and exact per-query routing on confidence bounds "
        "(Li & Li 2025, arXiv 2506.17254).",
        {},
    ),
    "oracle": (
        "StageRoute that knows the true means; its regret is the discovery part alone.",
        {"estimator": "truth"},
    ),
    "greedy": (
        "Deploys the best models by price-adjusted bound and routes to the highest upper bound "
        "within the limits, whatever it costs.",
        {"deployer": "top", "router": "greedy"},
    ),
    "uniform": (
        "Deploys a random set and routes uniformly.",
        {"deployer": "random", "router": "uniform"},
    ),
    "ucb_bwk": (
        "StageRoute with 5 % of the budget held back, so that true spending meets it (Agrawal & "
        "Devanur 2014).",
        {"margin": 0.05},
    ),
    "optimistic_pessimistic": (
        "StageRoute with upper bounds on the costs, so that the budget holds with high "
        "probability (Pacchiano et al. 2021). Each model starts with ten optimistic "
        "pseudo-observations: an upper bound on an unknown cost would rule it out for good.",
        {"estimator": "pessimistic", "init": "prior", "init_pulls": 10},
    ),
    "thompson": (
        "StageRoute on posterior samples of the rewards (Ferreira, Simchi-Levi & Wang 2018).",
        {"estimator": "thompson"},
    ),
    "contextual": (
        "StageRoute that knows the task of each query and keeps bounds for each task.",
        {"estimator": "contextual"},
    ),
    "contextual_drift": (
        "The same with routing by V U - Q c, so that the budget is shared among the tasks.",
        {"estimator": "contextual", "router": "drift_plus_penalty"},
    ),
    "epsilon_greedy": (
        "The LP on empirical means, mixed with uniform routing for a share T^(-1/3) of the "
        "queries (Auer et al. 2002).",
        {"estimator": "mean", "router": "epsilon_greedy"},
    ),
    "etc": (
        "Explore, then commit: in each stage uniform routing for L^(2/3) of L rounds, then the LP "
        "on empirical means, solved once.",
        {"estimator": "mean", "router": "explore_then_commit"},
    ),
    "elimination": (
        "Successive elimination of deployed models in each stage (Even-Dar et al. 2006).",
        {"router": "elimination"},
    ),
    "ratio": (
        "Exact deployment, then as much as allowed to the model of highest reward per cost, "
        "U / L (Tran-Thanh et al. 2012).",
        {"router": "ratio"},
    ),
    "drift_plus_penalty": (
        "Exact deployment, then routing by V U - Q c with a virtual queue Q of overspending "
        "(Liu et al. 2021).",
        {"router": "drift_plus_penalty"},
    ),
    "pacer": (
        "Exact deployment on bounds that forget, then routing by U - lam c with a price that paces "
        "the spending (ParetoBandit 2026).",
        {"estimator": "discounted", "router": "pacer"},
    ),
    "primal_dual": (
        "Exact deployment, then routing by reward per unit of money and time at prices set by "
        "multiplicative weights (Badanidiyuru et al. 2013).",
        {"router": "primal_dual"},
    ),
    "static": (
        "StageRoute that keeps the set of its first stage.",
        {"deployer": "static"},
    ),
    "oracle_deployment": (
        "Ablation: the true best set, routed on confidence bounds.",
        {"deployer": "truth"},
    ),
    "oracle_routing": (
        "Ablation: the set StageRoute would deploy, routed on the true means.",
        {"router": "truth"},
    ),
}


def policy(name: str, /, **options: Any) -> Policy:
    """Build a named policy.

    Parameters
    ----------
    name : str
        A key of ``POLICIES``.
    **options
        Fields of :class:`Policy` to override.

    Returns
    -------
    Policy

    Raises
    ------
    ValueError
        For an unknown name or option, or a value that is not allowed; the message names the
        nearest valid one.

    Examples
    --------
    >>> policy("stageroute", gamma="scaled:0.5").gamma
    'scaled:0.5'
    """
    if not isinstance(name, str) or name not in POLICIES:
        raise ValueError(f"policy {name!r} is not one of {one_of(name, POLICIES)}")
    return Policy(**{"name": name, **POLICIES[name][1], **options})
