"""Colours, lines and number formats shared by all figures and tables."""

import functools
import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.simulation.columns import NEAR_ZERO

#: Text, axes and sums; the page replaces it by the ink of the light or the dark theme.
INK: Final = "#1d1d1f"
#: Lines of the grid; replaced on the page too.
GRID: Final = "#e3e3e3"

# Okabe and Ito's palette for policies, in the order of the study, darkest contrasts first; its
# yellow is too pale for a line on white. Brown, violet and grey follow, so that ten lines differ by
# colour. Dashes tell lines apart in black and white.
_COLOURS: Final = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    INK,
    "#8C6D31",
    "#9467BD",
    "#7F7F7F",
)
_DASHES: Final[tuple[Any, ...]] = (
    "-",
    (0, (6, 2)),
    (0, (1.5, 1.5)),
    (0, (6, 2, 1.5, 2)),
    (0, (3, 1.5)),
    (0, (6, 2, 1.5, 2, 1.5, 2)),
    (0, (10, 3)),
)

# Paul Tol's muted palette for the parts of regret, so that no part looks like a policy. The
# hatches carry the difference in grey print.
PARTS: Final = {
    "discovery": ("#88CCEE", ""),
    "deployment": ("#DDCC77", "////"),
    "routing": ("#AA4499", "\\\\\\\\"),
}

#: Panels further apart than this get an axis of their own.
PANEL_RATIO: Final = 8.0
# Final values further apart than this cannot be read off one linear axis.
_LOG_RATIO: Final = 25.0

# Set on every figure by hand, so that a report never changes the settings of the caller.
RC: Final[dict[Any, Any]] = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.0,
    "legend.fontsize": 8.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.linewidth": 0.6,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.7,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    # The same figure gives the same bytes.
    "svg.hashsalt": "fastroute",
    # Text stays text: it is lighter, can be searched, and any font can show it.
    "svg.fonttype": "none",
    "path.simplify_threshold": 0.3,
}

# Fonts for scripts that the first has no letters of; those that are installed are used.
_FONTS: Final = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans JP",
    "WenQuanYi Zen Hei",
    "Hiragino Sans",
    "Yu Gothic",
    "Microsoft YaHei",
)


@functools.cache
def font_families() -> list[str]:
    """Return the fonts of the figures, in the order in which letters are looked for in them."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return [name for name in _FONTS if name in installed]


class LineStyle(NamedTuple):
    """How the line of a policy looks in every figure of a study."""

    colour: str
    dashes: Any


def line_style(index: int) -> LineStyle:
    """Return the line style of the policy at `index`; no two of the first 70 are alike."""
    colours, dashes = len(_COLOURS), len(_DASHES)
    return LineStyle(_COLOURS[index % colours], _DASHES[(index + index // colours) % dashes])


def needs_log_axis(means: Sequence[NDArray[np.float64]]) -> bool:
    """Tell whether curves are never negative and end too far apart for a linear axis.

    Parameters
    ----------
    means : sequence of ndarray, each [points]
    """
    never_negative = all(float(mean.min()) > -NEAR_ZERO for mean in means)
    return never_negative and needs_log(np.array([mean[-1] for mean in means]))


def needs_log(values: NDArray[np.float64]) -> bool:
    """Tell whether values are all above zero and too far apart for a linear axis; NaN are none."""
    known = values[np.isfinite(values)]
    return bool(known.size and known.min() > NEAR_ZERO and known.max() > _LOG_RATIO * known.min())


def wrapped(text: str, width: int) -> str:
    """Break a text over lines of at most `width` columns, between words where there are any.

    Letters of East Asian scripts take two columns.
    """
    from rich.cells import cell_len

    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if cell_len(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return "\n".join(lines)


def format_number(value: float, digits: int = 4) -> str:
    """Write a number for a table, without an exponent where it is between 1e-4 and 1e9.

    Returns
    -------
    str
        For example ``1,234``, ``0.001235``, ``-12.35``, ``1.2e-07``; ``-`` for NaN.
    """
    if math.isnan(value):
        return "-"
    if value == 0.0 or math.isinf(value):
        return f"{value:g}"
    # As it will be rounded: just below a power of ten there is one digit less behind the point.
    size = abs(float(f"{value:.{digits - 1}e}"))
    if not 1e-4 <= size < 1e9:
        return f"{value:.{digits - 1}g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    return f"{value:,.{decimals}f}"


def format_reward(value: float) -> str:
    """Write a sum of rewards, in which only rounding is left below ``NEAR_ZERO``."""
    return "0" if abs(value) < NEAR_ZERO else format_number(value)


def format_margin(mean: float, high: float) -> str:
    """Write a mean with half its interval: ``1,234 ± 12``; the mean alone without one."""
    margin = high - mean
    if not margin >= NEAR_ZERO:
        return format_reward(mean)
    return f"{format_reward(mean)} ± {format_number(margin, 1 if margin < 1.0 else 2)}"


def format_percent(share: float) -> str:
    """Write a share: ``24.2%``, ``0.041%``; never 0% or 100% for what is not exactly that."""
    if math.isnan(share):
        return "-"
    if 0.9995 <= share < 1.0:
        return ">99.9%"
    return f"{100.0 * share:.3g}%"


def format_value(value: Any) -> str:
    """Write a parameter: numbers as a study file has them, anything else as it is."""
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "-" if value is None else str(value)
