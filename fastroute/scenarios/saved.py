"""`saved`: a scenario of your own, kept in a file.

The file is a NumPy archive (``.npz``) of plain arrays: one for every array of the scenario, and
``about``, a text of JSON with everything else. Nothing in it can be code; a law of your own stands
there by the name of its class, whose module is imported.
"""

import functools
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.scenarios.base import Scenario
from fastroute.scenarios.changes import event_table
from fastroute.scenarios.feedback import FEEDBACK_OPTIONS, Feedback, delay_table
from fastroute.scenarios.laws import CostLaw, Recorded, RewardLaw
from fastroute.scenarios.laws.words import law_table

__all__ = ["read_scenario", "save_scenario", "saved", "scenario_bytes", "scenario_digest"]

_ARRAYS: Final = ("reward_mean", "cost_mean", "limit", "arrival", "retirement")
_VALUES: Final = (
    "cost_range",
    "arrival_unit",
    "horizon",
    "models",
    "name",
    "note",
    "cost_unit",
)
# What only scenarios have that change.
_CHANGING: Final = ("changes", "severity", "calendar")
# Each is a table of its name and its numbers; its arrays are kept as "reward.weight" and so on.
_LAWS: Final = ("reward", "cost", "outcomes")
# Arrays that a scenario works out; a last bit may move when that is done again.
_WORKED_OUT: Final = ("reward_mean", "cost_mean")
_ABOUT: Final = "about"


def saved(file: str | Path | Scenario, digest: str | None = None) -> Scenario:
    """Return a scenario that was saved.

    Parameters
    ----------
    file : str, Path or Scenario
        What :func:`save_scenario` wrote; or a scenario, which is returned as it is.
    digest : str, optional
        What :func:`scenario_digest` says of it; anything else is refused.

    Returns
    -------
    Scenario

    Raises
    ------
    ValueError
        When there is no such file, it is not a saved scenario, or it is another one.
    """
    if isinstance(file, Scenario):
        found = file
    else:
        try:
            content = Path(file).read_bytes()
        except OSError as error:
            raise ValueError(f"file={str(file)!r} cannot be read: {error.strerror}") from None
        found = read_scenario(content, str(file))
    if digest is not None and scenario_digest(found) != digest:
        raise ValueError(
            f"file={str(file)!r} is not the scenario with digest={digest!r}; restore the file, or "
            "leave digest out to take what is there now"
        )
    return found


def save_scenario(scenario: Scenario, path: str | os.PathLike[str]) -> None:
    """Save a scenario to a file that ``fastroute.scenario("saved", file=path)`` reads back.

    Parameters
    ----------
    scenario : Scenario
    path : path-like
        The file to write, usually ``NAME.npz``.
    """
    Path(path).write_bytes(scenario_bytes(scenario))


def scenario_bytes(scenario: Scenario) -> bytes:
    """Return the content of the file of a scenario."""
    arrays, about = _parts(scenario)
    fields: dict[str, Any] = {**arrays, _ABOUT: np.array(about)}
    target = io.BytesIO()
    np.savez_compressed(target, **fields)
    return target.getvalue()


@functools.lru_cache(maxsize=64)
def scenario_digest(scenario: Scenario) -> str:
    """Return a SHA-256 of everything that a scenario is made of."""
    arrays, about = _parts(scenario)
    digest = hashlib.sha256(about.encode())
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def read_scenario(content: bytes, source: str) -> Scenario:
    """Return the scenario of a file with this content.

    Raises
    ------
    ValueError
        When it is not a saved scenario, naming the source.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        about = json.loads(str(arrays.pop(_ABOUT)[()]))
        if "reward_law" in about:
            raise ValueError("it is from an earlier version, which wrote laws in another form")
        laws = _read_laws(about, arrays)
        changing = {name: about.pop(name) for name in _CHANGING if name in about}
        if not set(arrays) <= set(_ARRAYS) or set(about) - set(FEEDBACK_OPTIONS) != set(_VALUES):
            raise ValueError("it has other fields")
    except (
        AttributeError,
        BadZipFile,
        EOFError,
        KeyError,
        OSError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(
            f"file={source!r} is not a saved scenario ({error}); write one with "
            "fastroute.scenarios.save_scenario"
        ) from None
    try:
        if laws["outcomes"] is not None:
            laws["outcomes"] = Recorded(**laws["outcomes"])
        scenario = Scenario(**arrays, **about, **laws, **changing)
    except (TypeError, ValueError) as error:
        raise ValueError(f"file={source!r} is not a scenario: {error}") from None
    for name in _WORKED_OUT:
        _restore_bits(scenario, name, arrays.get(name))
    return scenario


def _parts(scenario: Scenario) -> tuple[dict[str, NDArray[Any]], str]:
    arrays = {name: value for name in _ARRAYS if (value := getattr(scenario, name)) is not None}
    about: dict[str, Any] = {name: getattr(scenario, name) for name in _VALUES}
    about["cost_range"] = scenario.first_cost_range
    if scenario.changes:
        about["changes"] = [event_table(event) for event in scenario.changes]
        about["severity"] = scenario.severity
    if scenario.calendar is not None:
        first, last, spread = scenario.calendar
        about["calendar"] = [first.isoformat(), last.isoformat(), spread]
    # Only where they are not those of every scenario: files without them stay what they are.
    learnt = {name: getattr(scenario, name) for name in FEEDBACK_OPTIONS}
    about |= {
        name: value if name == "feedback" else delay_table(value)
        for name, value in learnt.items()
        if value != Feedback._field_defaults[name]
    }
    for name in _LAWS:
        table = _law_table(getattr(scenario, name))
        about[name] = table and {k: v for k, v in table.items() if not isinstance(v, np.ndarray)}
        if table is not None:
            arrays |= {f"{name}.{k}": v for k, v in table.items() if isinstance(v, np.ndarray)}
    return arrays, json.dumps(about, sort_keys=True)


def _law_table(law: RewardLaw | CostLaw | Recorded | None) -> dict[str, Any] | None:
    if isinstance(law, Recorded):
        table = {"score": law.score, "cost": law.cost, "order": law.order}
        return table if law.features is None else {**table, "features": law.features}
    return None if law is None else law_table(law)


def _read_laws(about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Take the laws out of what a file holds, each with its arrays."""
    laws = {name: about.pop(name, None) for name in _LAWS}
    for name, table in laws.items():
        if table is not None:
            mine = [key for key in arrays if key.startswith(f"{name}.")]
            table |= {key.removeprefix(f"{name}."): arrays.pop(key) for key in mine}
    return laws


def _restore_bits(scenario: Scenario, name: str, stored: NDArray[Any] | None) -> None:
    """Put the stored bits in the place of those that were worked out again."""
    here = getattr(scenario, name)
    if stored is None or here is None or here.shape != stored.shape:
        return
    if np.allclose(here, stored, rtol=1e-12, atol=0.0):
        exact = stored.astype(np.float64)
        checks.freeze(exact)
        # As in the construction of the scenario, which is frozen.
        object.__setattr__(scenario, name, exact)
