from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

import factories
from fastroute.simulate import simulate as real_simulate
from fastroute.study import RunDirectoryError, Study, StudyError, load, run_study
from fastroute.study.progress import rate_text, reporter


@pytest.fixture
def study() -> Study:
    return Study.from_dict(
        {
            "name": "mini",
            "scenario": {"name": "static", "n_models": 4},
            "policy": [{"name": "stageroute"}, {"name": "uniform"}, {"name": "oracle"}],
            "setting": {"horizon": 200, "budget": 10.0, "max_deployed": 3, "trials": 4, "seed": 5},
        }
    )


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Put invented runs in the place of the simulation, and record how it was called."""
    made: list[dict[str, Any]] = []

    def simulate(scenario: Any, policy: Any, **options: Any) -> factories.FakeRun:
        made.append({"scenario": scenario, "policy": policy, **options})
        options["progress"](400, 800)
        return factories.fake_run(trials=4, stages=3)

    monkeypatch.setattr("fastroute.simulate.simulate", simulate)
    return made


def test_every_policy_meets_the_same_world(
    study: Study, calls: list[dict[str, Any]], tmp_path: Path
) -> None:
    result = run_study(study, tmp_path / "run", threads=1, progress=False)
    assert [call["policy"].name for call in calls] == ["stageroute", "uniform", "oracle"]
    for call in calls:
        assert call["scenario"] is calls[0]["scenario"]
        assert call["seed"] == 5
        assert (call["horizon"], call["trials"], call["threads"]) == (200, 4, 1)
        assert (call["budget"], call["max_deployed"], call["stages"]) == (10.0, 3, "T^(1/3)")
    for frame in (result.trials, result.curves, result.stages, result.summary):
        assert frame.columns[0] == "policy"
        assert frame.get_column("policy").unique(maintain_order=True).to_list() == [
            "stageroute",
            "uniform",
            "oracle",
        ]
    assert not result.already_complete
    assert list(result.runs) == ["stageroute", "uniform", "oracle"]
    assert [fact["ns_per_trial_round"] for fact in result.manifest["policies"]] == [
        pytest.approx(1.5e9 / 800)
    ] * 3


def test_a_finished_study_is_not_run_again(
    study: Study, calls: list[dict[str, Any]], tmp_path: Path
) -> None:
    first = run_study(study, tmp_path / "run", progress=False)
    again = run_study(study, tmp_path / "run", progress=False)
    assert len(calls) == 3
    assert again.already_complete
    assert_frame_equal(first.trials, again.trials)
    with pytest.raises(RunDirectoryError, match="another study"):
        run_study(study.with_setting(seed=6), tmp_path / "run", progress=False)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_finished_before_an_interruption_is_kept(
    study: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    def simulate(scenario: Any, policy: Any, **options: Any) -> Any:
        if policy.name == "oracle":
            raise error("stop")
        return real_simulate(scenario, policy, **{**options, "progress": None})

    monkeypatch.setattr("fastroute.simulate.simulate", simulate)
    with pytest.raises(error) as caught:
        run_study(study, tmp_path / "run", progress=False)
    assert caught.value.__notes__ == [
        f"2 of 3 policies had finished and are kept in {tmp_path / 'run'}"
    ]
    stored = load(tmp_path / "run")
    assert not stored.complete
    assert stored.trials.collect().get_column("policy").unique(maintain_order=True).to_list() == [
        "stageroute",
        "uniform",
    ]


def test_nothing_runs_when_something_is_wrong(
    study: Study, calls: list[dict[str, Any]], tmp_path: Path
) -> None:
    data = study.to_dict()
    data["policy"][2]["gama"] = 1
    with pytest.raises(StudyError, match=r"policy\[2\]\.gama"):
        run_study(Study.model_validate(data), tmp_path / "run", progress=False)
    assert calls == []
    assert not (tmp_path / "run").exists()


def test_progress_in_plain_lines(
    study: Study,
    calls: list[dict[str, Any]],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run_study(study, tmp_path / "run", progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 6
    assert lines[2] == "[2/3] uniform"
    assert lines[3].startswith("[2/3] uniform: 100% in ")
    assert "rounds/s" in lines[3]


def test_progress_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with reporter(True, 2, 1000) as report:
        report.start("first")
        report.advance(0.5)
        report.start("second")
        report.advance(1.0)
    out, err = capfd.readouterr()
    assert out == ""
    assert "second" in err
    assert "100%" in err


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, "- rounds/s"),
        (0.0, "- rounds/s"),
        (12.0, "12 rounds/s"),
        (31_240_000.0, "31.2 M rounds/s"),
        (2.5e9, "2.5 G rounds/s"),
        (4_321.0, "4.32 k rounds/s"),
    ],
)
def test_rates_in_words(rate: float | None, text: str) -> None:
    assert rate_text(rate) == text


def test_a_real_study_is_the_same_for_any_number_of_threads(study: Study, tmp_path: Path) -> None:
    one = run_study(study, tmp_path / "one", threads=1, progress=False)
    two = run_study(study, tmp_path / "two", threads=2, progress=False)
    for name in ("trials", "curves", "stages", "summary"):
        assert_frame_equal(getattr(one, name), getattr(two, name))
    files = [result.manifest["files"]["trials.parquet"]["sha256"] for result in (one, two)]
    assert files[0] == files[1]
    total = one.trials["discovery"] + one.trials["deployment"] + one.trials["routing"]
    assert (total - one.trials["regret"]).abs().max() == pytest.approx(0.0, abs=1e-9)
    assert load(tmp_path / "one").damaged() == []
