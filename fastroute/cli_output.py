"""What the command line writes to: streams that cannot fail it, and the console for tables."""

import codecs
import contextlib
import io
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Annotated, Any, Final, TextIO, cast

import typer

if TYPE_CHECKING:
    from rich.console import Console

# In a file or a pipe, whose width nobody knows, no table is too wide and no sentence is broken.
_PIPE_WIDTH: Final = 10_000
_TRAILING: Final = re.compile(r"[ \t]+(?=\n)")
# What stands for a character that the encoding of the output lacks; anything else becomes "?".
_PLAIN: Final = {
    "±": "+-",
    "×": "x",
    "−": "-",
    "—": "-",
    "…": "...",
    "≤": "<=",
    "≥": ">=",
}
_ERRORS: Final = "fastroute-plain"


def console() -> "Console":
    """Return the console on standard output.

    Where the output has no width of its own, lines are as long as what they say, and no line ends
    with the blanks that fill one up on a terminal.
    """
    from rich.console import Console

    # Names may hold colons, which are not emoji.
    if sys.stdout.isatty():
        return Console(emoji=False)
    width = None if "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(emoji=False, file=cast("IO[str]", _Trimmed(sys.stdout)), width=width)


class _Trimmed:
    """A stream that writes lines without blanks at their ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(_TRAILING.sub("", text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _log_handler() -> logging.Handler:
    """Return what writes a log: above the bars on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        plain = logging.StreamHandler(sys.stderr)
        plain.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        return plain
    from rich.console import Console
    from rich.highlighter import NullHighlighter
    from rich.logging import RichHandler

    return RichHandler(
        console=Console(stderr=True, emoji=False),
        show_path=False,
        highlighter=NullHighlighter(),
        log_time_format="%H:%M:%S",
        omit_repeated_times=False,
    )


def _show_log(context: typer.Context, level: int) -> int:
    """Write the log of fastroute to standard error until the command ends."""
    if not level:
        return level
    handler = _log_handler()
    logger = logging.getLogger("fastroute")
    before = logger.level

    def stop() -> None:
        logger.removeHandler(handler)
        logger.setLevel(before)

    logger.addHandler(handler)
    logger.setLevel(logging.INFO if level == 1 else logging.DEBUG)
    context.call_on_close(stop)
    return level


#: How much of its log a command shows.
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        callback=_show_log,
        show_default=False,
        help="Log what is compiled, loaded, sent to workers and retried; -vv says more.",
    ),
]


@contextlib.contextmanager
def safe_output() -> Iterator[None]:
    """Keep what cannot be written from failing what was computed.

    Characters that an output cannot say are written in plain ones, what is written to a closed
    output or to a pipe that nobody reads any more is dropped, and warnings of fastroute take one
    line.
    """
    codecs.register_error(_ERRORS, _replace_characters)
    before = sys.stdout, sys.stderr, warnings.formatwarning
    sys.stdout, sys.stderr = _safe(sys.stdout), _safe(sys.stderr)
    warnings.formatwarning = _format
    try:
        yield
    finally:
        for stream, given in zip((sys.stdout, sys.stderr), before, strict=False):
            # Log handlers may hold the others for longer.
            (stream.close if given is None else stream.flush)()
        sys.stdout, sys.stderr, warnings.formatwarning = before


class _SafeDescriptor(io.FileIO):
    """An open descriptor; what its reader no longer takes is dropped."""

    _lost = False

    def write(self, data: Any, /) -> int:
        """Write, or pretend to; a disk that is full is told once."""
        if not self._lost:
            try:
                return super().write(data)
            except OSError as error:
                self._lost = True
                if not isinstance(error, BrokenPipeError):
                    raise
        return len(memoryview(data).cast("B"))


def _safe(stream: TextIO | None) -> TextIO:
    """Return a stream that writes where ``stream`` does and never fails for its reader."""
    if stream is None:
        # Closed by the shell, as in `>&-`.
        return open(os.devnull, "w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    if os.name == "nt" and stream.isatty():
        # The console of Windows takes text, not the bytes of a descriptor.
        return stream
    try:
        descriptor = stream.fileno()
    except OSError:
        # In memory, as in tests.
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_SafeDescriptor(descriptor, "w", closefd=False)),
        encoding=stream.encoding,
        errors=_ERRORS,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _replace_characters(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write the characters that an encoding lacks in plain ones."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    if "\udc80" <= (first := error.object[error.start]) <= "\udcff":
        # A byte of a file name that is no text: written as it is.
        return bytes([ord(first) - 0xDC00]), error.start + 1
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in text), error.end


def _format(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: Any = None
) -> str:
    """Write a warning of fastroute in one line, without the line of code it came from."""
    from fastroute.warning import FastrouteWarning

    if issubclass(category, FastrouteWarning):
        return f"warning: {message}\n"
    return _standard_format(message, category, filename, lineno, line)


_standard_format: Final = warnings.formatwarning
