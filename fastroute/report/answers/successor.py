"""`successor`: whether another policy is better than StageRoute on every workload."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.analyse import Comparisons, HeldOut, choose_and_judge, compare_jointly
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.frames import NO_REFERENCE, finals, groups, means, varied
from fastroute.report.answers.words import (
    format_estimate,
    join_words,
    span_of,
)
from fastroute.report.charts import dots, heatmap, legend_below, panels, with_report_style
from fastroute.report.style import format_margin, format_number, line_style
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

_QUESTION: Final = (
    "Is there a combination of estimator, deployer and router that is better than StageRoute on "
    "every workload, by priced regret and by overspending in the worst stage?"
)
_PARTS: Final = ("estimator", "deployer", "router")
_STAGEROUTE: Final = "ucb · mip · lp"
#: What is compared: priced regret, then overspending in the worst stage, % of its budget.
_QUANTITIES: Final = ("priced_regret", "overspending")
_WORDS: Final = ("priced regret", "overspending in the worst stage")
_SHOWN: Final = 30
_NAMED: Final = 8
# What has more than this many times StageRoute's priced regret is not drawn.
_FAR: Final = 4.0


class _Field(NamedTuple):
    """All triples that were played on every workload, by the trials that all have played."""

    names: list[str]  # the reference first
    places: list[str]
    values: NDArray[np.float64]  # [triples, workloads, quantities, trials]

    @property
    def differences(self) -> NDArray[np.float64]:
        """Those of the other triples from the reference, [triples - 1, workloads, 2, trials]."""
        return self.values[1:] - self.values[0]


class _Pick(NamedTuple):
    """A triple chosen on one half of the trials, with its differences on the other half."""

    by: str
    name: str
    judged: Comparisons  # [workloads, quantities]


def answer(stored: StoredStudy) -> Answer:
    """Compare every triple with StageRoute, and judge the best of them on trials of its own.

    Parameters
    ----------
    stored : StoredStudy
        Policies that differ in their parts, the first of the parts of ``stageroute`` among them;
        those that know true means are left out.
    """
    import polars as pl

    trials = _named(finals(stored, *_PARTS, "stage_length"))
    places = varied(stored, trials)
    found = _field(trials, places)
    if found is None:
        return Answer(_QUESTION, (NO_REFERENCE,))
    if found.values.shape[-1] < 4:
        return Answer(_QUESTION, ("There are fewer than four trials: nothing can be compared.",))
    differences = found.differences
    joint = compare_jointly(differences)
    picks = [
        _pick(
            found,
            choose_and_judge(differences.reshape(len(differences), -1, found.values.shape[-1])),
            "both",
        ),
        _pick(found, choose_and_judge(differences[:, :, 0]), "priced regret alone"),
    ]
    front = _front(found)
    equal = (differences == 0.0).all(axis=-1)
    same, better = equal.all(axis=(1, 2)), _uniform(joint.less, equal)
    beaten, fronts = _front_words(front, joint, found)
    return Answer(
        _QUESTION,
        (
            *_headline(picks[0], found, better),
            beaten,
            *_everyone(joint, found, same, better),
            _regret_alone(picks[1], found),
            fronts,
        ),
        (
            AnswerTable(
                "The chosen triples on the other half of the trials",
                pl.DataFrame(_pick_rows(picks, found)),
                "Difference from StageRoute on the half of the trials that did not choose, paired "
                "by trial; the intervals of a triple hold jointly at 95 %. Overspending: in the "
                "worst stage of a trial, % of the budget of a stage.",
            ),
            AnswerTable(
                "Triples against StageRoute",
                pl.DataFrame(_summary(found, joint, front)),
                f"The {min(_SHOWN, len(found.names))} triples of lowest median ratio of the mean "
                "priced regret to that of StageRoute, over workloads where both are above zero. "
                "Less / more: number of workloads where the triple has clearly less or more "
                "(paired intervals that hold jointly at 95 % over all triples, workloads and both "
                "quantities). Front: workloads on whose Pareto front of means it is.",
            ),
            AnswerTable(
                "Pareto fronts",
                pl.DataFrame(_front_rows(trials, places, front, found)),
                "Triples of which no other has both less priced regret and less overspending, by "
                "the means of all trials (± half the 95 % interval); chance decides between "
                "neighbours.",
            ),
        ),
        (
            AnswerFigure(
                "ratio",
                _ratio_figure(trials, found),
                "Priced regret over that of StageRoute, median over the workloads where both means "
                "are above zero.",
            ),
            AnswerFigure(
                "front",
                _front_figure(trials, places, front, found, picks),
                "All triples by priced regret (over that of StageRoute) and overspending in the "
                "worst stage; the line joins the Pareto front of means. Whiskers: 95 % intervals "
                "of the mean.",
            ),
            AnswerFigure(
                "chosen",
                _chosen_figure(picks, found),
                "The chosen triples minus StageRoute on the half of the trials that did not "
                "choose. Whiskers: intervals that hold jointly at 95 % for each triple.",
            ),
        ),
    )


def _named(trials: "pl.DataFrame") -> "pl.DataFrame":
    """Name learning policies by their parts, or by their labels where the parts are not enough."""
    import polars as pl

    learning = trials.filter(~pl.any_horizontal(pl.col(_PARTS) == "truth"))
    parts = pl.concat_str(_PARTS, separator=" · ")
    labels = learning.select("policy", parts.alias("triple")).unique(maintain_order=True)
    # Of several policies with the same parts, the first has their name.
    names = {
        label: triple if first else f"{triple} ({label})"
        for label, triple, first in labels.with_columns(
            pl.col("triple").is_first_distinct().alias("first")
        ).iter_rows()
    }
    worst = pl.col("worst_stage_violation") / (pl.col("budget") * pl.col("stage_length"))
    return learning.with_columns(
        pl.col("policy").replace_strict(names, return_dtype=pl.String).alias("triple"),
        (100.0 * worst).alias("overspending"),
    )


def _field(trials: "pl.DataFrame", places: list[str]) -> _Field | None:
    """Gather the values of the triples; None without StageRoute or without another triple."""
    import polars as pl

    worlds = dict((place, group) for place, _, group in groups(trials, places))
    everywhere = [
        name
        for name in trials.get_column("triple").unique(maintain_order=True)
        if all((group.get_column("triple") == name).any() for group in worlds.values())
    ]
    if _STAGEROUTE not in everywhere or len(everywhere) < 2:
        return None
    names = [_STAGEROUTE, *(name for name in everywhere if name != _STAGEROUTE)]
    kept = trials.filter(pl.col("triple").is_in(names))
    count = min(kept.group_by("cell").len().get_column("len").to_list())
    values = np.stack(
        [
            [
                group.filter(triple=name).sort("trial").select(_QUANTITIES).head(count).to_numpy().T
                for group in worlds.values()
            ]
            for name in names
        ]
    )
    return _Field(names, list(worlds), values)


def _pick(found: _Field, held: HeldOut, by: str) -> _Pick:
    shape = (len(found.places), -1)
    mean, low, high = (side.reshape(shape) for side in held.judged[:3])
    judged = held.judged._replace(mean=mean, low=low, high=high)
    return _Pick(by, found.names[1 + held.chosen], judged)


def _places(found: _Field, where: NDArray[np.bool_]) -> str:
    """Say how many workloads these are, and name them where they are few."""
    count = int(where.sum())
    named = [place or "the workload" for place, one in zip(found.places, where, strict=True) if one]
    return f"{count} ({join_words(named)})" if 0 < count <= 3 else str(count)


def _counts(pick: _Pick, found: _Field, quantity: int) -> str:
    less, more, same = (
        side[:, quantity] for side in (pick.judged.less, pick.judged.more, pick.judged.same)
    )
    return (
        f"clearly less {_WORDS[quantity]} on {_places(found, less)} of {len(found.places)} "
        f"workloads and clearly more on {_places(found, more)}"
        + (f", the same on {_places(found, same)}" if same.any() else "")
    )


def _headline(pick: _Pick, found: _Field, better: NDArray[np.bool_]) -> tuple[str, str, str]:
    """Say whether a triple is uniformly better, and how the chosen one does."""
    every = f"every one of the {len(found.places)} workloads" if len(found.places) > 1 else "it"
    judged = (
        f"{pick.name}, chosen on half of the trials out of {len(found.names) - 1} other triples, "
        f"has on the other half {_counts(pick, found, 0)}."
    )
    spending = f"It has {_counts(pick, found, 1)}."
    less, more, same = pick.judged.less, pick.judged.more, pick.judged.same
    if _uniform(less, same):
        either = ", or the same in every trial" if same.any() else ""
        return (
            f"{pick.name} is uniformly better than StageRoute: on {every} it has clearly less "
            f"priced regret and clearly less overspending in the worst stage{either}.",
            judged,
            spending,
        )
    if better.any():
        return (
            f"{_list(found, better)}: clearly better than StageRoute on {every} by both measures, "
            "or the same, by all trials, but not confirmed by choosing on one half of them and "
            "judging on the other.",
            judged,
            spending,
        )
    if not more.any() and less.any():
        return (
            f"No triple was found that is clearly better than StageRoute on {every} by both "
            f"measures, but {pick.name} is clearly better on some and clearly worse on none.",
            judged,
            spending,
        )
    return (
        f"No triple was found that is clearly better than StageRoute on {every} by both measures.",
        judged,
        spending,
    )


def _uniform(less: NDArray[np.bool_], same: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell what is clearly less in all respects, [..., workloads, quantities].

    It may be the same in every trial in some, such as overspending where no budget binds, but by
    neither quantity on all workloads.
    """
    return np.asarray((less | same).all(axis=(-1, -2)) & less.any(axis=-2).all(axis=-1))


