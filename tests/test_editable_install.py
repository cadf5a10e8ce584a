"""An editable install imports from anywhere, and shows its types to checkers in other folders."""

import importlib.metadata
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

#: What setuptools reads: the tree itself, its links kept as links.
TREE = ("LICENSE", "README.md", "bench", "fastroute", "kernels", "pyproject.toml")

SCRIPT = """\
import fastroute as fr
from fastroute.kernels import codes

scenario = fr.scenario("static")
policy = fr.policy("stageroute")
reveal_type(fr.simulate(scenario, policy, horizon=100, budget=1.0, max_deployed=3))
fr.simulate(scenario, policy, horizon=100, budget=1.0, max_deploid=3)
"""


@pytest.fixture(scope="module")
def copy_tree(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Return a function that copies the tree, because building leaves files beside it."""
    try:
        version = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("setuptools is not installed")
    if int(version.split(".")[0]) < 77:
        pytest.skip(f"building needs setuptools 77 or newer, not {version}")

    def copy() -> Path:
        tree = tmp_path_factory.mktemp("tree")
        for name in TREE:
            source = root / name
            if source.is_dir():
                skip = shutil.ignore_patterns("__pycache__", "results")
                shutil.copytree(source, tree / name, symlinks=True, ignore=skip)
            else:
                shutil.copy(source, tree / name)
        return tree

    return copy


def build(tree: Path, hook: str, out: Path) -> "subprocess.CompletedProcess[str]":
    """Call a hook of the build backend, as pip does."""
    code = f"import setuptools.build_meta as backend; backend.{hook}({str(out)!r})"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def editable(copy_tree: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment that holds an editable install and nothing else."""
    tree = copy_tree()
    out = tmp_path_factory.mktemp("wheel")
    done = build(tree, "build_editable", out)
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("*.whl")
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False)
    (packages,) = environment.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(packages)
    (path_file,) = packages.glob("*.pth")
    assert path_file.read_text(encoding="utf-8").strip() == str(tree), "a path, not an import hook"
    return environment / "bin" / "python"


@pytest.mark.parametrize("place", ["elsewhere", "tree"])
def test_editable_install_imports(editable: Path, tmp_path: Path, root: Path, place: str) -> None:
    code = "import fastroute.kernels.codes, fastroute.bench"
    where = tmp_path if place == "elsewhere" else root
    subprocess.run([editable, "-c", code], cwd=where, check=True)


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_checkers_see_the_types_of_an_editable_install(
    editable: Path, tmp_path: Path, checker: str
) -> None:
    # Beside the running Python first: its environment may not be activated.
    command = shutil.which(checker, path=str(Path(sys.executable).parent)) or shutil.which(checker)
    if command is None:
        pytest.skip(f"{checker} is not installed")
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    options = {
        "mypy": ["--config-file=", f"--python-executable={editable}", "--cache-dir=cache"],
        "pyright": ["--pythonpath", str(editable)],
    }
    said = subprocess.run(
        [command, *options[checker], "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    revealed = {
        "mypy": 'Revealed type is "fastroute.simulation.run.Run"',
        "pyright": '" is "Run"',
    }
    misspelt = {
        "mypy": 'Unexpected keyword argument "max_deploid" for "simulate"',
        "pyright": 'No parameter named "max_deploid"',
    }
    assert revealed[checker] in said, said
    assert misspelt[checker] in said, said
    assert "fastroute.kernels" not in said, said


def test_checkout_without_links_is_not_built(copy_tree: Callable[[], Path], tmp_path: Path) -> None:
    # As Git writes links where `core.symlinks` is false: a wheel must not lack the kernels.
    tree = copy_tree()
    for name in ("bench", "kernels"):
        link = tree / "fastroute" / name
        link.unlink()
        link.write_text(f"../{name}", encoding="utf-8")
    done = build(tree, "build_wheel", tmp_path)
    assert done.returncode != 0
    assert "supposed package directory" in done.stderr
    assert "is not a directory" in done.stderr
    assert not list(tmp_path.glob("*.whl"))
