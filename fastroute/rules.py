"""Rules: values that are computed from others, such as ``"0.5 * slack"`` and ``"T^(1/3)"``.

There is one grammar for them, in files and in calls.

::

    sum     = product { ("+" | "-") product }
    product = sign { ("*" | "/") sign }
    sign    = { "+" | "-" } power
    power   = atom [ "^" sign ]
    atom    = number | name | function "(" sum { "," sum } ")" | "(" sum ")"

Powers bind tighter than signs and group to the right, as on paper: ``-T^2`` is ``-(T^2)`` and
``2^3^2`` is ``2^9``. A power of a plain number that is divided by another one, ``T^1/3``, is
refused: on paper it is ``(T^1)/3``, and nearly everybody who writes it means ``T^(1/3)``. Nothing
of Python can be reached: names stand for numbers, functions are those of :data:`FUNCTIONS`.
"""

import functools
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from fastroute.words import unknown_name

#: Function -> its smallest and largest number of arguments.
FUNCTIONS: Final[dict[str, tuple[Callable[..., float], int, int]]] = {
    "ceil": (math.ceil, 1, 1),
    "floor": (math.floor, 1, 1),
    "log": (math.log, 1, 1),
    "max": (max, 2, 16),
    "min": (min, 2, 16),
    "sqrt": (math.sqrt, 1, 1),
}
_OPERATORS: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
}
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]*)|(?P<sign>[-+*/^(),])|(?P<end>$))"
)
_LONGEST: Final = 200
_DEEPEST: Final = 50


#: Setting -> the names that a rule for it may use; each may use what is worked out before it.
RULE_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "horizon": (),
    "max_deployed": ("T", "N"),
    "budget": ("T", "N", "M_max", "slack", "cheapest"),
    "stages": ("T", "N", "M_max", "slack", "cheapest", "b"),
    **dict.fromkeys(
        ("trials", "checkpoints", "deploy_cost", "load_rounds"),
        ("T", "N", "M_max", "slack", "cheapest", "b", "K"),
    ),
}
#: Names that a rule for an option of a policy may use.
ALL_NAMES: Final = ("T", "N", "M_max", "slack", "cheapest", "b", "K")
#: What ``stages = "theory"`` stands for.
_THEORY: Final = "N^(2/3) * T^(1/3) / M_max"


class FormulaError(ValueError):
    """A formula that cannot be read or has no value."""


class TooLargeError(FormulaError):
    """A formula whose value is beyond all numbers, such as ``10^400``."""


class _Token(NamedTuple):
    kind: str
    text: str
    start: int  #: position in the text, from 0


class _Node(NamedTuple):
    """A number, a name, or a function of other nodes."""

    start: int
    value: float | str | Callable[..., float]
    children: tuple["_Node", ...] = ()


@dataclass(frozen=True)
class Formula:
    """A formula that was read and can be evaluated.

    Attributes
    ----------
    text : str
        As it was written.
    names : frozenset of str
        Names whose values it needs.
    """

    text: str
    names: frozenset[str]
    _root: _Node

    def __call__(self, values: Mapping[str, float]) -> float:
        """Evaluate with a value for every name.

        Raises
        ------
        FormulaError
            Where the value is not a finite real number, such as ``1 / 0``.
        """

        def value(node: _Node) -> float:
            if isinstance(node.value, float):
                return node.value
            if isinstance(node.value, str):
                return float(values[node.value])
            arguments = [value(child) for child in node.children]
            kind = FormulaError
            try:
                result = node.value(*arguments)
            except OverflowError:
                result = math.nan
                kind = TooLargeError if node is self._root else FormulaError
            except (ArithmeticError, ValueError):
                result = math.nan
            # A negative number to a broken power is complex.
            if isinstance(result, complex) or not math.isfinite(result):
                shown = ", ".join(f"{argument:g}" for argument in arguments)
                raise kind(_at(self.text, node.start, f"has no value for {shown}"))
            return float(result)

        return value(self._root)


def formula(text: str, names: Iterable[str]) -> Formula:
    """Read a formula.

    Parameters
    ----------
    text : str
        The rule as it was written.
    names : iterable of str
        Names that it may use.

    Returns
    -------
    Formula

    Raises
    ------
    FormulaError
        With the position of what cannot be read, counted from 1, and what was expected there.
    """
    if len(text) > _LONGEST:
        raise FormulaError(f"a formula has at most {_LONGEST} characters, this one {len(text)}")
    reader = _Parser(text, frozenset(names))
    root = reader.sum(0)
    if reader.next.kind != "end":
        raise reader.error("an operator or the end was expected")
    return Formula(text, frozenset(reader.used), root)


@functools.lru_cache(maxsize=1024)
def rule(setting: str, text: str, names: tuple[str, ...] | None = None) -> Formula:
    """Read the rule for a setting.

    Parameters
    ----------
    setting : str
        A key of :data:`RULE_NAMES`.
    text : str
        A formula, or ``"theory"`` for the number of stages.
    names : tuple of str, optional
        Names that it may use; default those of the setting.

    Raises
    ------
    FormulaError
        As :func:`formula`, and for a plain number, which is written without quotes.
    """
    text = text.strip()
    try:
        float(text)
    except ValueError:
        pass
    else:
        raise FormulaError("a plain number is written without quotes")
    if setting == "stages" and text == "theory":
        text = _THEORY
    return formula(text, RULE_NAMES[setting] if names is None else names)


