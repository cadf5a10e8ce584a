"""What is wrong with a study, said all at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class StudyError(ValueError):
    """A study that cannot be run.

    Attributes
    ----------
    source : str
        The file, preset or object that holds the study.
    problems : tuple of str
        One line per problem, each naming the key, the value and the remedy.
    lines : tuple of int or None
        For each problem its line in the file, where that is known.
    """

    def __init__(
        self, source: str, problems: Sequence[str], lines: Sequence[int | None] | None = None
    ) -> None:
        self.source = source
        self.problems = tuple(problems)
        self.lines = (None,) * len(self.problems) if lines is None else tuple(lines)
        located = [
            problem if line is None else f"line {line}: {problem}"
            for problem, line in zip(self.problems, self.lines, strict=True)
        ]
        if len(located) == 1:
            super().__init__(f"{source}: {located[0]}")
        else:
            listed = "".join(f"\n  {problem}" for problem in located)
            super().__init__(f"{source}: {len(located)} problems{listed}")


class RunDirectoryError(ValueError):
    """A run directory that cannot be written to or read."""


class ExecutorError(ValueError):
    """Workers that are gone, and that no others took the place of."""


class DamagedError(ValueError):
    """A shard whose content is not what was written."""


def key_path(location: Iterable[int | str]) -> str:
    """Write the place of a value as ``setting.horizon`` or ``policy[2].gamma``."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def plain_message(detail: Mapping[str, Any]) -> str:
    """Return the message of one pydantic error without the words of the library."""
    message = str(detail["msg"]).removeprefix("Value error, ")
    return message.replace("Input should be", "must be")
