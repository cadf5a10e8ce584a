"""All that the report shows of a study: read once, drawn once, for the page and for the files."""

import functools
from typing import TYPE_CHECKING, NamedTuple

from fastroute.report.answers import answer_of
from fastroute.report.answers.base import Answer
from fastroute.report.figures import parts_figure, regret_figure, spend_figure
from fastroute.report.page_stamp import DETAILS
from fastroute.report.summary import Summary, summary_of
from fastroute.report.sweeps import Sweep, sweep_figure, sweeps
from fastroute.report.view import StudyView, WorldView, collect_view
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class WorldFigure(NamedTuple):
    """A figure and what is to be seen in it."""

    figure: "Figure"
    caption: str


class Content:
    """Statistics, answer and figures of a study.

    Parameters
    ----------
    stored : StoredStudy
        Complete or not.
    details : int
        Largest number of cells that are shown in detail; whole worlds, and at least one.
    """

    def __init__(self, stored: StoredStudy, details: int = DETAILS) -> None:
        self.stored = stored
        self.details = details
        self.view: StudyView = collect_view(stored, details)
        self._figures: dict[int, dict[str, WorldFigure]] = {}

    @functools.cached_property
    def answer(self) -> Answer | None:
        """The answer to the question of the study; None where it has none or is not complete."""
        return answer_of(self.stored)

    @functools.cached_property
    def summary(self) -> Summary:
        """Question, verdict and ranking."""
        return summary_of(self.view, self.answer)

    @functools.cached_property
    def sweeps(self) -> "list[tuple[Sweep, dict[str, Figure]]]":
        """Swept parameters with a figure per quantity."""
        name = self.stored.study.name
        return [
            (
                sweep,
                {
                    quantity: sweep_figure(
                        sweep,
                        quantity,
                        self.view.policies,
                        title=f"{name}: {quantity.replace('_', ' ')} against {sweep.name}",
                    )
                    for quantity in sweep.panels
                },
            )
            for sweep in (sweeps(self.view) if self.view.begun else [])
        ]

    def figures(self, world: WorldView) -> dict[str, WorldFigure]:
        """Return regret, priced regret, its parts and the spend of a world."""
        if world.number not in self._figures:
            self._figures[world.number] = world_figures(self.view, world)
        return self._figures[world.number]


def world_figures(view: StudyView, world: WorldView) -> dict[str, WorldFigure]:
    """Draw regret, priced regret, its parts and the spend of a world."""
    policies = view.policies
    unit = str(world.cells.get_column("cost_unit")[0]).removesuffix(" per query")
    # Run directories of earlier versions do not say when the world changes.
    known = "changes" in world.cells.columns
    changes = world.cells.get_column("changes")[0].to_list() if known else []
    regrets = {
        quantity: WorldFigure(
            regret_figure(
                world.curves,
                quantity=quantity,
                title=f"{world.title}: {quantity.replace('_', ' ')}",
                models=world.models,
                changes=changes,
                policies=policies,
            ),
            f"{quantity.replace('_', ' ').capitalize()} added up over rounds in {world.title}, one "
            "line per policy with a band of 95% intervals of the mean.",
        )
        for quantity in ("regret", "priced_regret")
    }
    return regrets | {
        "parts": WorldFigure(
            parts_figure(world.curves, title=f"{world.title}: parts of the regret"),
            f"Parts of the regret of each policy over rounds in {world.title}, stacked; the line "
            "is their sum.",
        ),
        "spend": WorldFigure(
            spend_figure(
                world.spend,
                title=f"{world.title}: spend against the budget",
                cost_unit=unit,
                policies=policies,
            ),
            f"Mean cost per query of each policy in each stage of {world.title} against the "
            "budget, with 95% intervals.",
        ),
    }
