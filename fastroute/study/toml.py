"""Reading and writing the TOML of a study.

The standard library reads TOML and does not write it. The structure of a study is known and
shallow, so the writer here covers exactly that: top-level values, tables, arrays of tables, and
inline tables and lists inside them.
"""

import json
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fastroute.study.errors import StudyError

#: Most parts of a dotted key; those of a study have two.
_MOST_PARTS: Final = 50
_LONG_KEY: Final = re.compile(rf"[\[\s]*[^=#\[\]{{}},.]+(?:\.[^=#\[\]{{}},.]+){{{_MOST_PARTS},}}")
_LONG_NUMBER: Final = re.compile(r"[\d_]{4000}")
_TWICE: Final = re.compile(r"Cannot declare \('(\w+)',\) twice")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def read_toml(text: str, source: str) -> dict[str, Any]:
    """Parse TOML.

    Raises
    ------
    StudyError
        On a syntax error, with its line and column.
    """
    # Some editors put a byte order mark before the text.
    text = text.removeprefix("\ufeff")
    for number, line in enumerate(text.split("\n"), start=1):
        # The parser's time grows with the square of the parts of a key.
        if line.count(".") > _MOST_PARTS and _LONG_KEY.match(line):
            raise StudyError(
                source,
                [f"not valid TOML: a key of more than {_MOST_PARTS} parts (at line {number})"],
            )
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise StudyError(
            source, ["not valid TOML: tables or lists are nested too deeply"]
        ) from None
    except ValueError as error:
        raise StudyError(source, [f"not valid TOML: {_parser_message(str(error), text)}"]) from None


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises
    ------
    StudyError
        When the file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise StudyError(
            str(path), [f"byte {error.start} is not UTF-8; save the file as UTF-8 text"]
        ) from None
    except OSError as error:
        raise StudyError(str(path), [f"cannot be read: {error.strerror}"]) from None


def _parser_message(message: str, text: str) -> str:
    """Return what the parser says, with a line in any case, and a remedy where one is known."""
    if "Exceeds the limit" in message:
        lines = text.split("\n")
        number = next((n for n, line in enumerate(lines, 1) if _LONG_NUMBER.search(line)), None)
        return f"a whole number has too many digits{f' (at line {number})' if number else ''}"
    last = text.rstrip().count("\n") + 1
    message = message.replace("at end of document", f"at the end of the document, line {last}")
    if twice := _TWICE.match(message):
        message += (
            f"; several tables of one name are written [[{twice[1]}]] each"
            if twice[1] in ("policy", "scenario")
            else "; put both into one table"
        )
    return message


def write_toml(table: Mapping[str, Any]) -> str:
    """Write a mapping as TOML: values first, then tables, then arrays of tables.

    Values that are None are left out, as TOML has no null.

    Returns
    -------
    str
        Text that :func:`read_toml` turns back into the same mapping.
    """
    blocks = []
    values = [
        f"{_key(key)} = {toml_value(value)}"
        for key, value in table.items()
        if value is not None and not _is_block(value)
    ]
    if values:
        blocks.append("\n".join(values))
    for key, value in table.items():
        if _is_block(value):
            single = isinstance(value, Mapping)
            for entry in [value] if single else value:
                head = f"[{_key(key)}]" if single else f"[[{_key(key)}]]"
                lines = [f"{_key(k)} = {toml_value(v)}" for k, v in entry.items() if v is not None]
                blocks.append("\n".join([head, *lines]))
    return "\n\n".join(blocks) + "\n"


def toml_value(value: Any) -> str:
    """Write one value as TOML.

    Raises
    ------
    TypeError
        When TOML has no form for the type.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str):
        # JSON escapes are TOML escapes, except that TOML also wants DEL escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        pairs = (f"{_key(k)} = {toml_value(v)}" for k, v in value.items() if v is not None)
        return "{ " + ", ".join(pairs) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(entry) for entry in value) + "]"
    raise TypeError(f"TOML has no form for {value!r} of type {type(value).__name__}")


def show_toml(value: Any) -> str:
    """Write a value for a message: as TOML where that exists, cut when long."""
    try:
        text = toml_value(value)
    except TypeError:
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_block(value: Any) -> bool:
    """Tell whether a top-level value is a table or an array of tables."""
    if isinstance(value, Mapping):
        return True
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(entry, Mapping) for entry in value)
    )


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else toml_value(key)
