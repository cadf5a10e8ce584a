"""Scenarios of one's own in a study: objects, saved files, functions in modules; files by name."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import fastroute as fr
from fastroute.scenarios import SCENARIOS, Scenario, save_scenario
from fastroute.scenarios.saved import read_scenario, scenario_bytes, scenario_digest
from fastroute.study import StoredStudy, Study, StudyError, load, run_study
from fastroute.study.cells import lay_out
from fastroute.study.estimate import estimate
from fastroute.study.status import status_of

SETTING: dict[str, Any] = {
    "horizon": 60,
    "budget": "1.2 * cheapest",
    "max_deployed": 2,
    "trials": 64,
}
OWN: dict[str, dict[str, Any]] = {
    "means": {"reward_mean": [0.5, 0.7, 0.9], "cost_mean": [0.1, 1.0, 3.0], "limit": 0.6},
    "instances": {"reward_mean": np.linspace(0.2, 0.9, 6).reshape(2, 3), "cost_mean": [1, 2, 3]},
    "beta": {"reward_mean": [0.5], "cost_mean": [1], "reward": fr.Beta(3.0)}
    | {"cost": fr.Lognormal(0.3)},
    "task": {"cost_mean": [1.0, 2.0]}
    | {"reward": fr.ByTask([0.1, 0.2, 0.4], [[0.1, 0.7], [0.3, 0.3], [0.9, 0.2]])},
    "replay": {"outcomes": fr.Recorded([[0.1, 0.7], [0.3, 0.3]], [[1, 2], [3, 4]], "table")},
    "times": {"reward_mean": [0.5, 0.6], "cost_mean": [1, 2], "arrival": [0, 9]}
    | {"retirement": [None, 70], "horizon": 80, "models": ["ä", "b"], "note": "of\nlines"},
    "fractions": {"reward_mean": [0.5, 0.6], "cost_mean": [1, 2], "arrival": [0, 0.3]}
    | {"retirement": [0.9, 1.0], "arrival_unit": "horizon", "cost_range": (0.0, 9.0)},
    "late": {"reward_mean": [0.5, 0.6], "cost_mean": [1, 2], "feedback": 0.7}
    | {"reward_delay": fr.GeometricDelay(3.0), "cost_delay": fr.EquallyLikelyDelays((0, 2))},
}


def study_of(scenario: Any, **setting: Any) -> Study:
    data = {"name": "own", "scenario": scenario, "policy": [{"name": "uniform"}]}
    return Study.from_dict({**data, "setting": {**SETTING, **setting}})


def run(study: Study, path: Path, **options: Any) -> StoredStudy:
    return run_study(study, path, **{"workers": 2, "progress": False, **options})


@pytest.mark.parametrize("name", OWN)
def test_a_saved_scenario_is_read_back_to_the_bit(name: str, tmp_path: Path) -> None:
    before = Scenario(**OWN[name])
    save_scenario(before, tmp_path / "own.npz")
    after = fr.scenario("saved", file=tmp_path / "own.npz")
    assert scenario_digest(after) == scenario_digest(before)
    assert scenario_bytes(after) == scenario_bytes(before)
    worlds = before.resolve(80, 2), after.resolve(80, 2)
    flat = [
        [*world[: world._fields.index("reward")], *world.reward, *world.cost] for world in worlds
    ]
    for one, other in zip(*flat, strict=True):
        np.testing.assert_array_equal(one, other)
    for field in ("reward_delay", "cost_delay", "feedback"):
        assert getattr(after, field) == getattr(before, field)


def test_what_is_no_saved_scenario_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a saved scenario"):
        read_scenario(b"PK\x03\x04 nothing", "x.npz")
    np.savez(tmp_path / "other.npz", a=np.arange(3))
    np.savez(tmp_path / "code.npz", about=np.array([{"a": 1}], dtype=object))
    for name in ("other", "code"):
        with pytest.raises(ValueError, match="is not a saved scenario"):
            fr.scenario("saved", file=tmp_path / f"{name}.npz")
    for name, about in (("old", '{"reward_law": "beta"}'), ("number", "1"), ("list", "[]")):
        np.savez(tmp_path / f"{name}.npz", about=np.array(about))
        words = "from an earlier version" if name == "old" else ""
        with pytest.raises(ValueError, match=rf"is not a saved scenario \(.*{words}"):
            fr.scenario("saved", file=tmp_path / f"{name}.npz")
    with pytest.raises(ValueError, match=r"none\.npz' cannot be read"):
        fr.scenario("saved", file=tmp_path / "none.npz")
    scenario = Scenario(**OWN["means"])
    with pytest.raises(ValueError, match="is not the scenario with digest='0'"):
        fr.scenario("saved", file=scenario, digest="0")


def test_a_scenario_object_is_kept_in_the_run_directory(tmp_path: Path) -> None:
    scenario = Scenario(**OWN["means"], name="mine")
    study = study_of(scenario)
    assert study.scenario[0].label == "mine"
    stored = run(study, tmp_path / "a")
    alone = fr.simulate(scenario, fr.policy("uniform"), stages="T^(1/3)", **SETTING)
    np.testing.assert_array_equal(
        stored.trials.collect()["regret"].to_numpy(), alone.trials["regret"].to_numpy()
    )
    # An equal object continues the study, another one is another study.
    again = study_of(Scenario(**OWN["means"], name="mine"), trials=128)
    assert run(again, tmp_path / "a").shards_run == 1
    assert study_of(scenario).content_hash == study.content_hash
    changed = Scenario(**{**OWN["means"], "limit": 0.7}, name="mine")
    assert study_of(changed).content_hash != study.content_hash
    # The directory may move, and its study file runs from anywhere.
    shutil.move(tmp_path / "a", tmp_path / "b")
    read = Study.from_toml(tmp_path / "b" / "study.toml")
    assert run(read, tmp_path / "b").shards_run == 0
    frames = [
        run(one, tmp_path / name).trials.collect()
        for name, one in (("c", read), ("d", load(tmp_path / "b").study))
    ]
    assert frames[0].equals(frames[1])
    assert frames[0].equals(load(tmp_path / "b").trials.collect())


def test_workers_need_no_file_of_a_saved_scenario(tmp_path: Path) -> None:
    save_scenario(Scenario(**OWN["task"]), tmp_path / "own.npz")
    study = study_of({"name": "saved", "file": str(tmp_path / "own.npz")})
    (cell,) = lay_out(study.resolved())
    (tmp_path / "own.npz").unlink()
    job = cell.job(0, 64)
    assert read_scenario(job.content, "").models == ("model-0", "model-1")
    assert cell.scenario_options["file"].startswith("scenarios/")


def test_a_study_takes_objects_beside_tables() -> None:
    one, other = Scenario(**OWN["means"], name="one"), Scenario(**OWN["beta"], name="other")
    parts: dict[str, Any] = {
        "scenario": [one, {"name": "saved", "file": other, "label": "second"}, {"name": "static"}],
        "policy": [{"name": "uniform"}],
        "setting": {**SETTING, "max_deployed": 3},
    }
    study = fr.Study(name="x", **parts)
    study.check()
    assert [spec.label for spec in study.scenario] == ["one", "second", "static"]
    with pytest.raises(StudyError, match='scenario "one": is an object, which a file cannot hold'):
        study.to_toml()
    with pytest.raises(StudyError, match="must be the name of one file"):
        study_of({"name": "saved", "file": ["a.npz", "b.npz"]})


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a module with a scenario that can be imported."""
    name = f"worlds_{tmp_path.name.replace('-', '_')}"
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / f"{name}.py").write_text(
        "import fastroute as fr\n"
        "def two(gap=0.2, *, horizon):\n"
        "    return fr.Scenario([0.5, 0.5 + gap], [1.0, 2.0], note=f'for {horizon}')\n"
        "def three():\n"
        "    return 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    return name


def test_a_function_of_a_module_is_a_scenario(module: str, tmp_path: Path) -> None:
    study = study_of({"name": f"{module}:two", "gap": [0.1, 0.2], "label": "mine"})
    found = estimate(study)
    assert found.cells == 2
    assert "not imported before the study runs" in found.lines[1]
    assert module not in sys.modules
    stored = run(study, tmp_path / "run")
    assert stored.trials.collect()["scenario_gap"].unique().sort().to_list() == [0.1, 0.2]
    assert "for 60" in stored.manifest["scenarios"]["mine (gap=0.1)"]["note"]
    # Neither status nor report need the module.
    del sys.modules[module]
    (tmp_path / "lib" / f"{module}.py").unlink()
    assert status_of(load(tmp_path / "run")).state == "complete"
    assert "mine (gap=0.1)" in page_of(tmp_path / "run")
    assert module not in sys.modules


def page_of(path: Path) -> str:
    from fastroute.report.page import write_page

    return write_page(path).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("{module}:none", "has nothing of the name 'none'"),
        ("{module}:three", "must return a fastroute.Scenario, not int"),
        ("{module}_x:two", "cannot be imported .* put its folder on PYTHONPATH"),
    ],
)
def test_functions_that_are_no_scenarios(module: str, name: str, words: str) -> None:
    with pytest.raises(StudyError, match=words):
        lay_out(study_of({"name": name.format(module=module)}).resolved())