def _everyone(
    joint: Comparisons, found: _Field, same: NDArray[np.bool_], better: NDArray[np.bool_]
) -> list[str]:
    """Say which triples can still be uniformly better, by intervals that hold for all of them."""
    worse = joint.more.any(axis=(1, 2))
    unknown = ~(same | better | worse)
    words = [
        f"{int(worse.sum())} of the {len(same)} other triples have clearly more of one of the two "
        "on at least one workload."
    ]
    if unknown.any():
        words.append(f"Whether these are uniformly better is open: {_list(found, unknown)}.")
    if worse.any():
        losses = joint.more.sum(axis=(1, 2))
        fewest = int(losses[worse].min())
        words.append(
            f"The fewest such losses are {fewest}: {_list(found, worse & (losses == fewest))}."
        )
    if same.any():
        words.append(f"The same as StageRoute in every trial: {_list(found, same)}.")
    if better.any():
        words.append(
            "Clearly less of both on every workload, or the same in every trial: "
            f"{_list(found, better)}."
        )
    return words


def _list(found: _Field, which: NDArray[np.bool_]) -> str:
    names = [name for name, one in zip(found.names[1:], which, strict=True) if one]
    if len(names) > _NAMED:
        return f"{len(names)} triples, among them {join_words(names[:_NAMED])}"
    return join_words(names)