def stages_of(found: Formula, names: Mapping[str, float]) -> int:
    """Return the number of stages that a rule comes to, between one and one a round.

    Raises
    ------
    FormulaError
        When the rule has no value.
    """
    horizon = int(names["T"])
    try:
        return int(min(max(round(found(names)), 1), horizon))
    except TooLargeError:
        return horizon


class _Parser:
    """Recursive descent over the tokens of one formula."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self.text = text
        self.names = names
        self.used: set[str] = set()
        self.next = _Token("end", "", 0)
        self._place = 0
        self._last = self.next
        self._advance()

    def _advance(self) -> _Token:
        """Return the current token and read the one behind it."""
        token = self._last = self.next
        found = _TOKEN.match(self.text, self._place)
        if found is None or found.lastgroup is None:
            rest = self.text[self._place :]
            start = self._place + len(rest) - len(rest.lstrip())
            raise FormulaError(_at(self.text, start, "is not a number, a name or an operator"))
        self.next = _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup))
        self._place = found.end()
        return token

    def error(self, message: str) -> FormulaError:
        return FormulaError(_at(self.text, self.next.start, message))

    def _is(self, signs: str) -> bool:
        return self.next.kind == "sign" and self.next.text in signs

    def sum(self, depth: int) -> _Node:
        if depth > _DEEPEST:
            raise self.error("is nested too deeply")
        left = self._product(depth)
        while self._is("+-"):
            sign = self._advance()
            left = _Node(sign.start, _OPERATORS[sign.text], (left, self._product(depth)))
        return left

    def _product(self, depth: int) -> _Node:
        left = self._sign(depth)
        while self._is("*/"):
            sign = self._advance()
            left = _Node(sign.start, _OPERATORS[sign.text], (left, self._sign(depth)))
        return left

    def _sign(self, depth: int) -> _Node:
        if depth > _DEEPEST:
            raise self.error("is nested too deeply")
        if not self._is("+-"):
            return self._power(depth)
        sign = self._advance()
        inner = self._sign(depth + 1)
        return inner if sign.text == "+" else _Node(sign.start, operator.neg, (inner,))

    def _power(self, depth: int) -> _Node:
        base = self._atom(depth)
        if not self._is("^"):
            return base
        sign = self._advance()
        exponent = self._sign(depth + 1)
        self._refuse_fraction(sign)
        return _Node(sign.start, _OPERATORS["^"], (base, exponent))

    def _refuse_fraction(self, sign: _Token) -> None:
        """Refuse ``T^1/3``, which is read as ``T^(1/3)`` by some and as ``(T^1)/3`` by others."""
        below = _TOKEN.match(self.text, self._place)
        if self._last.kind != "number" or not self._is("/") or below is None or not below["number"]:
            return
        above = self.text[sign.start + 1 : self.next.start].strip()
        raise self.error(
            f"is ambiguous here; write ^({above}/{below['number']}) for a power that is a "
            f"fraction, or (...^{above})/{below['number']}"
        )

    def _atom(self, depth: int) -> _Node:
        token = self.next
        if token.kind == "number":
            self._advance()
            return _Node(token.start, float(token.text.replace("_", "")))
        if token.kind == "name":
            return self._named(depth)
        if self._is("("):
            self._advance()
            inner = self.sum(depth + 1)
            self._close()
            return inner
        raise self.error("a number, a name or '(' was expected")

    def _named(self, depth: int) -> _Node:
        token = self.next
        if token.text in FUNCTIONS:
            self._advance()
            function, least, most = FUNCTIONS[token.text]
            if not self._is("("):
                raise self.error(f"'(' was expected after {token.text}")
            self._advance()
            arguments = [self.sum(depth + 1)]
            while self._is(","):
                self._advance()
                arguments.append(self.sum(depth + 1))
            self._close()
            if not least <= len(arguments) <= most:
                wanted = str(least) if least == most else f"{least} to {most}"
                message = f"takes {wanted} values, not {len(arguments)}"
                raise FormulaError(_at(self.text, token.start, message))
            return _Node(token.start, function, tuple(arguments))
        if token.text not in self.names:
            raise self.error(f"is an {unknown_name(token.text, {*self.names, *FUNCTIONS}, 'name')}")
        self._advance()
        self.used.add(token.text)
        return _Node(token.start, token.text)

    def _close(self) -> None:
        if not self._is(")"):
            raise self.error("')' was expected")
        self._advance()


def _at(text: str, start: int, message: str) -> str:
    """Say where in a formula something is, and what."""
    found = _TOKEN.match(text, start)
    word = found[0].strip() if found is not None and found[0].strip() else text[start : start + 1]
    place = f"'{word}'" if word else "the end"
    return f"position {start + 1}, {place}: {message}"