def test_what_is_no_name_of_a_function() -> None:
    with pytest.raises(StudyError, match='is written "module:function"'):
        study_of({"name": "module:"})


def test_the_report_needs_no_builder_of_a_registered_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mine(levels: tuple[float, ...] = (0.5, 0.7), gap: float = 0.1) -> Scenario:
        return Scenario([*levels, levels[0] + gap], [1.0, 2.0, 3.0])

    with monkeypatch.context() as patch:
        patch.setitem(SCENARIOS, "mine", mine)
        run(study_of({"name": "mine", "levels": [0.4, 0.6], "gap": [0.1, 0.2]}), tmp_path / "run")
    page = page_of(tmp_path / "run")
    assert "mine (gap=0.2)" in page


OUTCOMES = "query,task,model,score,cost\nq,t,a,1,1\nq,t,b,0,1\n"
TEXT = """\
name = "files"
[scenario]
name = "replay"
outcomes = "o.csv"
models = {models}
limit = 0.5
[[policy]]
name = "uniform"
[setting]
horizon = 60
budget = 1.0
max_deployed = 2
trials = 64
"""


def folder_of(path: Path, models: str = '"../m.csv"') -> Path:
    """Return a study file with its data beside and above it."""
    (path / "study").mkdir(parents=True)
    (path / "study" / "o.csv").write_text(OUTCOMES)
    (path / "m.csv").write_text("model,release_date\na,2024-01-01\nb,2024-02-01\n")
    (path / "study" / "s.toml").write_text(TEXT.format(models=models))
    return path / "study" / "s.toml"


