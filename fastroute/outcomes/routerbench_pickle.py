"""Loader of the RouterBench pickles, which runs none of their code.

A pickle is a program, so two locks are on the door. The bytes must be known: the sha256 of the
published 0-shot file, or one that the user says to trust. And the program may name only the
few functions that rebuild a pandas frame, **none of which is called**: each name stands for an
inert class of this file that stores plain data. Neither pandas nor any reconstruction function
of NumPy runs, whichever of their versions wrote the file.
"""

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fastroute import checks

if TYPE_CHECKING:
    import polars as pl

__all__ = ["KNOWN_SHA256", "load_routerbench"]

KNOWN_SHA256: Final[Mapping[str, str]] = {
    "ba4f77f19517610a707c374e99322d7750c30fc4ae7ff5527888595a1e65d36d": "routerbench_0shot.pkl",
}
"""sha256 of files known to be what they say."""

# The scores come in this order, the costs in another one; both are matched by name.
SCORE_COLUMNS: Final = (
    "WizardLM/WizardLM-13B-V1.2",
    "claude-instant-v1",
    "claude-v1",
    "claude-v2",
    "gpt-3.5-turbo-1106",
    "gpt-4-1106-preview",
    "meta/code-llama-instruct-34b-chat",
    "meta/llama-2-70b-chat",
    "mistralai/mistral-7b-chat",
    "mistralai/mixtral-8x7b-chat",
    "zero-one-ai/Yi-34B-Chat",
)
_OTHER_ORDER: Final = (
    "gpt-3.5-turbo-1106",
    "claude-instant-v1",
    "claude-v1",
    "claude-v2",
    "gpt-4-1106-preview",
    "meta/llama-2-70b-chat",
    "mistralai/mixtral-8x7b-chat",
    "zero-one-ai/Yi-34B-Chat",
    "WizardLM/WizardLM-13B-V1.2",
    "meta/code-llama-instruct-34b-chat",
    "mistralai/mistral-7b-chat",
)
COLUMNS: Final = (
    "sample_id",
    "prompt",
    "eval_name",
    *SCORE_COLUMNS,
    *(f"{model}|model_response" for model in _OTHER_ORDER),
    *(f"{model}|total_cost" for model in _OTHER_ORDER),
    "oracle_model_to_route_to",
)
"""The 37 columns of the wide files, in order."""


def load_routerbench(path: str | Path, *, trust_sha256: str | None = None) -> "pl.DataFrame":
    """Return the outcomes in a wide RouterBench pickle (0-shot or 5-shot) as a long frame.

    Parameters
    ----------
    path : str or Path
        ``routerbench_0shot.pkl`` or ``routerbench_5shot.pkl``.
    trust_sha256 : str, optional
        The sha256 of a file that is not known here (the 5-shot file, or a copy saved anew).
        Even then the pickle can build nothing but plain data.

    Returns
    -------
    polars.DataFrame
        query, task, model (str), score (f64, null where missing), cost (f64, USD per query);
        queries in the order of the file, models in that of its score columns.

    Raises
    ------
    ValueError
        When the file is missing, its sha256 is neither known nor trusted, it names anything
        but the reconstruction of a frame, or it has another schema.
    """
    import polars as pl

    file = Path(path)
    if not file.is_file():
        raise ValueError(f"path={str(path)!r}: no such file; check the path")
    # Read once: the bytes that are hashed are the bytes that are loaded.
    content = file.read_bytes()
    _check_hash(file.name, hashlib.sha256(content).hexdigest(), trust_sha256)
    columns = _wide_columns(file.name, content)
    query, task = columns["sample_id"], columns["eval_name"]
    parts = [
        pl.DataFrame(
            {
                "row": np.arange(len(query)),
                "query": _texts("sample_id", query),
                "task": _texts("eval_name", task),
                "model": [model] * len(query),
                "score": _numbers(model, columns[model]),
                "cost": _numbers(f"{model}|total_cost", columns[f"{model}|total_cost"]),
            }
        )
        for model in SCORE_COLUMNS
    ]
    long = pl.concat(parts).with_columns(pl.col("score", "cost").fill_nan(None))
    return long.sort("row", maintain_order=True).drop("row")


