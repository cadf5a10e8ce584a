"""Outputs that cannot say everything, or that nobody reads."""

import io
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import fastroute as fr
from fastroute.cli_output import safe_output


@contextmanager
def output(patch: pytest.MonkeyPatch, encoding: str) -> Iterator[int]:
    """Put a pipe of an encoding in the place of standard output, and yield its other end."""
    other, descriptor = os.pipe()
    with open(descriptor, "w", encoding=encoding) as stream:
        patch.setattr(sys, "stdout", stream)
        yield other


@pytest.mark.parametrize(
    ("encoding", "wanted"),
    [
        ("ascii", b"1 +- 2, 3 x 4, -5 ... ?\n"),
        ("utf-8", "1 ± 2, 3 × 4, −5 … Ж\n".encode()),
        ("latin-1", "1 ± 2, 3 × 4, -5 ... ?\n".encode("latin-1")),
    ],
)
def test_what_an_encoding_lacks_is_written_plainly(
    encoding: str, wanted: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with output(monkeypatch, encoding) as other:
        with safe_output():
            print("1 ± 2, 3 × 4, −5 … Ж")
        assert os.read(other, 1000) == wanted
        os.close(other)


def test_bytes_of_a_file_name_are_written_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with output(monkeypatch, "utf-8") as other:
        with safe_output():
            print(os.fsdecode(b"a\xffb"))
        assert os.read(other, 1000) == b"a\xffb\n"
        os.close(other)


def test_what_nobody_reads_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    with output(monkeypatch, "utf-8") as other:
        os.close(other)
        with safe_output():
            for _ in range(10):
                print("x" * 100_000, flush=True)


def test_a_closed_output_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with safe_output():
        print("nobody hears")
    assert sys.stdout is None


def test_outputs_in_memory_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = io.StringIO()
    monkeypatch.setattr(sys, "stdout", memory)
    with safe_output():
        print("±")
    assert memory.getvalue() == "±\n"


def test_a_warning_of_fastroute_takes_one_line() -> None:
    with safe_output():
        ours = warnings.formatwarning("a thing to know", fr.FastrouteWarning, "file.py", 1)
        other = warnings.formatwarning("another", RuntimeWarning, "file.py", 1)
    assert ours == "warning: a thing to know\n"
    assert other.startswith("file.py:1: RuntimeWarning: another\n")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a finished study in ``here``."""
    folder = tmp_path_factory.mktemp("finished")
    study = fr.Study.preset("quickstart").with_setting(trials=2, horizon=50)
    (folder / "small.toml").write_text(study.to_toml())
    fr.run_study(study, folder / "here")
    return folder


@pytest.mark.parametrize(
    ("command", "redirection"),
    [
        ("run small.toml --out here", ">&-"),
        ("status here", ">out"),
        ("status here", ">&- 2>&-"),
        ("status here", "| true"),
        ("status nowhere", "2>&1 | true"),
    ],
)
def test_no_output_fails_a_command(command: str, redirection: str, finished: Path) -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            f"{sys.executable} -m fastroute {command} {redirection}; echo ${{PIPESTATUS[0]}}",
        ],
        cwd=finished,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ("2\n" if "nowhere" in command else "0\n")
    assert "Traceback" not in done.stderr
    if redirection == ">out":
        assert "+-" in (finished / "out").read_text(encoding="ascii")