def test_files_are_relative_to_the_study_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder_of(tmp_path / "here")
    monkeypatch.chdir(tmp_path)
    study = Study.from_toml(file.relative_to(tmp_path))
    assert study.scenario[0].options["outcomes"] == str(file.with_name("o.csv"))
    assert study.scenario[0].options["models"] == str(tmp_path / "here" / "m.csv")
    run(study, tmp_path / "run")
    # From the run directory, and from anywhere.
    monkeypatch.chdir("/")
    assert run(Study.from_toml(tmp_path / "run" / "study.toml"), tmp_path / "run").shards_run == 0
    # Given to Python they are relative to the working directory.
    monkeypatch.chdir(file.parent)
    assert Study.from_toml_text(file.read_text()).scenario == study.scenario


def test_a_study_stays_the_same_when_its_data_move(tmp_path: Path) -> None:
    study = Study.from_toml(folder_of(tmp_path / "one"))
    run(study, tmp_path / "run")
    moved = Study.from_toml(folder_of(tmp_path / "two"))
    assert moved != study
    assert moved.content_hash == study.content_hash
    assert run(moved, tmp_path / "run").shards_run == 0
    (tmp_path / "two" / "study" / "o.csv").write_text(OUTCOMES.replace("q,t,b,0", "q,t,b,1"))
    changed = Study.from_toml(tmp_path / "two" / "study" / "s.toml")
    assert changed.content_hash != study.content_hash
    with pytest.raises(ValueError, match="holds results of another study"):
        run(changed, tmp_path / "run")


def test_a_leaderboard_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "board.jsonl").write_text(
        '{"model": "a", "pass_rate": 50, "cost": 1}\n{"model": "b", "pass_rate": 75, "cost": 2}\n'
    )
    text = TEXT.replace('"replay"', '"means"').replace(
        'outcomes = "o.csv"', "score_range = [0, 100]"
    )
    (tmp_path / "s.toml").write_text(text.format(models='"board.jsonl"'))
    options = Study.from_toml(tmp_path / "s.toml").scenario[0].options
    assert options["models"] == str(tmp_path / "board.jsonl")
    built = fr.scenario("means", **options)
    assert (built.models, built.reward_mean.tolist()) == (("a", "b"), [0.5, 0.75])


def test_what_is_no_name_of_a_file_stays_as_it_is(tmp_path: Path) -> None:
    dates = '{ a = "2024-01-01", b = "2024-02-01" }'
    study = Study.from_toml(folder_of(tmp_path, models=dates))
    assert study.scenario[0].options["models"] == {"a": "2024-01-01", "b": "2024-02-01"}
    sota = study_of({"name": "sota", "cost": "fixed"}, max_deployed=3)
    assert sota.scenario[0].options == {"cost": "fixed"}
    with pytest.raises(StudyError) as caught:
        study_of({"name": "replay", "outcomes": "s3://bucket/o.csv"})
    assert str(tmp_path) not in str(caught.value)
    frame = pl.read_csv(tmp_path / "study" / "o.csv")
    assert frame.height == 2


