"""Figures and tables of studies, drawn from stored frames; each name is loaded on first use."""

from typing import TYPE_CHECKING

from fastroute.lazy import lazy_names

if TYPE_CHECKING:
    from fastroute.report.charts import save_figure
    from fastroute.report.compare import StudyComparison, compare_studies
    from fastroute.report.content import Content
    from fastroute.report.figures import parts_figure, regret_figure, spend_figure
    from fastroute.report.page import write_page
    from fastroute.report.ranking_figures import ranking_figure
    from fastroute.report.run_comparison import RunComparison
    from fastroute.report.view import StudyView, WorldView, collect_view
    from fastroute.report.write import write_figures, write_report

__all__ = [
    "Content",
    "RunComparison",
    "StudyComparison",
    "StudyView",
    "WorldView",
    "collect_view",
    "compare_studies",
    "parts_figure",
    "ranking_figure",
    "regret_figure",
    "save_figure",
    "spend_figure",
    "write_figures",
    "write_page",
    "write_report",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Content": "content",
            "RunComparison": "run_comparison",
            "StudyComparison": "compare",
            "StudyView": "view",
            "WorldView": "view",
            "collect_view": "view",
            "compare_studies": "compare",
            "parts_figure": "figures",
            "ranking_figure": "ranking_figures",
            "regret_figure": "figures",
            "save_figure": "charts",
            "spend_figure": "figures",
            "write_figures": "write",
            "write_page": "page",
            "write_report": "write",
        },
    )
