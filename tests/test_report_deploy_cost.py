"""The answer on the number of stages where deployments cost money and take time.

One tiny study is run; trials made up on its cells decide what the verdict must say.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fastroute.analyse import paired_ratio
from fastroute.report.answers import ANSWERS, Answer
from fastroute.report.answers.deploy_cost_settings import settings_of
from fastroute.study import StoredStudy, Study, load, run_study
from fastroute.study.cells import lay_out
from undrawn import without_figures

SETTING: dict[str, Any] = {
    "horizon": [64, 216, 512],
    "budget": "0.5 * cheapest + 0.5 * slack",
    "max_deployed": 5,
    "stages": [2, 3, 4, 6, 8, 12, 16],
    "deploy_cost": [0.0, 5.0],
    "load_rounds": [0, 2],
    "trials": 12,
    "checkpoints": 2,
}
#: The numbers of stages of theory for the horizons.
THEORY = {64: 4, 216: 6, 512: 8}


def _study(**setting: Any) -> Study:
    policy = {"name": "stageroute", "gamma": "scaled:0.1", "label": "ucb"}
    data = {"name": "k", "answer": "deploy-cost", "scenario": {"name": "sota"}, "policy": [policy]}
    return Study.from_dict({**data, "setting": SETTING | setting})


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    folder = tmp_path_factory.mktemp("deploy") / "k"
    return run_study(_study(), folder, progress=False)


class Doctored:
    """A stored study with other trials than it has played; their deployments cost nothing."""

    def __init__(self, stored: StoredStudy, loss: pl.Expr) -> None:
        self._stored = stored
        found = stored.trials.collect()
        noise = np.random.default_rng(3).standard_normal(found.height)
        found = found.with_columns(pl.Series("noise", noise))
        self.trials = found.with_columns(priced_regret=loss, deploy_cost=0.0).drop("noise").lazy()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stored, name)


K, T = pl.col("stages").cast(float), pl.col("horizon").cast(float)
COST, NOISE = pl.col("setting_deploy_cost"), pl.col("noise")


def _answer(stored: Any) -> Answer:
    return ANSWERS["deploy-cost"](stored)


def _read(stored: StoredStudy, loss: pl.Expr) -> Answer:
    """Answer from made-up losses, with words and tables only."""
    with without_figures():
        return _answer(Doctored(stored, loss))


def _verdict(stored: StoredStudy, loss: pl.Expr) -> str:
    return "\n".join(_read(stored, loss).verdict)


def _around(best: pl.Expr) -> pl.Expr:
    """Return a loss of 100 at the best number of stages, and 20 more per doubling of it."""
    return 100.0 + 20.0 * (K / best).log(2.0).abs() + 0.1 * NOISE


def test_the_short_form_of_the_packaged_study_can_be_laid_out() -> None:
    study = Study.preset("deploy-cost")
    quick = study.quick()
    assert study.answer == quick.answer == "deploy-cost"
    assert sum(cell.rounds for cell in lay_out(quick.resolved())) < 4e8
    for form in (study, quick):
        setting = form.to_dict()["setting"]
        rules = {round(horizon ** (1.0 / 3.0)) for horizon in setting["horizon"]}
        assert rules < set(setting["stages"])


def test_the_loss_is_the_priced_regret_and_what_the_accounts_charge(stored: StoredStudy) -> None:
    settings = settings_of(stored)
    assert len(settings) == 3 * 2 * 2
    for setting in settings:
        for place, stages in enumerate(setting.stages):
            one = stored.trials.filter(
                stages=stages,
                horizon=setting.horizon,
                setting_deploy_cost=setting.cost,
                setting_load_rounds=setting.load,
            ).collect()
            paid = one.get_column("priced_regret") + setting.cost * one.get_column("deployments")
            np.testing.assert_allclose(setting.loss[place], paid, rtol=1e-12)


def test_the_answer_has_tables_and_figures(stored: StoredStudy) -> None:
    answer = _answer(stored)
    assert answer.question.endswith("?")
    assert all(sentence.endswith(".") for sentence in answer.verdict)
    best, counts, powers = (table.frame for table in answer.tables)
    assert (best.height, counts.height, powers.height) == (12, 2, 2)
    assert counts.select(pl.sum_horizontal(pl.col(pl.Int64))).to_series().to_list() == [6, 6]
    assert [figure.name for figure in answer.figures] == ["loss", "best"]


def test_the_best_that_is_that_of_theory_is_found_with_its_power(stored: StoredStudy) -> None:
    verdict = _verdict(stored, _around(T ** (1.0 / 3.0)))
    assert "within 5 % in 12, more than 5 % in 0 and not told in 0" in verdict
    assert "T^(1/3) = 8 has the lowest loss" in verdict
    assert verdict.startswith(
        "Use K = T^(1/3) stages, which have at most 5 % more loss than the best K, where a "
        "deployment costs 0 (in 6 of 6 combinations) or 5 (in 6 of 6 combinations)."
    )
    assert "x = 1/3 is inside the interval in 2, above it in 0 and below it in 0" in verdict
    assert "no difference can be told in 6 (the lowest mean is at the same K in 6)." in verdict
    assert "and time of loading: ucb at a cost of 0 and ucb at a cost of 5;" in verdict


def test_another_best_is_told_from_that_of_theory(stored: StoredStudy) -> None:
    # 12 stages are best where a deployment costs nothing, 3 where it costs something.
    best = pl.when(COST == 0.0).then(12.0).otherwise(3.0)
    verdict = _verdict(stored, _around(best))
    assert "more than 5 % in 12 (too few stages in 6 and too many stages in 6)" in verdict
    assert verdict.startswith(
        "Use clearly more stages than K = T^(1/3) where a deployment costs 0 (in 6 of 6 "
        "combinations) and clearly fewer stages than T^(1/3) where a deployment costs 5 (in 6 of 6 "
        "combinations). Costs are in units of reward."
    )
    assert "0: within 5 % in 0, more than 5 % in 6 (too few stages in 6)" in verdict
    assert "the best is K = 12 where a deployment costs 0" in verdict
    assert "it is K = 3 where a deployment costs 5" in verdict
    # 20 per doubling: log2(12 / 8) of them.
    assert "T^(1/3) = 8 has 11." in verdict
    assert "x = 1/3 is inside the interval in 0, above it in 2 and below it in 0" in verdict


def test_the_best_at_an_end_of_what_was_played_has_no_power(stored: StoredStudy) -> None:
    verdict = _verdict(stored, 100.0 - K + 0.1 * NOISE)
    assert "in 2 the best K may lie beyond those that were played" in verdict
    table = _read(stored, 100.0 - K).tables[2].frame
    assert all(x.endswith("(open)") for x in table.get_column("x"))


def test_loading_that_wants_fewer_stages_is_told(stored: StoredStudy) -> None:
    best = pl.when(pl.col("setting_load_rounds") == 0).then(12.0).otherwise(3.0)
    verdict = _verdict(stored, _around(best))
    assert "the best K is clearly smaller in 6, clearly larger in 0" in verdict


def test_a_loss_near_zero_or_below_has_no_share(stored: StoredStudy) -> None:
    verdict = _verdict(stored, K - 8.0 + 0.1 * NOISE)
    assert "no share in 12" in verdict
    assert verdict.startswith("No one side of K = T^(1/3) is better in most combinations")
    assert "not clearly above zero with every K" in verdict
    frame = _read(stored, K - 8.0).tables[0].frame
    assert set(frame.get_column("more loss, %")) == {"-"}
    # The difference is told nevertheless: K = 8 has 6 more than K = 2.
    last = frame.filter(T="512").get_column("more loss")
    assert all(text.startswith("6.000") for text in last)


def test_the_share_is_the_largest_of_those_against_every_other_number(stored: StoredStudy) -> None:
    doctored: Any = Doctored(stored, 100.0 + K + 10.0 * NOISE)
    for one in settings_of(doctored):
        assert one.theory is not None
        others = [loss for place, loss in enumerate(one.loss) if place != one.theory]
        ratios = [paired_ratio(one.loss[one.theory], loss, level=1 - 0.05 / 6) for loss in others]
        share = one.share
        assert share is not None
        assert one.stages[one.theory] == THEORY[one.horizon]
        assert share.low == max(1.0, *(ratio.low for ratio in ratios))
        assert share.high == max(1.0, *(ratio.high for ratio in ratios))
        lowest = min(float(loss.mean()) for loss in one.loss)
        assert share.estimate == pytest.approx(float(one.loss[one.theory].mean()) / lowest)


def test_a_study_of_one_number_of_stages_is_no_answer_and_says_so(tmp_path: Path) -> None:
    run_study(_study(stages=4, horizon=64, trials=2), tmp_path / "one", progress=False)
    (sentence,) = _answer(load(tmp_path / "one")).verdict
    assert "nothing" in sentence


def test_a_single_trial_has_no_intervals_and_tells_nothing(tmp_path: Path) -> None:
    stored = run_study(_study(trials=1), tmp_path / "one", progress=False)
    verdict = " ".join(_answer(stored).verdict)
    assert "within 5 % in 0, more than 5 % in 0, not told in 0 and no share in 12" in verdict
    assert "nan" not in verdict.lower()