def test_laws_are_an_axis_as_tables_and_as_objects(tmp_path: Path) -> None:
    table = {"name": "lognormal", "sigma": 0.5}
    setting: dict[str, Any] = {"max_deployed": 3, "trials": 8}
    study = study_of({"name": "sota", "cost": ["fixed", table]}, **setting)
    assert study_of({"name": "sota", "cost": ["fixed", fr.Lognormal(0.5)]}, **setting) == study
    file = tmp_path / "s.toml"
    file.write_text(study.to_toml())
    assert Study.from_toml(file).content_hash == study.content_hash
    stored = run(study, tmp_path / "run")
    cells = stored.cells.collect()
    assert cells["scenario_cost"].to_list() == ["fixed", "lognormal(sigma=0.5)"]
    assert cells["scenario"].unique(maintain_order=True).to_list() == [
        "sota (cost=fixed)",
        "sota (cost=lognormal(sigma=0.5))",
    ]
    assert stored.trials.collect().height == 16
    with pytest.raises(StudyError, match="has no parameter 'sgma'; did you mean 'sigma'"):
        study_of({"name": "sota", "cost": {"name": "lognormal", "sgma": 0.5}})


LAWS = """
from dataclasses import dataclass

import fastroute as fr


@dataclass(frozen=True)
class Jitter(fr.CostLaw):
    width: float = 0.5

    @staticmethod
    def draw(uniform, mean, width):
        return mean * (1.0 + width * (2.0 * uniform - 1.0))

    def support(self, mean):
        return mean * (1.0 - self.width), mean * (1.0 + self.width)
"""


def test_a_law_of_ones_own_goes_by_its_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_laws.py").write_text(LAWS)
    monkeypatch.syspath_prepend(tmp_path)
    table = {"name": "my_laws:Jitter", "width": 0.25}
    mine = Scenario([0.5, 0.7], [1.0, 2.0], cost=table)
    assert mine.cost_range == (0.75, 2.5)
    save_scenario(mine, tmp_path / "mine.npz")
    back = fr.scenario("saved", file=tmp_path / "mine.npz")
    assert back.cost == mine.cost
    assert scenario_digest(back) == scenario_digest(mine)
    study = study_of({"name": "sota", "cost": mine.cost})
    assert study.scenario[0].options["cost"] == table
    assert fr.scenario("sota", cost="my_laws:Jitter").cost_range == (0.03, 36.0)
    # Where another process could not find it, it cannot be written.

    @dataclass(frozen=True)
    class Here(fr.RewardLaw):
        @staticmethod
        def draw(uniform: float, mean: float) -> float:
            return mean

    with pytest.raises(ValueError, match=r"Here\(\) cannot be written, .* top level of a module"):
        save_scenario(Scenario([0.5], [1.0], reward=Here()), tmp_path / "here.npz")


def test_when_outcomes_are_learnt_is_an_axis_of_every_scenario(tmp_path: Path) -> None:
    table = {"name": "table", "rounds": [0, 9]}
    study = study_of(
        {
            "name": "static",
            "n_models": 3,
            "reward_delay": [0, 5, table],
            "cost_delay": fr.GeometricDelay(4.0),
        }
    )
    stored = run(study, tmp_path / "run")
    cells = lay_out(study)
    assert [cell.scenario_options["reward_delay"] for cell in cells] == [0, 5, table]
    again = load(tmp_path / "run").study
    assert again.content_hash == study.content_hash
    options = {"reward_delay": 5, "cost_delay": fr.GeometricDelay(4.0)}
    alone = fr.simulate(
        fr.scenario("static", n_models=3, **options), fr.policy("uniform"), **SETTING
    )
    mine = stored.trials.filter(pl.col("cell") == 1).collect()
    assert mine["reward"].mean() == pytest.approx(alone.finals["reward"].mean(), rel=1e-12)
    with pytest.raises(StudyError, match=r"reward_dely.*reward_delay"):
        study_of({"name": "static", "reward_dely": 3})
    with pytest.raises(StudyError, match="feedback"):
        study_of({"name": "static", "feedback": 3})


def test_options_that_are_not_given_do_not_change_a_study() -> None:
    plain = study_of({"name": "static"})
    assert "reward_delay" not in plain.resolved().to_dict()["scenario"]
    assert "reward_delay" not in str(scenario_bytes(Scenario([0.5], [1.0])))
