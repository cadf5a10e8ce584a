from pathlib import Path
from typing import Any

import pytest

from fastroute.study import Setting, Study, StudyError, preset_names
from fastroute.study.build import build_policy, build_scenario
from fastroute.study.grid import count_cells

TEXT = """\
name = "mini"
description = "A few rounds."

[scenario]
name = "routerbench"
families = ["MMLU", "GSM8K"]

[[policy]]
name = "stageroute"
gamma = "scaled:0.1"
label = "StageRoute"

[[policy]]
name = "uniform"

[setting]
horizon = 1_000
budget = 0.001
max_deployed = 5
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(StudyError) as caught:
        Study.from_toml_text(text, "x.toml")
    return list(caught.value.problems)


def test_reading_a_study(tmp_path: Path) -> None:
    (tmp_path / "mini.toml").write_text(TEXT)
    study = Study.from_toml(tmp_path / "mini.toml")
    assert study.name == "mini"
    (scenario,) = study.scenario
    assert scenario.options == {"families": ["MMLU", "GSM8K"]}
    assert [policy.label for policy in study.policy] == ["StageRoute", "uniform"]
    assert study.policy[0].options == {"gamma": "scaled:0.1"}
    assert study.policy[1].options == {}
    assert study.setting == Setting(horizon=1000, budget=0.001, max_deployed=5)
    assert (study.setting.stages, study.setting.trials, study.setting.seed) == ("T^(1/3)", 256, 0)


def test_writing_and_reading_back_is_the_identity() -> None:
    study = Study.from_toml_text(TEXT)
    assert Study.from_toml_text(study.to_toml()) == study
    resolved = study.resolved()
    assert Study.from_toml_text(resolved.to_toml()) == resolved


def test_resolving_writes_out_the_defaults_and_changes_nothing_else() -> None:
    study = Study.from_toml_text(TEXT)
    resolved = study.resolved()
    assert resolved.resolved() == resolved
    assert resolved.policy[0].options["deployer"]["fill"] == "reduced_cost"
    assert resolved.scenario[0].options["limit"] == 0.4
    for before, after in zip(study.policy, resolved.policy, strict=True):
        assert build_policy(before.name, before.options) == build_policy(after.name, after.options)
    worlds = [build_scenario("routerbench", s.scenario[0].options) for s in (study, resolved)]
    assert worlds[0].note == worlds[1].note


def test_the_content_hash_is_of_what_the_results_depend_on() -> None:
    study = Study.from_toml_text(TEXT)
    assert study.content_hash == study.resolved().content_hash
    assert study.content_hash == Study.from_toml_text(TEXT.replace("A few", "Some")).content_hash
    assert study.content_hash != study.with_setting(seed=1).content_hash
    assert study.content_hash != Study.from_toml_text(TEXT.replace("0.1", "0.2")).content_hash


def test_all_problems_are_listed_at_once() -> None:
    text = (
        TEXT.replace("horizon = 1_000", "horizn = 1_000\ntrials = true")
        .replace("0.001", "-1")
        .replace("families", "famlies")
        .replace("gamma", "gama")
        .replace('"uniform"', '"unifrom"')
    )
    problems = problems_of(text)
    assert [problem.split(" ")[0].rstrip(":") for problem in problems] == [
        "setting.horizon",
        "setting.budget",
        "setting.trials",
        "setting.horizn",
        "scenario.famlies",
        "policy[0].gama",
        "policy[1].name",
    ]
    for wrong, right in [
        ("setting.horizn = 1000", '"horizon"'),
        ('scenario.famlies = ["MMLU", "GSM8K"]', '"families"'),
        ('policy[0].gama = "scaled:0.1"', '"gamma"'),
        ('policy[1].name = "unifrom"', '"uniform"'),
    ]:
        (line,) = [problem for problem in problems if problem.startswith(wrong)]
        assert f"did you mean {right}?" in line


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "horizon = 1_000",
            "horizon = 0",
            "setting.horizon = 0: must be a whole number >= 1",
        ),
        ("horizon = 1_000", "horizon = 2.5", "setting.horizon = 2.5: must be a whole number"),
        ("horizon = 1_000", 'horizon = "9"', 'setting.horizon = "9": must be a whole number'),
        ("horizon = 1_000", "", "setting.horizon: missing; give the number of rounds T"),
        ("0.001", "nan", "setting.budget = nan: must be a finite number"),
        ("0.001", '"b"', 'setting.budget = "b": must be a number'),
        ("0.001", "[0.1, true]", "setting.budget = [0.1, true]: must be a finite number > 0"),
        ("0.001", "[]", "setting.budget = []: an axis needs at least one value"),
        ("0.001", "[0.1, 0.1]", "setting.budget = [0.1, 0.1]: 0.1 occurs twice"),
        ("0.001", '"0.5 * slak"', "position 7, 'slak': is an unknown name; did you mean"),
        ("0.001", '0.001\nstages = "T^"', 'setting.stages = "T^": must be a whole number'),
        ("0.001", "0.001\nstages = 0", "setting.stages = 0: must be a whole number >= 1"),
        ("0.001", "0.001\n[store]\nshard_trials = 100", 'must be "auto" or a multiple of 64'),
        ("0.001", '0.001\n[store]\ncurves = "all"', 'store.curves = "all": must be'),
        ("0.001", "0.001\n[store]\ncurve = 1", 'did you mean "curves"?'),
        ("0.001", "0.001\nload_rounds = -1", "setting.load_rounds = -1: must be a whole number"),
        ("0.001", "0.001\nload_rounds = 2.5", "setting.load_rounds = 2.5: must be a whole number"),
        ("0.001", "0.001\nload_round = 2", 'did you mean "load_rounds"?'),
        ("0.001", "0.001\nseed = -1", "setting.seed = -1: must be a whole number >= 0"),
        ('"mini"', '"a/b"', 'name = "a/b": must be usable as a directory name'),
        ('"mini"', '"a."', 'name = "a.": must be usable as a directory name'),
        ('"mini"', '"Aux.2"', 'name = "Aux.2": must be usable as a directory name'),
        ('"mini"', "3", "name = 3: must be a valid string"),
        ('name = "mini"', "", "name: missing; give a name"),
        ('"A few rounds."', '"x"\ncolour = 1', "colour = 1: unknown key"),
        ('name = "routerbench"', 'name = "routerbensch"', 'did you mean "routerbench"?'),
        ('["MMLU", "GSM8K"]', '["MMLUU"]', "MMLU"),
        ('label = "StageRoute"', 'label = "uniform"', "give each policy a label of its own"),
        ('label = "StageRoute"', 'label = " "', "policy[0].label"),
        ('"scaled:0.1"', '"scald:0.1"', 'policy[0].gamma = "scald:0.1"'),
        ('gamma = "scaled:0.1"', "init_pulls = 0", "policy[0].init_pulls = 0: must be"),
        ('gamma = "scaled:0.1"', 'router = "lq"', 'policy[0].router = "lq": must be'),
        (
            "0.001",
            "0.001\nM_max = 5",
            'setting.M_max = 5: unknown key; did you mean "max_deployed"?',
        ),
        ("0.001", "0.001\nT = 5", 'did you mean "horizon"?'),
        ("0.001", "0.001\nK = 5", 'did you mean "stages"?'),
        ("0.001", "0.001\nb = 5", 'did you mean "budget"?'),
        ("0.001", "0.001\nN = 5", "the number of models, N, is that of the scenario"),
        ("0.001", "0.001\n[quick_setting]\ntrials = 3", 'did you mean "quick"?'),
        ("0.001", '0.001\nstages = "T^1/3"', "write ^(1/3)"),
        ("max_deployed = 5", "max_deployed = 1e30", "at most 2,147,483,647"),
        ("0.001", "0.001\ncheckpoints = 1e12", "at most 1,048,576"),
        ("0.001", "9" * 400, "must be a finite number"),
        (
            'name = "routerbench"\nfamilies = ["MMLU", "GSM8K"]',
            'name = "static"\nn_models = 1_000_000_000',
            "n_models=1000000000 must be at most 100,000",
        ),
        ("[setting]", "[settings]", "setting: missing; add a table [setting]"),
    ],
)
def test_problems_name_the_key_the_value_and_the_remedy(old: str, new: str, words: str) -> None:
    assert old in TEXT
    assert any(words in problem for problem in problems_of(TEXT.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("horizon = 1_000", "horizon = 0", "horizon ="),
        ("horizon = 1_000", "", "[setting]"),
        ("0.001", '"0.5 * slak"', "budget ="),
        ("0.001", "[\n0.1,\n0.1\n]", "budget ="),
        ("0.001", "0.001\nK = 5", "K ="),
        ("0.001", '0.001\n[store]\ncurves = "all"', "curves ="),
        ("max_deployed = 5", "max_deployed = 5\n[quick]\ntrial = 3", "trial ="),
        ("max_deployed = 5", "max_deployed = 5\n[quick]\ntrials = 0", "[quick]"),
        ('"A few rounds."', '"x"\ncolour = 1', "colour ="),
        ('"A few rounds."', '"x"\nzip = [["trials", "seed"]]', "zip ="),
        ('name = "routerbench"', 'name = "routerbensch"', 'name = "routerbensch"'),
        ('["MMLU", "GSM8K"]', '["MMLUU"]', "families ="),
        ('label = "StageRoute"', 'label = " "', 'label = " "'),
        ('"scaled:0.1"', '"scald:0.1"', "gamma ="),
        ('name = "uniform"', 'name = "unifrom"', 'name = "unifrom"'),
        ('name = "uniform"', 'name = "uniform"\nrouter = "lq"', "router ="),
        ("[setting]", "[settings]", "[settings]"),
    ],
)
def test_problems_of_a_file_give_the_line(old: str, new: str, key: str, tmp_path: Path) -> None:
    text = TEXT.replace(old, new)
    line = next(n for n, words in enumerate(text.split("\n"), 1) if words.startswith(key))
    file = tmp_path / "some.toml"
    file.write_text(text)
    with pytest.raises(StudyError) as caught:
        Study.from_toml(file)
    assert line in caught.value.lines
    place = caught.value.lines.index(line)
    assert f"line {line}: {caught.value.problems[place]}" in str(caught.value)


def test_problems_without_a_file_have_no_line() -> None:
    with pytest.raises(StudyError) as caught:
        Study.from_dict({**Study.from_toml_text(TEXT).to_dict(), "max_cells": 0})
    assert caught.value.lines == (None,)
    assert str(caught.value).startswith("study: max_cells = 0: must be")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"policy": []}, "policy = []: at least one is needed, written [[policy]]"),
        ({"policy": {"name": "uniform"}}, "policy"),
        ({"policy": ["uniform"]}, "policy[0]"),
        ({"scenario": "routerbench"}, "must be a table, written [scenario], or a list of tables"),
        ({"scenario": ["routerbench"]}, "scenario[0]"),
        ({"zip": "horizon"}, "must be a list of groups of axes"),
        ({"max_cells": 0}, "max_cells = 0: must be a whole number >= 1"),
        ({"scenario": {"name": "replay"}}, "missing; scenario"),
    ],
)
def test_wrong_shapes_are_explained(data: dict[str, Any], words: str) -> None:
    whole = {**Study.from_toml_text(TEXT).to_dict(), **data}
    with pytest.raises(StudyError) as caught:
        Study.from_dict(whole)
    assert any(words in problem for problem in caught.value.problems)


@pytest.mark.parametrize("stages", ["T^(1/3)", "T^0.5", "T^( 2 / 3 )", "theory", 7, 7.0])
def test_rules_for_stages(stages: int | str) -> None:
    setting = Setting(horizon=10, budget=1.0, max_deployed=1, stages=stages)
    assert setting.stages == stages


def test_a_number_written_with_an_exponent_is_whole() -> None:
    setting = Study.from_toml_text(TEXT.replace("1_000", "1e6")).setting
    assert setting.horizon == 1_000_000
    assert isinstance(setting.horizon, int)


def test_changing_the_setting() -> None:
    study = Study.from_toml_text(TEXT)
    changed = study.with_setting(trials=3, horizon=None)
    assert (changed.setting.trials, changed.setting.horizon) == (3, 1000)
    with pytest.raises(StudyError, match=r"setting\.trials = 0"):
        study.with_setting(trials=0)


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_valid_and_described(name: str) -> None:
    study = Study.preset(name)
    assert study.name == name
    assert len(study.description) > 20
    assert Study.from_toml_text(study.to_toml()) == study


QUICK = f"""\
answer = "interval"
{TEXT}
[quick]
horizon = [100, 200]
trials = 3
"""


def test_the_short_form_takes_its_settings_from_the_quick_table() -> None:
    study = Study.from_toml_text(QUICK)
    quick = study.quick()
    assert (quick.name, quick.answer) == ("mini-quick", "interval")
    assert (quick.setting.horizon, quick.setting.trials) == ((100, 200), 3)
    assert (quick.setting.budget, quick.quick_setting) == (0.001, None)
    assert study.setting.horizon == 1000
    assert Study.from_toml_text(study.to_toml()) == study
    with pytest.raises(StudyError, match=r"add a table \[quick\]"):
        quick.quick()


def test_question_and_short_form_are_not_part_of_what_identifies_results() -> None:
    assert Study.from_toml_text(QUICK).content_hash == Study.from_toml_text(TEXT).content_hash


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("trials = 3", "trails = 3", 'quick.trails = 3: unknown setting; did you mean "trials"'),
        ("trials = 3", "trials = 0", "quick: setting.trials = 0"),
        ('answer = "interval"', 'answer = "intervall"', 'did you mean "interval"'),
        ("[quick]\nhorizon = [100, 200]\ntrials = 3", "[[quick]]", "must be a table"),
    ],
)
def test_what_is_wrong_with_question_and_short_form(old: str, new: str, words: str) -> None:
    (problem,) = problems_of(QUICK.replace(old, new))
    assert words in problem


def test_axes_that_go_together_are_equally_long_in_the_short_form_too() -> None:
    text = QUICK.replace("horizon = 1_000", "horizon = [300, 400]\ntrials = [5, 6]")
    text = 'zip = [["horizon", "trials"]]\n' + text.replace("trials = 3", "trials = [3, 4, 5]")
    (problem,) = problems_of(text)
    assert problem.startswith("quick: zip[0]")
    assert "horizon has 2 values, trials has 3 values" in problem


@pytest.mark.parametrize("name", preset_names())
def test_presets_with_a_question_have_a_short_form(name: str) -> None:
    study = Study.preset(name)
    if study.answer is not None:
        assert count_cells(study.quick().resolved()) > 1


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(StudyError, match='did you mean "quickstart"'):
        Study.preset("quickstrat")
