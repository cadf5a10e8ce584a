"""What is installed is what is in the tree, and the texts about it are true."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import fastroute


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


#: Folders at the top that are installed below `fastroute`, through a link of the same name.
LINKED = ("bench", "kernels")


def packages_in(top: Path, name: str) -> set[str]:
    """Return the dotted names of all packages below ``top``, which is imported as ``name``."""
    found = set()
    for file in top.glob("**/__init__.py"):
        parts = file.parent.relative_to(top).parts
        found.add(".".join((name, *parts)))
    return found


def readme_command(readme: str, name: str) -> str:
    blocks = re.findall(
        rf"^<!-- command:{name} -->\n```sh\n(.*?)\n```$", readme, flags=re.DOTALL | re.MULTILINE
    )
    assert len(blocks) == 1, f"README.md needs exactly one block marked command:{name}"
    assert "\n" not in blocks[0], f"command:{name} is one command on one line"
    return str(blocks[0])


def test_every_package_is_listed(root: Path, project: dict[str, Any]) -> None:
    listed = project["tool"]["setuptools"]["packages"]
    # The links are left out, so that nothing depends on whether a glob follows them.
    below_links = tuple(f"fastroute.{name}." for name in LINKED)
    inside = {
        name
        for name in packages_in(root / "fastroute", "fastroute")
        if not (name + ".").startswith(below_links)
    }
    linked = {found for name in LINKED for found in packages_in(root / name, f"fastroute.{name}")}
    assert sorted(listed) == listed, "keep the list of packages sorted"
    assert set(listed) == inside | linked
    # Any other entry would turn editable installs into an import hook.
    assert project["tool"]["setuptools"]["package-dir"] == {"": "."}


def test_every_module_is_in_a_package(root: Path) -> None:
    for top in ("fastroute", *LINKED):
        for file in (root / top).glob("**/*.py"):
            assert (file.parent / "__init__.py").exists(), f"{file.parent} needs an __init__.py"


def test_package_data_patterns_match_files(root: Path, project: dict[str, Any]) -> None:
    for package, patterns in project["tool"]["setuptools"]["package-data"].items():
        for pattern in patterns:
            folder = root / package.replace(".", "/")
            assert any(path.is_file() for path in folder.glob(pattern)), (
                f"package-data of {package}: nothing matches {pattern!r}"
            )


def test_every_data_file_is_installed(root: Path, project: dict[str, Any]) -> None:
    # A data file that no pattern covers works from the checkout and is missing from the wheel.
    covered = {
        file
        for package, patterns in project["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for file in (root / package.replace(".", "/")).glob(pattern)
    }
    covered |= {root / file.relative_to(root / "fastroute") for file in covered}
    # Results of benchmarks stay in the checkout; the links are seen once, at the top.
    left_out = {root / "bench" / "results", *(root / "fastroute" / name for name in LINKED)}
    for top in ("fastroute", *LINKED):
        for file in (root / top).glob("**/*"):
            code = file.suffix in {".py", ".pyc", ".nbi", ".nbc"}
            if file.is_file() and not code and left_out.isdisjoint(file.parents):
                assert file in covered, f"{file} is in no wheel: add it to package-data"


@pytest.mark.parametrize("name", LINKED)
def test_linked_folder_is_a_link_in_git(root: Path, name: str) -> None:
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        pytest.skip("not a git checkout")
    safe = ["-c", "safe.directory=*"]  # the checkout may belong to another user
    listed = subprocess.run(
        [git, *safe, "ls-files", "--stage", f"fastroute/{name}"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert len(listed) == 1, f"fastroute/{name} must be committed as one link, not as files"
    assert listed[0].startswith("120000 ")
    assert (root / "fastroute" / name).resolve() == (root / name).resolve()


def test_changelog_names_the_version(root: Path) -> None:
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d[^\]]*)\]", changelog, flags=re.MULTILINE)
    assert versions[:1] == [fastroute.__version__], "the newest entry is the current version"


def test_readme_names_the_oldest_python(readme: str, project: dict[str, Any]) -> None:
    oldest = project["project"]["requires-python"].removeprefix(">=")
    assert f"Python {oldest} or newer" in readme


def test_readme_commands_are_those_that_ci_runs(root: Path, readme: str) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    done = subprocess.run(
        [bash, str(root / ".ci" / "run"), "--commands"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        readme_command(readme, "run"),
        readme_command(readme, "test"),
    ]
    assert ".venv/bin/pytest" in readme_command(readme, "test")
    assert ".venv/bin/fastroute run" in readme_command(readme, "run")


def test_readme_links_lead_somewhere(root: Path, readme: str) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", readme)
    local = [target for target in targets if "://" not in target]
    assert local
    for target in local:
        assert (root / target).exists(), f"README.md links to {target}, which does not exist"


def test_readme_examples_run(readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, the later ones with the names of those before."""
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"^```python\n(.*?)^```$", readme, flags=re.DOTALL | re.MULTILINE)
    assert len(examples) == 2
    names: dict[str, object] = {"__name__": "readme"}
    for example in examples:
        exec(compile(example, "README.md", "exec"), names)
    assert (tmp_path / "state.db").exists()