def _regret_alone(pick: _Pick, found: _Field) -> str:
    return (
        f"{pick.name}, chosen by priced regret alone, has on the other half "
        f"{_counts(pick, found, 0)}."
    )


def _front(found: _Field) -> NDArray[np.bool_]:
    """Tell which triples no other dominates by its means, [triples, workloads]."""
    mean = found.values.mean(axis=-1)
    one, other = mean[:, None], mean[None]
    dominated = (other <= one).all(axis=-1) & (other < one).any(axis=-1)
    return ~dominated.any(axis=1)


def _front_words(front: NDArray[np.bool_], joint: Comparisons, found: _Field) -> tuple[str, str]:
    sizes = front.sum(axis=0)
    often = front.sum(axis=1)
    total = len(found.places)
    most = [name for name, count in zip(found.names, often, strict=True) if count == often.max()]
    beaten = joint.less.all(axis=2).any(axis=0)
    return (
        f"On {int(beaten.sum())} of {total} workloads some triple has clearly less of both than "
        "StageRoute.",
        f"The Pareto front of the means has {span_of(sizes, lambda size: f'{size:.0f}')} triples "
        f"per workload; StageRoute is on it on {int(front[0].sum())} of {total}, most often is "
        f"{join_words(most[:_NAMED])} ({often.max()} of {total}).",
    )


