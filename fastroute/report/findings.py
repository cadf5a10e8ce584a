r"""One page with the answers of several studies, each with the run that it was computed from.

::

    python -m fastroute.report.findings --out docs/findings.md \
        --preface docs/findings-preface.md runs/scaling runs/interval

Run it again after the studies: everything on the page but the preface is computed from the run
directories.
"""

import argparse
import functools
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from fastroute.report.answers import answer_of
from fastroute.report.answers.base import Answer, markdown_answer
from fastroute.report.charts import save_figure
from fastroute.report.style import format_value
from fastroute.study import RunDirectoryError, StoredStudy, Study, load, preset_names
from fastroute.study.files import write_file
from fastroute.study.status import span_text

# Versions that decide the bits of a result, and that of Python.
_DECISIVE_PACKAGES: Final = ("fastroute", "python", "numpy", "numba", "llvmlite", "scipy")
_INTRODUCTION: Final = (
    "What the packaged studies answer. Every sentence, table and figure from the list of studies "
    "on is computed from complete runs by `python -m fastroute.report.findings`; a study run again "
    "with the command that stands with it gives the same numbers on the same versions. Intervals "
    "hold 95 %."
)


def write_findings(
    directories: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    preface: str = "",
) -> list[Path]:
    """Put the answers of several run directories into one page of Markdown.

    Parameters
    ----------
    directories : sequence of path-like
        Run directories of complete studies that name a question, in the order of the page.
    out : path-like
        The page. Its figures go, as SVG, into the folder beside it of the same name without the
        suffix.
    preface : str
        Markdown that comes first.

    Returns
    -------
    list of pathlib.Path
        The page and its figures.

    Raises
    ------
    ValueError
        When no directory is given, or two studies have the same name.
    RunDirectoryError
        When a directory is no run directory, is not complete, or names no question. Nothing is
        written then.
    """
    if not directories:
        raise ValueError("directories: none are given; give the run directories of studies")
    found: dict[str, tuple[StoredStudy, Answer]] = {}
    for directory in directories:
        stored = load(directory)
        answer = answer_of(stored)
        if answer is None:
            what = "names no question (key answer)" if stored.complete else "is not complete"
            raise RunDirectoryError(
                f"{directory}: the study {what}; give complete runs of studies with an answer"
            )
        if stored.study.name in found:
            raise ValueError(f"{directory}: study {stored.study.name} is there twice; give it once")
        found[stored.study.name] = stored, answer
    page = Path(out)
    folder = page.with_suffix("")
    if folder == page:
        raise ValueError(f"out: {page} must end in a suffix, such as findings.md")
    sections, figures = [], []
    folder.mkdir(parents=True, exist_ok=True)
    for name, (stored, answer) in found.items():
        text = markdown_answer(answer, f"{folder.name}/{name}-")
        description = stored.study.description
        parts = [f"## {name}", f"**{answer.question}**", description, text, _provenance(stored)]
        sections.append("\n\n".join(part for part in parts if part))
        for one in answer.figures:
            place = folder / f"{name}-{one.name}.svg"
            write_file(place, functools.partial(save_figure, one.figure))
            figures.append(place)
    contents = "\n".join(
        f"- [{name}](#{_anchor(name)}): {answer.question} {answer.verdict[0]}"
        for name, (_, answer) in found.items()
    )
    first = ["# Findings", _INTRODUCTION, *([preface.strip()] if preface else []), contents]
    content = "\n\n".join([*first, *sections]) + "\n"
    write_file(page, lambda place: place.write_text(content, encoding="utf-8"))
    return [page, *figures]


def _provenance(stored: StoredStudy) -> str:
    """Say which study this is, with what it was run, and how long it took."""
    cells, manifest, setting = stored.cells.collect(), stored.manifest, stored.study.setting
    rounds = int((cells.get_column("trials") * cells.get_column("horizon")).sum())
    versions, machine = manifest["versions"], manifest["machine"]
    settings = ", ".join(
        f"{name} {_values(getattr(setting, name))}"
        for name in ("budget", "max_deployed", "stages", "seed")
    )
    sessions = len(manifest["sessions"])
    lines = [
        f"Study: {_command(stored)}, {cells.height} cells, {rounds:.3g} trial-rounds.",
        f"Settings: horizon {_format_range(cells.get_column('horizon').to_list())}, trials "
        f"{_format_range(cells.get_column('trials').to_list())}, {settings}.",
        f"Run: {_time(manifest['sessions'])} of wall time in {sessions} "
        f"session{'s' if sessions > 1 else ''} on {machine['processor']}, {machine['cores']} "
        f"cores, finished {manifest['finished']}, "
        f"{', '.join(f'{name} {versions[name]}' for name in _DECISIVE_PACKAGES)}.",
    ]
    notes = dict.fromkeys(entry["note"] for entry in manifest["scenarios"].values())
    lines += [f"About a scenario: {note}." for note in notes if note]
    return "\n".join(f"- {line}" for line in lines)


def _command(stored: StoredStudy) -> str:
    """Return what runs the study again: a preset, where it is exactly that."""
    name = stored.study.name
    base = name.removesuffix("-quick")
    if base in preset_names():
        preset = Study.preset(base)
        same = preset.quick() if base != name and preset.quick_setting is not None else preset
        if same.content_hash == stored.manifest["content_hash"]:
            return f"`fastroute run {base}{' --quick' * (base != name)}`"
    return f"{name}, with settings of its own"


def _time(sessions: Sequence[dict[str, str]]) -> str:
    """Add up the time from start to end of the sessions that ended."""
    seconds = sum(
        (
            datetime.fromisoformat(one["ended"]) - datetime.fromisoformat(one["started"])
        ).total_seconds()
        for one in sessions
        if one["ended"]
    )
    return span_text(seconds)


def _format_range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return format_value(low) if low == high else f"{format_value(low)} to {format_value(high)}"


def _values(value: object) -> str:
    every = value if isinstance(value, tuple) else (value,)
    return ", ".join(f"`{one}`" if isinstance(one, str) else format_value(one) for one in every)


def _anchor(name: str) -> str:
    """Return the anchor that Markdown viewers make of the name of a study, as a heading."""
    return name.lower().replace(".", "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page of findings from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m fastroute.report.findings",
        description="Put the answers of several complete studies into one page of Markdown.",
    )
    parser.add_argument("directories", nargs="+", help="run directories of complete studies")
    parser.add_argument("--out", required=True, help="the page, such as docs/findings.md")
    parser.add_argument("--preface", type=Path, help="Markdown that comes first on the page")
    given = parser.parse_args(arguments)
    try:
        preface = given.preface.read_text(encoding="utf-8") if given.preface else ""
        page, *figures = write_findings(given.directories, given.out, preface)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{page} and {len(figures)} figures")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
