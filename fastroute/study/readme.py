"""The README of a run directory."""

from collections.abc import Mapping
from typing import Any, Final

_FILES: Final = {
    "study.toml": "The study with every default written out; `fastroute run study.toml` "
    "runs it again.",
    "manifest.json": "Versions, machine, seed, times, and size and SHA-256 of every file.",
    "summary.parquet": "One row per policy and quantity: mean over trials, standard error, "
    "95 % interval, quantiles.",
    "trials.parquet": "One row per policy and trial: regret and its parts, reward, cost, "
    "violations, diagnostics.",
    "curves.parquet": "One row per policy, checkpoint and quantity: its mean and quantiles "
    "over trials after that many rounds.",
    "stages.parquet": "One row per policy, trial and stage (or per policy and stage, as means "
    "over trials, when there are many): what was deployed, its value, the spend.",
    "figures/regret.svg": "Cumulative regret of each policy over rounds, with 95 % bands "
    "(`regret.png`: the same).",
    "figures/priced_regret.svg": "The same with overspending charged at what it is worth "
    "(`priced_regret.png`: the same).",
    "figures/parts.svg": "The parts of each policy's regret over rounds: discovery, "
    "deployment, routing (`parts.png`: the same).",
    "figures/spend.svg": "Mean spend per query of each policy by stage against the budget, "
    "with 95 % bands (`spend.png`: the same).",
}
_SHARDS: Final = (
    "- `shards/`: The same frames, one file per policy that finished; joined and removed when "
    "the study is complete."
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
    setting = study["setting"]
    done, wanted = len(manifest["policies"]), len(study["policy"])
    status = {
        "complete": "All policies finished.",
        "running": f"Unfinished: {done} of {wanted} policies are done.",
        "interrupted": f"Interrupted: {done} of {wanted} policies are done.",
    }[manifest["status"]]
    lines = [f"# {study['name']}", ""]
    if study["description"]:
        lines += [study["description"].strip(), ""]
    lines += [
        f"Scenario `{study['scenario']['name']}`, {wanted} policies, "
        f"{setting['trials']:,} trials of {setting['horizon']:,} rounds, "
        f"budget {setting['budget']:g} per query, at most {setting['max_deployed']} models "
        f"deployed, seed {setting['seed']}. "
        f"Written by fastroute {manifest['versions']['fastroute']} on {manifest['created']}. "
        f"{status}",
        "",
    ]
    if manifest["scenario"]["note"]:
        lines += [f"About the scenario: {manifest['scenario']['note']}", ""]
    if results:
        lines += ["## Results", "", results.strip(), ""]
    present = {"manifest.json", *manifest["files"]}
    lines += ["## Files", ""]
    lines += [f"- `{name}`: {what}" for name, what in _FILES.items() if name in present]
    if any(name.startswith("shards/") for name in present):
        lines.append(_SHARDS)
    lines += [
        "",
        "Every frame has a column `policy` with the label of the policy. Regret is in units of "
        "reward, costs are in the unit of the scenario, rounds and trials are counted from 0.",
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
