"""Compiled kernels where nothing can be written, and kernels that are not compiled."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastroute as fr
from fastroute.kernels.numba_.compile import private_folder

IMPORT = (
    "import os, sys, tempfile; tempfile.tempdir = sys.argv[1];"
    "import fastroute.kernels.numba_.rounds; from fastroute.kernels.numba_ import compile;"
    "print(compile.keeps(), os.environ.get('NUMBA_CACHE_DIR'))"
)


def fresh(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a process whose Numba finds its cache by ``NUMBA_CACHE_DIR`` alone."""
    inherited = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def test_where_nothing_can_be_written_a_private_temporary_folder_is_used(tmp_path: Path) -> None:
    done = fresh(IMPORT, str(tmp_path), NUMBA_CACHE_LOCATOR_CLASSES="UserProvidedCacheLocator")
    (folder,) = tmp_path.iterdir()
    assert done.stdout.split() == ["True", str(folder)]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert done.stderr.count("FastrouteWarning") == 1
    assert f"kept in {folder}. Set NUMBA_CACHE_DIR to a folder" in done.stderr
    # The processes that it starts inherit the folder; the next one finds it again.
    again = fresh(IMPORT, str(tmp_path), NUMBA_CACHE_LOCATOR_CLASSES="UserProvidedCacheLocator")
    assert again.stdout == done.stdout


def test_without_any_folder_kernels_are_compiled_anew(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    done = fresh(IMPORT, nowhere, NUMBA_CACHE_LOCATOR_CLASSES="UserProvidedCacheLocator")
    assert done.stdout.split() == ["False", "None"]
    assert done.stderr.count("FastrouteWarning") == 1
    assert "NUMBA_CACHE_DIR" in done.stderr


def test_a_folder_of_the_user_is_used_in_silence(tmp_path: Path) -> None:
    done = fresh(
        IMPORT,
        str(tmp_path / "nowhere"),
        NUMBA_CACHE_LOCATOR_CLASSES="UserProvidedCacheLocator",
        NUMBA_CACHE_DIR=str(tmp_path),
    )
    assert done.stdout.split() == ["True", str(tmp_path)]
    assert done.stderr == ""


@pytest.mark.parametrize("trap", ["link", "file", "open"])
def test_a_folder_that_others_could_have_filled_is_left_alone(trap: str, tmp_path: Path) -> None:
    expected = private_folder(tmp_path)
    assert private_folder(tmp_path) == expected
    if trap == "open":
        expected.chmod(0o770)
    else:
        expected.rmdir()
        (tmp_path / "other").mkdir()
        if trap == "link":
            expected.symlink_to(tmp_path / "other")
        else:
            expected.touch()
    found = private_folder(tmp_path)
    assert found not in (expected, tmp_path / "other")
    assert not found.is_symlink()
    assert stat.S_IMODE(found.stat().st_mode) == 0o700


def test_where_users_have_no_numbers_the_temporary_folder_is_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "geteuid")
    assert private_folder(tmp_path) == private_folder(tmp_path)


def test_uncompiled_kernels_pick_the_same_models(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np, fastroute as fr\n"
        "run = fr.simulate(fr.scenario('static'), fr.policy('stageroute'), horizon=20, budget=1.0,"
        " max_deployed=3, trials=8, trace=True)\n"
        "np.save(sys.argv[1], run.picks)"
    )
    file = tmp_path / "picks.npy"
    done = fresh(code, str(file), NUMBA_DISABLE_JIT="1")
    assert "RuntimeWarning" not in done.stderr
    run = fr.simulate(
        fr.scenario("static"),
        fr.policy("stageroute"),
        horizon=20,
        budget=1.0,
        max_deployed=3,
        trials=8,
        trace=True,
    )
    assert np.array_equal(np.load(file), run.picks)