def _check_hash(name: str, digest: str, trusted: str | None) -> None:
    """Raise ValueError unless the content is known or trusted."""
    if trusted is not None:
        if trusted.strip().lower() != digest:
            raise ValueError(
                f"trust_sha256={trusted!r} but {name} has sha256 {digest}; pass the hash of the "
                "file that you checked"
            )
    elif digest not in KNOWN_SHA256:
        raise ValueError(
            f"{name} has sha256 {digest}, which is not known; when the file comes from a source "
            f"that you trust, pass trust_sha256='{digest}'"
        )


def _wide_columns(name: str, content: bytes) -> dict[str, list[Any]]:
    """Return the columns of the frame in a pickle, after checking its schema."""
    try:
        frame = _FrameUnpickler(io.BytesIO(content)).load()
        if not isinstance(frame, _Frame):
            raise _Refused("it holds no pandas frame")
        columns = frame.columns()
    except _Refused as refusal:
        raise ValueError(
            f"{name} is refused: {refusal}; use the published RouterBench file, or convert your "
            "table to Parquet and replay that"
        ) from None
    except Exception as error:
        # A damaged pickle can fail in any way at all; to the user they are one.
        raise ValueError(
            f"{name} is not a readable pickle of a pandas frame ({type(error).__name__}: {error}); "
            "download it again, or convert your table to Parquet and replay that"
        ) from None
    if tuple(columns) != COLUMNS:
        absent = [column for column in COLUMNS if column not in columns]
        what = (
            f"lacks {checks.first_names(absent)}"
            if absent
            else "has other columns or another order"
        )
        raise ValueError(
            f"{name} {what}; pass a wide RouterBench file with its {len(COLUMNS)} columns in "
            "order (the long file routerbench_raw.pkl is not supported)"
        )
    return columns


def _texts(column: str, values: list[Any]) -> list[str]:
    """Return a column of strings."""
    for row, value in enumerate(values):
        if not isinstance(value, str):
            raise ValueError(f"column {column!r} holds {value!r} in row {row}; it must be text")
    return values


