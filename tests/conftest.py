import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Figures are drawn without a display.
os.environ.setdefault("MPLBACKEND", "Agg")
# Tables are as wide as where there is no terminal; processes of pytest-xdist are told a width.
os.environ.pop("COLUMNS", None)

# A checkout gives one answer: the same examples on every machine. Look for new ones with
# `pytest --hypothesis-profile=explore`. No deadline: a first call may compile.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def root() -> Path:
    """Top of the checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of published tables beside the checkout; the tests that need it skip without it."""
    # Not resolved: the folder is beside the checkout as it was reached.
    folder = Path(__file__).absolute().parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no folder of shared data at {folder}")
    return folder


@pytest.fixture(scope="module")
def fast_programs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let JAX compile with fewer optimisations, in half of the time, in the default run.

    With the mark ``slow`` all programs are those of users.
    """
    import jax

    option = "jax_disable_most_optimizations"
    before = jax.config.values[option]
    jax.config.update(option, before or request.config.option.markexpr == "not slow")
    yield
    jax.config.update(option, before)
    # Other files in this process compile for themselves.
    if rounds := sys.modules.get("fastroute.kernels.jax_.rounds"):
        rounds._compiled.cache_clear()
    jax.clear_caches()


@pytest.fixture(scope="session", autouse=True)
def _nothing_waits_for_the_disk() -> Iterator[None]:
    """Leave it to the system when files reach the disk, which only a power cut would tell.

    Processes that tests start and kill wait for it as those of users do.
    """

    def fsync(handle: int) -> None:
        # What is no open file is refused as ever.
        os.fstat(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield
