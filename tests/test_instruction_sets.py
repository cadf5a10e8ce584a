"""Kernels give the same bits compiled for AVX2, and are compiled well for it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import compiled
from fastroute.bench import instruction_sets
from fastroute.bench.instruction_sets import compiled_for, for_avx2, of_host
from fastroute.kernels.numba_.instruction_set import of_target

X86 = "x86_64-unknown-linux-gnu"
on_avx2 = pytest.mark.skipif(
    not instruction_sets.runs_avx2(), reason="this processor does not run AVX2"
)


@pytest.fixture
def kept(request: pytest.FixtureRequest) -> Path:
    """Folder of kernels compiled for AVX2, which the next run of the tests finds again."""
    assert request.config.cache is not None
    return request.config.cache.mkdir("kernels-avx2")


def child(root: Path, what: str, variables: dict[str, str]) -> Any:
    """Run ``compiled.py`` in a process with other variables of the environment."""
    done = subprocess.run(
        [sys.executable, str(root / "tests" / "compiled.py"), what],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def compiled_for_avx2(root: Path, what: str, folder: Path) -> Any:
    told = child(root, what, for_avx2(folder))
    assert told["instruction_set"] == "AVX2"
    return told["found"]


@pytest.mark.parametrize(
    ("name", "features", "found"),
    [
        ("znver3", "", "AVX2"),
        ("znver4", "", "AVX-512"),
        ("skylake-avx512", "", "AVX-512"),
        ("skylake-avx512", "-avx512f", "AVX2"),
        ("x86-64", "+avx2", "AVX2"),
        ("sandybridge", "", "AVX"),
        ("generic", "", "SSE"),
    ],
)
def test_instruction_set_is_what_llvm_makes_of_name_and_features(
    name: str, features: str, found: str
) -> None:
    if not compiled_for("numba") or of_host() not in ("SSE", "AVX", "AVX2", "AVX-512"):
        pytest.skip("LLVM has targets of this processor only, which is no x86")
    assert of_target(X86, name, features) == found


def test_xla_is_held_back_by_its_option(monkeypatch: pytest.MonkeyPatch) -> None:
    of_jax = compiled_for.__wrapped__
    for host, limit, found in (
        ("AVX-512", "", "AVX-512"),
        ("AVX-512", "--xla_cpu_max_isa=AVX2", "AVX2"),
        ("AVX-512", "--xla_cpu_max_isa=AVX2 --xla_cpu_max_isa=SSE4_2", "SSE"),
        ("AVX", "--xla_cpu_max_isa=AVX2", "AVX"),
        ("NEON", "--xla_cpu_max_isa=AVX2", "NEON"),
    ):
        monkeypatch.setattr(instruction_sets, "of_host", lambda host=host: host)
        monkeypatch.setenv("XLA_FLAGS", limit)
        assert of_jax("jax") == found


def test_what_came_compiled_has_no_instruction_set() -> None:
    assert compiled_for("") == ""


@on_avx2
def test_few_results_are_the_same_bits_for_avx2(root: Path, kept: Path) -> None:
    assert compiled_for_avx2(root, "bits", kept) == compiled.few_bits()


@on_avx2
@pytest.mark.slow
def test_all_results_are_the_same_bits_for_avx2(root: Path, kept: Path) -> None:
    theirs, mine = compiled_for_avx2(root, "all-bits", kept), compiled.all_bits()
    assert theirs.keys() == mine.keys()
    assert not [name for name in mine if theirs[name] != mine[name]]


@on_avx2
@pytest.mark.slow
def test_no_kernel_stores_under_a_mask_on_avx2(root: Path, tmp_path: Path) -> None:
    """A masked store is one slow instruction per lane there: write a selection to every lane."""
    found = compiled_for_avx2(root, "stores", tmp_path)
    assert len(found) > 20
    masked = {name: count for name, count in found.items() if count}
    assert not masked, "\n".join(f"{name}: {count}" for name, count in masked.items())


@pytest.mark.slow
def test_passes_on_many_lanes_are_vectors_on_arm(root: Path, tmp_path: Path) -> None:
    # Vectors of an x86 without AVX are written with nothing that ARM does not know.
    plain = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""}
    told = child(root, "arm", {**plain, "NUMBA_OPT": "0", "NUMBA_CACHE_DIR": str(tmp_path)})
    for processor, found in told["found"].items():
        for name in (
            *("rounds._draw.<locals>.draw", "basis.check", "rounds._choose.<locals>.choose"),
            *("outcomes._elementwise.<locals>.observe", "estimators._renew.<locals>.estimate"),
            *("routers._fill_by_score.<locals>.route", "lanes._solve"),
        ):
            assert found[name]["vector"] > 10 * found[name]["scalar"], (processor, name)
