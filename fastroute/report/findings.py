r"""Pages with the answers of studies, each with the run that it was computed from, and their index.

::

    python -m fastroute.report.findings --out docs/findings.md runs/scaling runs/interval

Run it again after a study: its page is written anew, those of other studies stay as they are. The
index is made of all pages that are there.
"""

import argparse
import functools
import os
import re
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
# A figure of a page.
_SHOWN: Final = re.compile(r"\]\(([^()/]+\.svg)\)")
# The index up to this heading is written by hand, and stays.
_STUDIES: Final = "## Studies"
_INDEX: Final = f"# Findings\n\n{_STUDIES}\n"
_BELOW: Final = (
    "Every sentence, table and figure of these pages is computed from a complete run by `python -m "
    "fastroute.report.findings`. A study run again with the command on its page gives the same "
    "numbers on the same versions. Intervals hold 95 %."
)
# How a page of a study begins: its name, its question and, below, its verdict.
_PAGE: Final = re.compile(r"# (?P<name>.+)\n\n\*\*(?P<question>.+)\*\*\n\n(?P<verdict>.+)\n")


def write_findings(
    directories: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]
) -> list[Path]:
    """Write a page of Markdown for each of several studies, and the index of all pages.

    Parameters
    ----------
    directories : sequence of path-like
        Run directories of complete studies that name a question.
    out : path-like
        The index. Pages and their figures, as SVG, go into the folder beside it of the same name
        without the suffix. What stands before the heading ``Studies`` of the index stays.

    Returns
    -------
    list of pathlib.Path
        The index, and the pages and figures that were written.

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
    index = Path(out)
    folder = index.with_suffix("")
    if folder == index:
        raise ValueError(f"out: {index} must end in a suffix, such as findings.md")
    folder.mkdir(parents=True, exist_ok=True)
    written = [index]
    for stored, answer in found.values():
        written += _write_page(folder, stored, answer)
    _write_index(index, folder)
    return written


def _write_page(folder: Path, stored: StoredStudy, answer: Answer) -> list[Path]:
    """Write the page of a study and its figures; figures that it no longer has are removed."""
    name = stored.study.name
    page = folder / f"{name}.md"
    if page.is_file():
        for old in _SHOWN.findall(page.read_text(encoding="utf-8")):
            (folder / old).unlink(missing_ok=True)
    written = []
    for one in answer.figures:
        place = folder / f"{name}-{one.name}.svg"
        write_file(place, functools.partial(save_figure, one.figure))
        written.append(place)
    description = stored.study.description
    parts = [
        f"# {name}",
        f"**{answer.question}**",
        markdown_answer(answer, f"{name}-"),
        f"## The study\n\n{description}" if description else "## The study",
        _provenance(stored),
    ]
    _write_text(page, "\n\n".join(parts) + "\n")
    return [page, *written]


def _write_index(index: Path, folder: Path) -> None:
    """List all pages in the index, below what is written by hand."""
    before = index.read_text(encoding="utf-8") if index.is_file() else _INDEX
    lines = []
    for page in sorted(folder.glob("*.md")):
        head = _PAGE.match(page.read_text(encoding="utf-8"))
        if head is not None:
            link = f"[{head['name']}]({folder.name}/{page.name})"
            # Two stars in a line would be emphasis.
            said = f"{head['question']} {head['verdict']}".replace("*", "\\*")
            lines.append(f"- {link}: {said}")
    parts = [before.partition(f"\n{_STUDIES}\n")[0].rstrip(), _STUDIES, _BELOW, "\n".join(lines)]
    _write_text(index, "\n\n".join(parts) + "\n")


def _write_text(path: Path, text: str) -> None:
    write_file(path, lambda place: place.write_text(text, encoding="utf-8"))


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
        if _is_same(stored, same):
            return f"`fastroute run {base}{' --quick' * (base != name)}`"
    return f"{name}, with settings of its own"


def _is_same(stored: StoredStudy, study: Study) -> bool:
    """Tell whether a run is that of a study as both are read today.

    Options that came after the run have their defaults, which change nothing.
    """
    try:
        return stored.study.content_hash == study.content_hash
    except ValueError:  # it has options that there are no more
        return False


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Write pages of findings from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m fastroute.report.findings",
        description="Write a page of Markdown for each of several complete studies, and the index "
        "of all pages.",
    )
    parser.add_argument("directories", nargs="+", help="run directories of complete studies")
    parser.add_argument("--out", required=True, help="the index, such as docs/findings.md")
    given = parser.parse_args(arguments)
    try:
        index, *others = write_findings(given.directories, given.out)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{index} and {len(others)} pages and figures in {index.with_suffix('')}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
