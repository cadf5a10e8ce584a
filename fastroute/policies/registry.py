"""Named policies."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from fastroute.policies.deployers import BestSet, RandomSet, Static, Top
from fastroute.policies.estimators import (
    Contextual,
    Discounted,
    KnownMeans,
    Mean,
    Pessimistic,
    Thompson,
)
from fastroute.policies.part import KINDS, OptionsError, Part, Problem, one_of
from fastroute.policies.reading import Draft, all_options, parts_with_option, read_part
from fastroute.policies.routers import (
    DriftPlusPenalty,
    Elimination,
    EpsilonGreedy,
    ExploreThenCommit,
    Greedy,
    Pacer,
    PrimalDual,
    Ratio,
    TrueLP,
    Uniform,
)
from fastroute.policies.spec import Policy
from fastroute.words import closest

#: Name -> (what it is, the fields that differ from the defaults of :class:`Policy`).
POLICIES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "stageroute": (
        "StageRoute: exact deployment and exact per-query routing on confidence bounds "
        "(Li & Li 2025, arXiv 2506.17254).",
        {},
    ),
    "oracle": (
        "StageRoute that knows the true means; its regret is the discovery part alone.",
        {"estimator": KnownMeans()},
    ),
    "greedy": (
        "Deploys the best models by price-adjusted bound and routes to the highest upper bound "
        "within the limits, whatever it costs.",
        {"deployer": Top(), "router": Greedy()},
    ),
    "uniform": (
        "Deploys a random set and routes uniformly.",
        {"deployer": RandomSet(), "router": Uniform()},
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
        {"estimator": Pessimistic(init="prior", init_pulls=10)},
    ),
    "thompson": (
        "StageRoute on posterior samples of the rewards (Ferreira, Simchi-Levi & Wang 2018).",
        {"estimator": Thompson()},
    ),
    "contextual": (
        "StageRoute that knows the task of each query and keeps bounds for each task.",
        {"estimator": Contextual()},
    ),
    "contextual_drift": (
        "The same with routing by V U - Q c, so that the budget is shared among the tasks.",
        {"estimator": Contextual(), "router": DriftPlusPenalty()},
    ),
    "epsilon_greedy": (
        "The LP on empirical means, mixed with uniform routing for a share T^(-1/3) of the "
        "queries (Auer et al. 2002).",
        {"estimator": Mean(), "router": EpsilonGreedy()},
    ),
    "etc": (
        "Explore, then commit: in each stage uniform routing for L^(2/3) of L rounds, then the LP "
        "on empirical means, solved once.",
        {"estimator": Mean(), "router": ExploreThenCommit()},
    ),
    "elimination": (
        "Successive elimination of deployed models in each stage (Even-Dar et al. 2006).",
        {"router": Elimination()},
    ),
    "ratio": (
        "Exact deployment, then as much as allowed to the model of highest reward per cost, "
        "U / L (Tran-Thanh et al. 2012).",
        {"router": Ratio()},
    ),
    "drift_plus_penalty": (
        "Exact deployment, then routing by V U - Q c with a virtual queue Q of overspending "
        "(Liu et al. 2021).",
        {"router": DriftPlusPenalty()},
    ),
    "pacer": (
        "Exact deployment on bounds that forget, then routing by U - lam c with a price that paces "
        "the spending (ParetoBandit 2026).",
        {"estimator": Discounted(), "router": Pacer()},
    ),
    "primal_dual": (
        "Exact deployment, then routing by reward per unit of money and time at prices set by "
        "multiplicative weights (Badanidiyuru et al. 2013).",
        {"router": PrimalDual()},
    ),
    "static": (
        "StageRoute that keeps the set of its first stage.",
        {"deployer": Static()},
    ),
    "oracle_deployment": (
        "Ablation: the true best set, routed on confidence bounds.",
        {"deployer": BestSet()},
    ),
    "oracle_routing": (
        "Ablation: the set StageRoute would deploy, routed on the true means.",
        {"router": TrueLP()},
    ),
}


def policy(name: str, /, **options: Any) -> Policy:
    """Build a named policy.

    Parameters
    ----------
    name : str
        A key of ``POLICIES``.
    **options
        Fields of :class:`Policy` to override, and options of its parts, each of which goes to the
        part that has it.

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
    >>> policy("pacer", step=0.1, gamma="theory").router
    Pacer(step=0.1, smoothing=0.05, ceiling=5.0, resolve_every=1)
    """
    if not isinstance(name, str) or name not in POLICIES:
        raise ValueError(f"policy {name!r} is not one of {one_of(name, POLICIES)}")
    drafts = read_parts(name, options)
    flat = {k: v for k, v in options.items() if k not in Policy.model_fields}
    owners = _owners(drafts, options, flat)
    made: dict[str, Part] = {}
    problems: list[Problem] = []
    for kind, draft in drafts.items():
        mine = {option: flat[option] for option in flat if owners[option] == kind}
        try:
            made[kind] = draft.cls(**{**draft.options, **mine})
        except OptionsError as error:
            problems += error.under(kind, mine)
    if problems:
        raise OptionsError("policy", problems)
    fields = {"name": name, **POLICIES[name][1], **options, **made}
    return Policy(**{field: fields[field] for field in Policy.model_fields if field in fields})


def read_parts(name: str, options: Mapping[str, Any]) -> dict[str, Draft]:
    """Return the parts of a named policy, before options beside them go into them.

    Raises
    ------
    OptionsError
        When something is not a part.
    """
    drafts: dict[str, Draft] = {}
    problems: list[Problem] = []
    for kind in KINDS:
        default = POLICIES[name][1].get(kind, Policy.model_fields[kind].default)
        try:
            drafts[kind] = read_part(kind, options.get(kind, default))
        except OptionsError as error:
            problems += error.under(kind)
    if problems:
        raise OptionsError("policy", problems)
    return drafts


def _hint(option: str, allowed: Iterable[str]) -> str:
    """Say which parts have an option that those of a policy do not have, or one like it."""
    having = parts_with_option(option)
    if having:
        return f"It is an option of: {', '.join(having)}."
    # What the parts of the policy have is nearer where both look alike.
    near = closest(option, (*allowed, *all_options()))
    if near is None or near in allowed:
        return ""
    return f"Did you mean {near!r}, an option of: {', '.join(parts_with_option(near))}?"


def _owners(
    drafts: Mapping[str, Draft], options: Mapping[str, Any], flat: Mapping[str, Any]
) -> dict[str, str]:
    """Return the kind of part that each option is for.

    Raises
    ------
    OptionsError
        When no part has it, or several, or it is given twice.
    """
    allowed = (*Policy.model_fields, *(x for draft in drafts.values() for x in draft.fields))
    owners: dict[str, str] = {}
    problems: list[Problem] = []
    for option, value in flat.items():
        found = [kind for kind, draft in drafts.items() if option in draft.fields]
        if not found:
            message = _hint(option, allowed)
            problems.append(Problem((option,), value, message, tuple(dict.fromkeys(allowed))))
        elif len(found) > 1:
            places = " and of the ".join(found)
            problems.append(
                Problem((option,), value, f"is an option of the {places}; put it into a table")
            )
        elif found[0] in options and option in drafts[found[0]].options:
            problems.append(
                Problem((option,), value, f"is given in the {found[0]} too; leave one of them out")
            )
        else:
            owners[option] = found[0]
    if problems:
        raise OptionsError("policy", problems)
    return owners
