"""How often the intervals of scaling fits hold the exponent they are for."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from fastroute.analyse import fit_scaling

Law = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]

EXPONENT = 0.66
# Noise of mean 1. Skewness: 2, 6.2, and none at all (the third moment of the last is infinite).
NOISE: dict[str, Law] = {
    "exponential": lambda draw, shape: draw.standard_exponential(shape),
    "lognormal": lambda draw, shape: draw.lognormal(-0.5, 1.0, shape),
    "pareto": lambda draw, shape: (draw.pareto(3.0, shape) + 1.0) * (2.0 / 3.0),
}
DESIGNS: dict[str, tuple[list[float], list[int]]] = {
    "few horizons": ([1e3, 1e4, 1e5], [200] * 3),
    "unequal trials": ([1e3, 1e4, 1e5, 1e6, 1e7, 1e8], [1000, 1000, 1000, 1000, 256, 64]),
    "many horizons": (list(np.geomspace(1e3, 1e6, 8)), [64] * 8),
}


def shared_noise(
    draw: np.random.Generator, law: Law, sizes: list[int]
) -> list[NDArray[np.float64]]:
    """Half of the noise of trial i is the same at all horizons, as with one seed."""
    common = law(draw, (max(sizes),))
    return [0.5 * (common[:n] + law(draw, (n,))) for n in sizes]


def coverage(
    design: str, noise: str, repeats: int, *, shared: bool = False, resamples: int = 399
) -> dict[str, float]:
    """Share of fits whose intervals hold what they are for."""
    horizons, sizes = DESIGNS[design]
    draw = np.random.default_rng(17)
    held: dict[str, list[bool]] = {"exponent": [], "change": [], "local": []}
    for repeat in range(repeats):
        errors = (
            shared_noise(draw, NOISE[noise], sizes)
            if shared
            else [NOISE[noise](draw, (n,)) for n in sizes]
        )
        samples = [T**EXPONENT * e for T, e in zip(horizons, errors, strict=True)]
        fit = fit_scaling(horizons, samples, resamples=resamples, seed=repeat)
        assert fit.slope_change is not None
        held["exponent"].append(fit.exponent.low <= EXPONENT <= fit.exponent.high)
        held["change"].append(fit.slope_change.low <= 0.0 <= fit.slope_change.high)
        held["local"] += (
            (fit.local["low"] <= EXPONENT) & (fit.local["high"] >= EXPONENT)
        ).to_list()
    return {what: float(np.mean(hits)) for what, hits in held.items()}


@pytest.mark.parametrize(
    ("design", "noise", "shared"),
    [
        pytest.param("few horizons", "lognormal", False, marks=pytest.mark.slow),
        pytest.param("unequal trials", "exponential", False, marks=pytest.mark.slow),
        ("unequal trials", "lognormal", True),
        ("many horizons", "pareto", False),
    ],
)
def test_intervals_hold_the_exponent(design: str, noise: str, shared: bool) -> None:
    repeats = 200 if design == "unequal trials" else 500
    found = coverage(design, noise, repeats, shared=shared, resamples=199)
    # Three standard errors around the promised 93 % to 97 %.
    slack = 3 * (0.95 * 0.05 / repeats) ** 0.5
    assert 0.93 - slack <= found["exponent"] <= min(0.97 + slack, 0.998)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("design", DESIGNS)
def test_coverage_is_between_93_and_97_percent(design: str, noise: str, shared: bool) -> None:
    found = coverage(design, noise, 2500, shared=shared)
    # 2,500 repeats leave a standard error of 0.4 %.
    assert {what: share for what, share in found.items() if not 0.93 <= share <= 0.97} == {}
