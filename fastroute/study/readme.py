"""The README of a run directory."""

from collections.abc import Mapping
from typing import Any, Final

from fastroute.study.markdown import code, plain

_FILES: Final = {
    "study.toml": "The study with every default written out; `fastroute run study.toml` "
    "runs it again.",
    "manifest.json": "Versions, machine, sessions, counts, and size and SHA-256 of every file.",
    "cells.parquet": "One row per cell (a scenario, a policy and a setting) with all parameters.",
    "summary.parquet": "One row per cell and quantity: mean over trials, standard error, "
    "95 % interval, quantiles.",
    "trials.parquet": "One row per cell and trial: regret and its parts, reward, cost, "
    "violations, diagnostics.",
    "curves.parquet": "One row per cell, checkpoint and quantity: its mean and quantiles "
    "over trials after that many rounds.",
    "stages.parquet": "One row per cell, trial and stage (or per cell and stage, as means "
    "over trials, when there are many): what was deployed, its value, the spend.",
    "models.parquet": "One row per cell and model: arrival, true means, the optimum's and the "
    "policy's share of the traffic, the share of the stages in which it is deployed.",
    "shards.parquet": "One row per shard: which trials it holds, its SHA-256, time and backend.",
    "answer.md": "The answer to the question of the study: verdict, tables, figures "
    "(`figures/answer-*`).",
    "figures/regret.svg": "Cumulative regret of each policy over rounds, with 95 % bands "
    "(`regret.png`: the same).",
    "figures/priced_regret.svg": "The same plus overspending at what it is worth "
    "(`priced_regret.png`: the same).",
    "figures/parts.svg": "The parts of each policy's regret over rounds: discovery, "
    "deployment, routing (`parts.png`: the same).",
    "figures/spend.svg": "Mean spend per query of each policy by stage against the budget, "
    "with 95 % bands (`spend.png`: the same).",
}
_PAGE: Final = (
    "- `report.html`: The results as one page, with charts; `fastroute report .` writes it again, "
    "also while the study runs. It is a view of the frames, so the manifest does not list it."
)
_WORLD_FIGURES: Final = (
    "- `figures/world-*`: Of the first worlds (a scenario and a setting), the regret of every "
    "policy, priced regret, parts of the regret, and spend against the budget."
)
_SHARDS: Final = (
    "- `shards/`: What the frames are made of, one file per block of trials of a cell. They are "
    "needed to continue the study and for curves of single trials."
)


def readme(manifest: Mapping[str, Any], results: str = "") -> str:
    """Write the README of a run directory.

    Parameters
    ----------
    manifest : mapping
        The manifest of the run directory.
    results : str
        Markdown for the section on results; left out when empty.

    Returns
    -------
    str
        Markdown.
    """
    study = manifest["study"]
    done, total = (manifest["shards"].get(name, 0) for name in ("done", "total"))
    status = {
        "complete": "Complete.",
        "running": "Being run, or killed while it was; `fastroute status` says which.",
        "interrupted": f"Interrupted: {done:,} of {total:,} shards are done.",
        "incomplete": f"Incomplete: {done:,} of {total:,} shards are done, and the folder `failed` "
        "says why the others could not be computed.",
    }[manifest["status"]]
    lines = [f"# {plain(study['name'])}", ""]
    if study["description"]:
        lines += [plain(study["description"].strip()), ""]
    lines += [
        f"{_count(manifest['cells'], 'cell')} ({_listed(study['scenario'], 'scenario')}; "
        f"{_listed(study['policy'], 'policy')}). {_setting(study['setting'])}. Written by "
        f"fastroute {manifest['versions']['fastroute']} on {manifest['created']}. {status}",
        "",
    ]
    notes = dict.fromkeys(entry["note"] for entry in manifest["scenarios"].values())
    lines += [line for note in notes if note for line in (f"About the scenario: {plain(note)}", "")]
    if results:
        lines += ["## Results", "", results.strip(), ""]
    present = {"manifest.json", *manifest["files"]}
    lines += ["## Files", ""]
    lines += [f"- `{name}`: {what}" for name, what in _FILES.items() if name in present]
    if any(name.startswith("figures/world-") for name in present):
        lines.append(_WORLD_FIGURES)
    lines += [_PAGE, _SHARDS]
    lines += [
        "",
        "Every frame says with columns `cell`, `scenario`, `policy`, `horizon`, `budget` and so on "
        "which cell a row belongs to. Regret is in units of reward, costs are in the unit of the "
        "scenario, rounds and trials are counted from 0.",
        "",
        "```python",
        "import fastroute as fr",
        "",
        'study = fr.load(".")  # this directory',
        "study.trials.collect()",
        "```",
        "",
    ]
    return "\n".join(lines)


def _setting(setting: Mapping[str, Any]) -> str:
    """Write what all cells share, and between what the others vary."""
    names = ("horizon", "budget", "max_deployed", "trials", "seed")
    return ", ".join(f"{name} {_value(setting[name])}" for name in names)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_value(entry) for entry in value[:4]) + (", ..." if value[4:] else "")
    return code(value) if isinstance(value, str) else f"{value:,}"


def _listed(entries: Any, kind: str) -> str:
    tables = [entries] if isinstance(entries, Mapping) else entries
    names = ", ".join(code(table["label"]) for table in tables)
    return f"{kind} {names}" if len(tables) == 1 else f"{_plural(kind)} {names}"


def _plural(kind: str) -> str:
    return "policies" if kind == "policy" else f"{kind}s"


def _count(count: int, kind: str) -> str:
    return f"{count:,} {kind}" if count == 1 else f"{count:,} {kind}s"