def _pick_rows(picks: list[_Pick], found: _Field) -> list[dict[str, Any]]:
    rows = []
    for pick in picks:
        for w, place in enumerate(found.places):
            row = {"chosen by": pick.by, "triple": pick.name}
            row |= {"workload": place} if place else {}
            for quantity, name in ((0, "Δ priced regret"), (1, "Δ overspending, %")):
                if quantity < pick.judged.mean.shape[1]:
                    row[name] = format_estimate(
                        pick.judged.mean[w, quantity],
                        pick.judged.low[w, quantity],
                        pick.judged.high[w, quantity],
                    )
                else:
                    row[name] = "-"
            rows.append(row)
    return rows


def _ratios(found: _Field) -> NDArray[np.float64]:
    """Return mean priced regret over that of the reference, [triples, workloads]; NaN: no ratio."""
    mean = found.values[:, :, 0].mean(axis=-1)
    valid = (mean > 0.0) & (mean[0] > 0.0)
    return np.divide(mean, mean[0], out=np.full_like(mean, np.nan), where=valid)


def _medians(found: _Field) -> NDArray[np.float64]:
    ratios = _ratios(found)
    shown = np.isfinite(ratios).any(axis=1)
    medians = np.full(len(ratios), np.nan)
    medians[shown] = np.nanmedian(ratios[shown], axis=1)
    return medians


def _summary(found: _Field, joint: Comparisons, front: NDArray[np.bool_]) -> list[dict[str, Any]]:
    ratios, medians = _ratios(found), _medians(found)
    rows = []
    for place in np.argsort(medians, kind="stable")[:_SHOWN]:
        row: dict[str, Any] = {
            "triple": found.names[place],
            "median ratio": format_number(medians[place], 3),
            "largest ratio": format_number(
                float(np.nanmax(ratios[place])) if np.isfinite(medians[place]) else np.nan, 3
            ),
        }
        for quantity, word in enumerate(_WORDS):
            less, more = (
                int(side[place - 1, :, quantity].sum()) if place else 0
                for side in (joint.less, joint.more)
            )
            row[f"{word}: less / more"] = f"{less} / {more}" if place else "-"
        rows.append(row | {"front": str(int(front[place].sum()))})
    return rows


def _front_rows(
    trials: "pl.DataFrame", places: list[str], front: NDArray[np.bool_], found: _Field
) -> list[dict[str, Any]]:
    rows = []
    for w, (place, _, group) in enumerate(groups(trials, places)):
        on = np.flatnonzero(front[:, w])
        for index in on[np.argsort(found.values[on, w, 0].mean(axis=-1))]:
            one = group.filter(triple=found.names[index])
            row = {"workload": place} if place else {}
            row["triple"] = found.names[index]
            for quantity, name in zip(
                _QUANTITIES, ("priced regret", "overspending, %"), strict=True
            ):
                mean = means(one, "triple", quantity).row(0, named=True)
                row[name] = format_margin(mean["mean"], mean["high"])
            rows.append(row)
    return rows


@with_report_style
def _ratio_figure(trials: "pl.DataFrame", found: _Field) -> "Figure":
    medians = dict(zip(found.names, _medians(found), strict=True))
    estimators, deployers, routers = (
        trials.get_column(part).unique(maintain_order=True).to_list() for part in _PARTS
    )
    figure, axes = panels(
        len(deployers),
        columns=2,
        width=0.46 * len(routers) + 1.4,
        height=0.3 * len(estimators) + 1.6,
        legend=0.0,
    )
    image: Any = None
    for panel, deployer in zip(axes, deployers, strict=True):
        values = np.array(
            [
                [medians.get(f"{estimator} · {deployer} · {router}", np.nan) for router in routers]
                for estimator in reversed(estimators)
            ]
        )
        image = heatmap(
            figure,
            panel,
            values,
            estimators[::-1],
            routers,
            limits=(0.25, 4.0),
            log=True,
            diverging=True,
            text=lambda value: format_number(value, 2),
        )
        panel.set_title(f"deployer {deployer}")
        panel.set_xlabel("router")
        panel.set_ylabel("estimator")
    bar = figure.colorbar(image, ax=axes, extend="both", ticks=[0.25, 0.5, 1, 2, 4])
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    bar.ax.minorticks_off()
    bar.set_label("priced regret / that of StageRoute")
    return figure