def _numbers(column: str, values: list[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return an object column of numbers as floats; None becomes NaN."""
    try:
        return np.array([np.nan if value is None else float(value) for value in values])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"column {column!r} holds something that is not a number ({error}); repair the file"
        ) from None


class _Refused(Exception):
    """The pickle asks for something that a frame of plain data does not need."""


class _StandIn:
    """Base of the stand-ins.

    All of them define ``__setstate__``: a pickle that tries to set attributes on a stand-in
    *class* then fails, because the method misses its instance.
    """

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise _Refused(f"it sets the state of a {type(self).__name__[1:]}")


class _DType(_StandIn):
    """A NumPy dtype, of the few that a frame of text and numbers needs."""

    __slots__ = ("code",)
    CODES: Final = ("O", "O8", "f4", "f8", "i4", "i8", "b1")

    def __init__(self, code: object, align: object = False, copy: object = True) -> None:
        if code not in self.CODES:
            raise _Refused(f"it holds an array of type {code!r}")
        self.code = str(code)

    def __setstate__(self, state: Any) -> None:
        # (version, byte order, ...): only the byte order says something for plain types.
        if state[1] not in ("<", "|", "="):
            raise _Refused(f"it holds an array of byte order {state[1]!r}")

    @property
    def is_object(self) -> bool:
        return self.code.startswith("O")


class _Array(_StandIn):
    """A NumPy array, kept as a real array of numbers or of Python objects."""

    __slots__ = ("values",)

    def __init__(self, *_: object) -> None:
        self.values: np.ndarray[Any, Any] = np.empty(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        self.fill(raw, dtype, shape, "F" if fortran else "C")

    def fill(self, raw: Any, dtype: Any, shape: Any, order: str) -> None:
        """Fill the array from raw bytes or, for objects, from a list."""
        if not isinstance(dtype, _DType):
            raise _Refused("it holds an array without a type")
        if dtype.is_object:
            if not isinstance(raw, list):
                raise _Refused("it holds objects that are not a list")
            flat = np.empty(len(raw), dtype=object)
            flat[:] = [_plain(value) for value in raw]
        else:
            flat = np.frombuffer(raw, dtype=f"<{dtype.code}" if dtype.code != "b1" else "?")
        self.values = flat.reshape(shape, order="F" if order == "F" else "C")


class _FromBuffer(_Array):
    """``numpy._frombuffer(raw, dtype, shape, order)``."""

    __slots__ = ()

    def __init__(self, raw: Any, dtype: Any, shape: Any, order: Any) -> None:
        super().__init__()
        self.fill(raw, dtype, shape, order)


class _Scalar(_StandIn):
    """``numpy.scalar(dtype, raw)``."""

    __slots__ = ("value",)

    def __init__(self, dtype: Any, raw: Any = b"") -> None:
        if not isinstance(dtype, _DType) or dtype.is_object:
            raise _Refused("it holds a scalar that is not a number")
        cell = _Array()
        cell.fill(raw, dtype, (1,), "C")
        self.value = cell.values[0].item()


class _Slice(_StandIn):
    """A slice: where the rows of a block belong."""

    __slots__ = ("places",)

    def __init__(self, start: Any, stop: Any, step: Any) -> None:
        # Bounded, so that a forged slice cannot fill the memory.
        self.places = list(range(*slice(start, stop, step).indices(len(COLUMNS))))


class _Index(_StandIn):
    """``_new_Index(cls, state)``: the labels of an axis."""

    __slots__ = ("labels",)

    def __init__(self, kind: object = None, state: Any = None) -> None:
        data = state.get("data") if isinstance(state, dict) else None
        self.labels = data.values.tolist() if isinstance(data, _Array) else None


class _RangeIndex(_StandIn):
    """The name of the index class; never built."""

    __slots__ = ()


class _Block(_StandIn):
    """``_unpickle_block(values, placement, ndim)``: some columns of the frame."""

    __slots__ = ("places", "values")

    def __init__(self, values: Any, placement: Any, ndim: Any) -> None:
        if not isinstance(values, _Array):
            raise _Refused("it holds columns that are not NumPy arrays")
        self.values = values.values
        self.places: list[int] = (
            placement.places if isinstance(placement, _Slice) else placement.values.tolist()
        )


class _Manager(_StandIn):
    """``BlockManager(blocks, axes)``."""

    __slots__ = ("axes", "blocks")

    def __init__(self, blocks: Any, axes: Any) -> None:
        self.blocks, self.axes = blocks, axes


class _Frame(_StandIn):
    """A pandas frame: its state is a dictionary with the block manager."""

    __slots__ = ("manager",)

    def __setstate__(self, state: Any) -> None:
        self.manager = state["_mgr"]

    def columns(self) -> dict[str, list[Any]]:
        """Return the columns by name."""
        labels = self.manager.axes[0].labels
        if labels is None:
            raise _Refused("its columns have no plain names")
        found: dict[int, list[Any]] = {}
        for block in self.manager.blocks:
            for place, row in zip(block.places, block.values, strict=True):
                found[place] = row.tolist()
        return {str(label): found[place] for place, label in enumerate(labels)}


def _plain(value: Any) -> Any:
    """Return a cell of an object column: text, a number or None."""
    if isinstance(value, _Scalar):
        return value.value
    if value is None or isinstance(value, str | int | float):
        return value
    raise _Refused(f"a cell holds a {type(value).__name__}")


# Every name that a pickled frame may use. NumPy 2 moved numpy.core to numpy._core, pandas 3
# writes the public names of its classes.
_ALLOWED: Final[Mapping[tuple[str, str], type[_StandIn]]] = {
    **{
        (f"numpy.{core}.{module}", name): stand_in
        for core in ("core", "_core")
        for module, name, stand_in in (
            ("multiarray", "_reconstruct", _Array),
            ("multiarray", "scalar", _Scalar),
            ("numeric", "_frombuffer", _FromBuffer),
        )
    },
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("builtins", "slice"): _Slice,
    ("pandas", "DataFrame"): _Frame,
    ("pandas.core.frame", "DataFrame"): _Frame,
    ("pandas.core.internals.managers", "BlockManager"): _Manager,
    ("pandas._libs.internals", "_unpickle_block"): _Block,
    ("pandas.core.indexes.base", "_new_Index"): _Index,
    ("pandas.core.indexes.base", "Index"): _Index,
    ("pandas", "Index"): _Index,
    ("pandas.core.indexes.range", "RangeIndex"): _RangeIndex,
    ("pandas", "RangeIndex"): _RangeIndex,
}


class _FrameUnpickler(pickle.Unpickler):
    """Unpickler whose every global is one of the stand-ins above."""

    def find_class(self, module: str, name: str) -> type[_StandIn]:
        """Return the stand-in of an allowed name; refuse every other one."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _Refused(f"it names {module}.{name}, which no plain table needs") from None

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to objects outside the file."""
        raise _Refused("it refers to objects outside the file")
