"""The public face: lazy, complete, and independent of the order of imports."""

import ast
import importlib
import inspect
import pickle
import pydoc
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, assert_type

import pytest

import fastroute as fr

HEAVY = ("jax", "jaxlib", "numba", "polars", "scipy", "matplotlib", "highspy")

if TYPE_CHECKING:
    # Read by the type checker only: what is called keeps its own types.
    assert_type(fr.scenario("static"), fr.Scenario)
    assert_type(fr.policy("stageroute"), fr.Policy)
    assert_type(
        fr.simulate(
            fr.scenario("static"),
            fr.policy("stageroute"),
            horizon=100,
            budget=0.5,
            max_deployed=2,
            trials=2,
        ),
        fr.Run,
    )


def fresh(code: str, cwd: Path) -> str:
    """Run ``code`` in a new interpreter, away from the checkout, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_is_light(tmp_path: Path) -> None:
    code = f"import sys, fastroute; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert fresh(code, tmp_path) == "[]"


def test_listing_names_is_light(tmp_path: Path) -> None:
    code = (
        "import sys, fastroute; assert set(fastroute.__all__) <= set(dir(fastroute));"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    assert fresh(code, tmp_path) == "[]"


@pytest.mark.parametrize("name", fr.__all__)
def test_public_name_resolves_and_is_documented(name: str) -> None:
    value = getattr(fr, name)
    if name != "__version__":
        assert callable(value)
        assert inspect.getdoc(value)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'simulaton'"):
        fr.simulaton  # type: ignore[attr-defined]  # noqa: B018


ORDERS = {
    "attribute first": "import fastroute as fr; fr.{name}; import fastroute.{room}",
    "package first": "import fastroute.{room}; import fastroute as fr",
    "module inside first": "import fastroute.{inside}; import fastroute as fr",
    "from package": "from fastroute.{room} import {name} as _f; import fastroute as fr",
    "name from top": "from fastroute import {name} as _f; import fastroute as fr; _f.__call__",
    "alias": "import fastroute.{room} as _f; import fastroute as fr; assert _f is fr.{room}",
    "another room first": "import fastroute.study; import fastroute as fr",
    "star": "from fastroute import *; {name}.__call__; import fastroute as fr",
}
# Function -> its room, a module inside it that can be imported before anything else, and a name
# that the room alone has.
ROOMS = {
    "scenario": ("scenarios", "scenarios.base", "SCENARIOS"),
    "policy": ("policies", "policies", "POLICIES"),
    "simulate": ("simulation", "simulation", "Run"),
}


# By default all orders for one room, and one for each of the others: a process is started for each.
@pytest.mark.parametrize(
    ("name", "order"),
    [
        (name, order)
        if name == "simulate" or order == "attribute first"
        else pytest.param(name, order, marks=pytest.mark.slow)
        for name in ROOMS
        for order in ORDERS
    ],
)
def test_function_and_room_are_two_things_in_any_order(
    name: str, order: str, tmp_path: Path
) -> None:
    room, inside, own = ROOMS[name]
    code = ORDERS[order].format(name=name, room=room, inside=inside)
    check = (
        f"import sys, types, fastroute.{room}; assert fr.{room} is sys.modules['fastroute.{room}'];"
        f"assert isinstance(fr.{name}, types.FunctionType) and fr.{room}.{name} is fr.{name};"
        f"assert type(fr.{room}) is types.ModuleType; fr.{room}.{own}; print('good')"
    )
    assert fresh(f"{code}\n{check}", tmp_path) == "good"


@pytest.mark.parametrize("name", ROOMS)
def test_help_shows_the_function_and_it_pickles(name: str) -> None:
    function = getattr(fr, name)
    assert "Parameters" in pydoc.render_doc(function)
    assert pickle.loads(pickle.dumps(function)) is function


# Packages whose names are loaded on first use.
LAZY = ("fastroute", "fastroute.report", "fastroute.simulation", "fastroute.study")


@pytest.mark.parametrize("name", LAZY)
def test_a_package_of_late_names_has_them_all_for_readers_and_type_checkers(name: str) -> None:
    package = importlib.import_module(name)
    tree = ast.parse(Path(str(package.__file__)).read_text())
    typed: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for one in node.body:
                assert isinstance(one, ast.ImportFrom)
                typed |= {alias.name: str(one.module) for alias in one.names}
    assert {"__version__", *typed} == {"__version__", *package.__all__}
    for public, module in typed.items():
        assert getattr(package, public) is getattr(importlib.import_module(module), public)
        assert public in dir(package)
        # Importing a module would put it in the place of a function of its name.
        assert not (Path(str(package.__file__)).parent / f"{public}.py").exists()
    with pytest.raises(AttributeError, match=rf"module '{name}' has no attribute 'nothing'"):
        package.nothing  # noqa: B018