@with_report_style
def _front_figure(
    trials: "pl.DataFrame",
    places: list[str],
    front: NDArray[np.bool_],
    found: _Field,
    picks: list[_Pick],
) -> "Figure":
    named = list(dict.fromkeys([_STAGEROUTE, *(pick.name for pick in picks)]))
    figure, axes = panels(len(found.places), columns=3, width=3.2, height=2.6, legend=0.6)
    mean = found.values.mean(axis=-1)
    for w, (panel, (place, _, group)) in enumerate(zip(axes, groups(trials, places), strict=True)):
        scale = mean[0, w, 0] if mean[0, w, 0] > 0.0 else 1.0
        x, y = mean[:, w, 0] / scale, mean[:, w, 1]
        seen = np.unique(np.round(np.stack([x, y])[:, x <= _FAR], 3), axis=1)
        panel.plot(*seen, linestyle="none", marker=".", markersize=3.0, color="0.7", label="triple")
        on = np.flatnonzero(front[:, w])
        on = on[np.argsort(x[on])]
        panel.plot(x[on], y[on], color="black", marker=".", linewidth=0.9, label="Pareto front")
        for index, name in enumerate(named):
            one = group.filter(triple=name)
            across, up = (means(one, "triple", q).row(0, named=True) for q in _QUANTITIES)
            panel.errorbar(
                across["mean"] / scale,
                up["mean"],
                xerr=np.nan_to_num((across["high"] - across["mean"]) / scale),
                yerr=np.nan_to_num(up["high"] - up["mean"]),
                linestyle="none",
                marker=("o", "s", "^")[index],
                markersize=4.5,
                color=line_style(index).colour,
                capsize=2.0,
                label="StageRoute" if name == _STAGEROUTE else name,
            )
        # What is far worse is no answer to the question.
        panel.set_xlim(min(0.0, 1.1 * float(x.min())), _FAR)
        panel.set_ylim(-0.03 * max(float(y.max()), 1.0), 1.0 if y.max() == 0.0 else None)
        panel.set_title(place)
        panel.set_xlabel("priced regret / StageRoute's")
        panel.set_ylabel("overspending (%)")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure


@with_report_style
def _chosen_figure(picks: list[_Pick], found: _Field) -> "Figure":
    import polars as pl

    names = [place or "the workload" for place in found.places]
    half = found.values.shape[-1] // 2
    base = found.values[0, ..., half:].mean(axis=-1)
    figure, axes = panels(2, columns=2, width=3.8, height=0.26 * len(names) + 1.4, legend=0.5)
    for quantity, panel in enumerate(axes):
        # Workloads have regrets of their own size; overspending is in % already.
        scale = np.where(base[:, 0] > 0.0, base[:, 0], np.nan) / 100.0 if quantity == 0 else 1.0
        series = [
            (
                f"{pick.name} (chosen by {pick.by})",
                pl.DataFrame(
                    {
                        "workload": names,
                        "mean": pick.judged.mean[:, quantity] / scale,
                        "low": pick.judged.low[:, quantity] / scale,
                        "high": pick.judged.high[:, quantity] / scale,
                    }
                ),
            )
            for pick in picks
            if quantity < pick.judged.mean.shape[1]
        ]
        dots(panel, names, series, "workload")
        panel.axvline(0.0, color="black", linewidth=0.8)
        if quantity:
            panel.set_yticklabels([])
        panel.set_xlabel(
            "Δ overspending, worst stage\n(% of its budget)"
            if quantity
            else "Δ priced regret\n(% of StageRoute's)"
        )
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure
