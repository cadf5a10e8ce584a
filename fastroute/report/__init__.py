"""Figures and tables of studies, drawn from stored frames; each name is loaded on first use."""

from typing import TYPE_CHECKING

from fastroute.lazy import lazy_names

if TYPE_CHECKING:
    from fastroute.report.figures import parts_figure, regret_figure, spend_figure
    from fastroute.report.overview import markdown_overview, rich_overview
    from fastroute.report.page import write_page
    from fastroute.report.table import PolicyRow, markdown_table, rich_tables, table_rows
    from fastroute.report.write import stored_tables, write_figures, write_report

__all__ = [
    "PolicyRow",
    "markdown_overview",
    "markdown_table",
    "parts_figure",
    "regret_figure",
    "rich_overview",
    "rich_tables",
    "spend_figure",
    "stored_tables",
    "table_rows",
    "write_figures",
    "write_page",
    "write_report",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "PolicyRow": "table",
            "markdown_overview": "overview",
            "markdown_table": "table",
            "parts_figure": "figures",
            "regret_figure": "figures",
            "rich_overview": "overview",
            "rich_tables": "table",
            "spend_figure": "figures",
            "stored_tables": "write",
            "table_rows": "table",
            "write_figures": "write",
            "write_page": "page",
            "write_report": "write",
        },
    )
