"""The command that serves a router: what it reads, and what it refuses."""

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import fastroute as fr
from fastroute.cli import app as command_line
from fastroute.cli_serve import _read_models, _stage
from http_load import in_the_log, running


def test_the_command_says_what_is_missing(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FASTROUTE_TOKEN", raising=False)
    Path("empty").write_text("\n")
    for arguments, says in [
        (["new.db"], "there is no such log; to make one, give --models, --budget, --max-deployed"),
        (["new.db", "--host", "0.0.0.0"], "others can reach it, so it needs a token"),
        (["new.db", "--token-file", "empty"], "a token has letters, digits and signs"),
        (["new.db", "--token-file", "none"], "none: No such file"),
    ]:
        result = CliRunner().invoke(command_line, ["serve", *arguments])
        assert result.exit_code == 2
        assert says in result.stderr
    assert not Path("new.db").exists()


def test_the_command_says_which_extra_is_missing(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(command_line, ["serve", "state.db"])
    assert result.exit_code == 2
    assert 'pip install "fastroute[serve]"' in result.stderr


def test_a_port_that_is_taken_leaves_the_log_alone(tmp_path: Path) -> None:
    with running(tmp_path / "state.db") as (port, _):
        result = CliRunner().invoke(
            command_line, ["serve", str(tmp_path / "state.db"), "--port", str(port)]
        )
    assert result.exit_code == 2
    assert f"--port {port}: Address already in use" in result.stderr
    assert in_the_log(tmp_path / "state.db", "starts") == 1


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("6h", fr.every(hours=6)),
        ("30min", fr.every(minutes=30)),
        ("1.5 d", fr.every(days=1.5)),
        ("1000", fr.every(decisions=1000)),
    ],
)
def test_stages_of_the_command(text: str, stage: object) -> None:
    assert _stage(text) == stage


@pytest.mark.parametrize("text", ["", "h", "0", "0h", "1.5", "-1h", "6 weeks"])
def test_stages_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write 6h"):
        _stage(text)


def test_models_of_the_command(tmp_path: Path) -> None:
    for name, text in [
        ("a.json", '["x", {"name": "y", "limit": 0.5}]'),
        ("b.json", '{"models": {"x": {}, "y": {"limit": 0.5}}}'),
        ("c.toml", '[[models]]\nname = "x"\n[[models]]\nname = "y"\nlimit = 0.5\n'),
        ("d.toml", "[x]\n[y]\nlimit = 0.5\n"),
    ]:
        (tmp_path / name).write_text(text)
        router = fr.OnlineRouter(
            models=_read_models(tmp_path / name),
            budget=1.0,
            max_deployed=1,
            stage=fr.every(decisions=5),
        )
        assert router.models == ("x", "y")
    (tmp_path / "e.json").write_text("{")
    with pytest.raises(ValueError, match=r"e\.json: cannot be read"):
        _read_models(tmp_path / "e.json")
