import json
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from fastroute.scenarios import list_data, scenario
from fastroute.scenarios.paretobandit import RELEASED


class FakeFile(PurePosixPath):
    """A file of a distribution, found in a folder of the test."""

    folder: Path

    def locate(self) -> Path:
        return self.folder / self.name


class FakeDistribution:
    def __init__(self, files: list[Any] | None) -> None:
        self.files = files


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, lines: list[str] | None) -> None:
    """Pretend that a wheel with one example file is installed."""
    files: list[Any] = []
    if lines is not None:
        (folder / "val.jsonl").write_text("\n".join(lines))
        file = FakeFile("pareto_bandit/data/examples/val.jsonl")
        file.folder = folder
        files = [PurePosixPath("pareto_bandit/__init__.py"), file]
    monkeypatch.setattr(metadata, "distribution", lambda name: FakeDistribution(files))
    monkeypatch.setattr(metadata, "version", lambda name: "0.0")


def example(**arms: float) -> str:
    outcome = {
        model.replace("__", "/"): {"reward": reward, "cost": 0.01} for model, reward in arms.items()
    }
    return json.dumps({"prompt": "p", "source": "mmlu", "arms": outcome})


def test_examples_of_the_installed_package() -> None:
    # Found, not imported: the scenario must not need what the package needs.
    if find_spec("pareto_bandit") is None:
        pytest.skip('needs pip install "fastroute[data]"')
    built = scenario("paretobandit")
    assert built.outcomes is not None
    assert built.outcomes.score.shape == (3609, 3)
    assert built.models == (
        "meta-llama/llama-3.1-8b-instruct",
        "google/gemini-2.5-pro",
        "mistralai/mistral-large-2512",
    )
    assert built.arrival.tolist() == [0.0, 0.0, 0.5]
    # The cheapest model is the worst and costs hundreds of times less than the dearest.
    assert built.reward_mean.argmin() == built.cost_mean.argmin() == 0
    assert built.cost_mean[1] / built.cost_mean[0] > 100
    splits = [scenario("paretobandit", split=split).outcomes for split in ("val", "test_holdout")]
    assert [table.score.shape[0] for table in splits if table is not None] == [1785, 1824]
    assert next(entry for entry in list_data() if entry.scenario == "paretobandit").queries == 3609


def test_the_package_is_read_and_never_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pareto_bandit", None)
    names = {name.replace("/", "__"): 0.5 for name in RELEASED}
    install(monkeypatch, tmp_path, [example(**names), "", example(**names)])
    built = scenario("paretobandit", initial=4)
    assert built.outcomes is not None
    assert built.outcomes.score.shape == (2, 4)


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    with pytest.raises(ValueError, match=r'pip install "fastroute\[data\]"'):
        scenario("paretobandit")
    entry = next(entry for entry in list_data() if entry.scenario == "paretobandit")
    assert not entry.available
    assert "fastroute[data]" in entry.remedy


def test_a_package_without_examples_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, tmp_path, None)
    with pytest.raises(ValueError, match="reinstall"):
        scenario("paretobandit")


def test_a_model_without_a_date_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, tmp_path, [example(other__model=0.5, google__gemini_x=0.2)])
    with pytest.raises(ValueError, match=r"release_dates: 'other/model', 'google/gemini_x'"):
        scenario("paretobandit")
    dates = {"other/model": "2024-01-01", "google/gemini_x": "2025-01-01"}
    built = scenario("paretobandit", release_dates=dates)
    assert built.models == ("other/model", "google/gemini_x")


@pytest.mark.parametrize("line", ["{", "[]", '{"source": "a"}', '{"source": "a", "arms": [1]}'])
def test_another_layout_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str
) -> None:
    install(monkeypatch, tmp_path, [line])
    with pytest.raises(ValueError, match=r"val\.jsonl, line 1 is not an example"):
        scenario("paretobandit")


def test_unknown_split(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="split='train' is unknown"):
        scenario("paretobandit", split="train")
    install(monkeypatch, tmp_path, [example(other__model=0.5)])
    with pytest.raises(ValueError, match="split='test_holdout' is not in the package"):
        scenario("paretobandit", split="test_holdout")
