"""An advice as one screen of text."""

import math
from typing import TYPE_CHECKING, Final

from fastroute.advice.solution import SURE, Estimate
from fastroute.report.answers.words import format_estimate, join_words

if TYPE_CHECKING:
    from fastroute.advice.advising import Advice

# Of the models that are not deployed, those in doubt are named.
_NAMED: Final = 5
_WIDTH: Final = 34
# Days that are the start; and what is rounding.
_FIRST_DAY: Final = 0.05
_ROUNDING: Final = 1e-12


def text_of(advice: "Advice") -> str:
    """Return the answer as text: what to deploy, what more would buy, what is not sure."""
    problem, solution = advice.problem, advice.solution
    budget = f"{problem.budget:g}" if math.isfinite(problem.budget) else "no"
    lines = [
        f"{advice.source}: {len(problem.models)} models, {budget} budget ({advice.cost_unit}), at "
        f"most {problem.max_deployed} deployed",
        *([f"What if: {', '.join(advice.asked['what_if'])}"] if advice.asked["what_if"] else []),
        *([f"Floors: {', '.join(advice.asked['constraints'])}"] if problem.floors else []),
        "",
        "Deploy",
    ]
    inside = dict(zip(problem.models, solution.inclusion.tolist(), strict=True))
    shares = advice.routing_table()
    wide = min(max((len(name) for name in problem.models), default=0), _WIDTH)
    for name, share in shares.items():
        line = f"  {_cut(name, wide):{wide}}  {100.0 * share:5.1f} % of the traffic"
        if solution.spread:
            line += f"   in the best set in {_percent(inside[name])} of the draws"
        lines.append(line)
    lines += [f"  {sentence}" for sentence in about_set(advice)]
    lines += [
        "",
        f"Quality  {estimate(solution.quality)}   (corrected for the choice; shares times means: "
        f"{float(problem.score @ solution.share):.4g})",
        *(
            [f"         {estimate(advice.unchanged)}   without the changes"]
            if advice.unchanged
            else []
        ),
        f"Cost     {estimate(solution.cost)} {advice.cost_unit}",
        "",
        "What would change the quality",
    ]
    wide = max((len(one.what) for one in advice.worths), default=0)
    lines += [f"  {one.what:{wide}}  {estimate(one.gain, sign=True)}" for one in advice.worths]
    lines.append("")
    lines.append(how_sure(advice))
    if advice.learning is not None:
        lines += ["", *_learning(advice)]
    if advice.notes:
        lines += ["", "Notes", *(f"  {note}" for note in advice.notes)]
    return "\n".join(lines)


def about_set(advice: "Advice") -> list[str]:
    """Return what is to be known of the set: unmet draws, and models that are at times in it."""
    problem, solution = advice.problem, advice.solution
    found = []
    if solution.met < 1.0:
        found.append(
            f"In {_percent(1.0 - solution.met)} of the draws no mix meets the budget and the "
            "limits: it is as good as the least that can be paid."
        )
    shares = advice.routing_table()
    inside = dict(zip(problem.models, solution.inclusion.tolist(), strict=True))
    rest = sorted((name for name in problem.models if name not in shares), key=lambda n: -inside[n])
    near = [
        f"{name} ({_percent(inside[name])})"
        for name in rest
        if solution.spread and inside[name] > 1.0 - SURE
    ]
    if near:
        more = f" and {len(near) - _NAMED} more" if len(near) > _NAMED else ""
        found.append(
            f"Not deployed, but in the best set at times: {', '.join(near[:_NAMED])}{more}"
        )
    return found


def how_sure(advice: "Advice") -> str:
    """Say how sure the set is, and which model decides where it is not."""
    if not advice.solution.spread:
        return "How sure the set is, is not known: the table has means alone."
    return _sure(advice) if advice.decisive is None else _doubt(advice)


def _sure(advice: "Advice") -> str:
    """Say that the set is sure, but for what it needs to keep to the budget and the limits."""
    inside = zip(advice.problem.models, advice.solution.inclusion.tolist(), strict=True)
    needed = [name for name, share in inside if 1.0 - SURE < share < SURE]
    if not needed:
        return "The set is sure: no model's interval would change it."
    return (
        f"The set is sure but for {join_words(needed)}, without which no mix keeps to the budget "
        "and the limits."
    )


def _doubt(advice: "Advice") -> str:
    found = advice.decisive
    assert found is not None
    more = (
        f"about {found.more:,.0f} more observations of it would settle that"
        if math.isfinite(found.more)
        else "only more observations of several models would settle that"
    )
    return (
        f"What is not sure: {found.model} is in the best set in {_percent(found.inclusion)} of the "
        f"draws. To use it changes the quality by {estimate(found.gain, sign=True)}; {more}."
    )


def _learning(advice: "Advice") -> list[str]:
    found = advice.learning
    assert found is not None
    lines = [
        f"Learning it online, {found.queries:,} queries in {found.days:g} days: quality lost "
        "per query"
    ]
    for row in found.rows:
        since = ""
        if math.isfinite(found.present_loss):
            since = f"   {against_staying(row.beats_present_from)}"
        lines.append(f"  {row.policy:12}  {estimate(Estimate(row.loss, row.low, row.high))}{since}")
    lines += [f"  {sentence}" for sentence in about_learning(advice)]
    return lines


def about_learning(advice: "Advice") -> list[str]:
    """Return what is to be known beside the loss of each policy."""
    found = advice.learning
    assert found is not None
    said = []
    if math.isfinite(found.present_loss):
        over = advice.problem.budget
        dear = f", above the budget of {over:g}" if found.present_cost > over else ""
        said.append(
            f"Staying loses {found.present_loss:.4g} per query, at a cost of "
            f"{found.present_cost:.4g}{dear}."
        )
    said.append(
        f"StageRoute with gamma = {found.gamma} and K = {found.stages} stages loses least of "
        "those that were tried."
    )
    return [*said, found.note]


def against_staying(day: float) -> str:
    """Say from when on a policy is ahead of staying."""
    if not math.isfinite(day):
        return "never beats the present set"
    if day < _FIRST_DAY:
        return "beats the present set from the start"
    return f"beats the present set from day {day:.3g} on"


def estimate(found: Estimate, *, sign: bool = False) -> str:
    """Write an estimate with its interval; alone where it is not known how sure it is."""
    if math.isnan(found.value):
        return "no mix keeps to the budget and the limits"
    ends = (found.low, found.high) if found.high - found.low > 2.0 * _ROUNDING else (None, None)
    return format_estimate(found.value, *ends, zero=_ROUNDING, sign=sign)


def _percent(share: float) -> str:
    if math.isnan(share):
        return "-"
    return f"{100.0 * share:.0f} %"


def _cut(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 3]}..."
