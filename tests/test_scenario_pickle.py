import hashlib
import io
import os
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastroute.outcomes import read_outcomes
from fastroute.outcomes.routerbench_pickle import (
    _ALLOWED,
    COLUMNS,
    KNOWN_SHA256,
    SCORE_COLUMNS,
    _FrameUnpickler,
    _StandIn,
)
from fastroute.scenarios import check_table, load_routerbench, scenario

QUERIES = 6


def values() -> dict[str, list[Any]]:
    """Return small columns of the published schema."""
    columns: dict[str, list[Any]] = {}
    for place, name in enumerate(COLUMNS):
        model, _, kind = name.partition("|")
        if name == "sample_id":
            columns[name] = [f"mbpp.dev.{row}" for row in range(QUERIES)]
        elif name == "eval_name":
            columns[name] = ["mbpp", "grade-school-math"] * (QUERIES // 2)
        elif kind == "total_cost":
            columns[name] = [1e-5 * (1 + len(model)) + 1e-7 * row for row in range(QUERIES)]
        elif name in SCORE_COLUMNS:
            columns[name] = [(place + row) % 5 / 4.0 for row in range(QUERIES)]
        else:
            columns[name] = ["['text']"] * QUERIES
    return columns


def dump(columns: dict[str, list[Any]], labels: tuple[str, ...] = COLUMNS) -> bytes:
    """Return a pickle of these columns as the published file has them."""
    pandas = pytest.importorskip("pandas", reason='writes the file: pip install "fastroute[data]"')
    series = {
        name: pandas.Series(column, dtype="float64" if "|total_cost" in name else "object")
        for name, column in columns.items()
    }
    frame = pandas.DataFrame(series)
    frame.columns = pandas.Index(list(labels), dtype=object)
    return pickle.dumps(frame, protocol=5)


def rename_global(content: bytes, old: str, new: str) -> bytes:
    """Return the same pickle with one module name changed."""
    old_text, new_text = (b"\x8c" + bytes([len(name)]) + name.encode() for name in (old, new))
    assert old_text in content
    # optimize() also writes the frames anew, whose lengths have changed.
    return pickletools.optimize(content.replace(old_text, new_text))


def save(folder: Path, content: bytes) -> tuple[Path, str]:
    path = folder / "table.pkl"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def load(folder: Path, content: bytes) -> Any:
    path, digest = save(folder, content)
    return load_routerbench(path, trust_sha256=digest)


def test_wide_file_becomes_a_long_table(tmp_path: Path) -> None:
    columns = values()
    frame = load(tmp_path, dump(columns))
    assert frame.columns == ["query", "task", "model", "score", "cost"]
    assert frame.height == QUERIES * 11
    assert frame["model"].to_list()[:11] == list(SCORE_COLUMNS)
    for row in frame.to_dicts():
        place = columns["sample_id"].index(row["query"])
        assert row["task"] == columns["eval_name"][place]
        assert row["score"] == columns[row["model"]][place]
        # Costs come in another order of models and are matched by name.
        assert row["cost"] == columns[f"{row['model']}|total_cost"][place]


def test_schema_equals_the_published_one(shared: Path) -> None:
    import json

    schema = json.loads((shared / "data/routerbench_reference/schema.json").read_text())
    assert tuple(schema["columns_0shot_in_order"]) == COLUMNS
    assert schema["wide_files"]["routerbench_0shot.pkl"]["sha256"] in KNOWN_SHA256


def test_numpy_1_module_names_are_read(tmp_path: Path) -> None:
    content = dump(values())
    new = load(tmp_path, content)
    for module in ("multiarray", "numeric"):
        if f"numpy._core.{module}".encode() in content:
            content = rename_global(content, f"numpy._core.{module}", f"numpy.core.{module}")
    assert b"numpy._core" not in content
    assert load(tmp_path, content).equals(new)


def test_scores_of_any_number_type_and_nulls(tmp_path: Path) -> None:
    columns = values()
    first, second, third = SCORE_COLUMNS[:3]
    columns[first] = [np.float64(0.25), 1, True, None, float("nan"), np.int64(0)]
    frame = load(tmp_path, dump(columns))
    scores = frame.filter(frame["model"] == first)["score"].to_list()
    assert scores == [0.25, 1.0, 1.0, None, None, 0.0]
    report = check_table(
        tmp_path / "table.pkl",
        trust_sha256=hashlib.sha256((tmp_path / "table.pkl").read_bytes()).hexdigest(),
    )
    assert report.missing == 2
    assert [problem.kind for problem in report.problems] == ["missing"]
    assert f"sha256      {report.sha256} (not a known file)" in str(report)
    assert report.per_model["release_date"].null_count() == 0
    assert second != third


def test_replay_knows_the_release_dates(tmp_path: Path) -> None:
    path, digest = save(tmp_path, dump(values()))
    built = scenario("replay", outcomes=path, trust_sha256=digest)
    assert built.models[0] == "claude-instant-v1"
    assert built.outcomes is not None
    assert built.outcomes.score.shape == (QUERIES, 11)
    assert built.models[-1] == "mistralai/mixtral-8x7b-chat"


def test_outcomes_are_read_from_a_pickle_too(tmp_path: Path) -> None:
    path, digest = save(tmp_path, dump(values()))
    outcomes = read_outcomes(path, trust_sha256=digest)
    assert (len(outcomes.models), outcomes.n_queries) == (11, QUERIES)
    with pytest.raises(ValueError, match="trust_sha256="):
        read_outcomes(path)


# The first lock: the content must be known.


def test_unknown_content_is_refused_with_its_hash(tmp_path: Path) -> None:
    path, digest = save(tmp_path, b"anything")
    with pytest.raises(ValueError, match=f"trust_sha256='{digest}'"):
        load_routerbench(path)
    with pytest.raises(ValueError, match=digest):
        check_table(path)
    with pytest.raises(ValueError, match=f"trust_sha256='ab'.* has sha256 {digest}"):
        load_routerbench(path, trust_sha256="ab")
    with pytest.raises(ValueError, match="no such file"):
        load_routerbench(tmp_path / "nowhere.pkl")


# The second lock: even trusted content can only build plain data.


class Call:
    """Pickles as a call of anything."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def text(module: str, name: str, argument: str) -> bytes:
    """Return a hand-written pickle that calls ``module.name(argument)``."""
    return f"c{module}\n{name}\n(V{argument}\ntR.".encode()


FORBIDDEN = [
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("subprocess", "Popen"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "open"),
    ("builtins", "getattr"),
    ("builtins", "__import__"),
    ("__builtin__", "eval"),
    ("io", "open"),
    ("numpy", "load"),
    ("numpy", "fromfile"),
    ("numpy", "memmap"),
    ("numpy.core.multiarray", "fromfile"),
    ("numpy.testing._private.utils", "runstring"),
    ("pandas", "read_pickle"),
    ("pandas", "eval"),
    ("pandas", "read_csv"),
    ("pandas.io.pickle", "read_pickle"),
    ("pandas.core.computation.eval", "eval"),
    ("pandas", "DataFrame.to_pickle"),
    ("pandas", "DataFrame.eval"),
    ("pandas", "DataFrame.__init__.__globals__"),
    ("numpy", "dtype.__class__"),
    ("builtins", "slice.__class__"),
    ("importlib", "import_module"),
    ("copyreg", "_reconstructor"),
    ("functools", "partial"),
    ("operator", "attrgetter"),
    ("polars", "read_csv"),
    ("fastroute.outcomes.routerbench_pickle", "load_routerbench"),
]


@pytest.mark.parametrize(("module", "name"), FORBIDDEN)
def test_every_other_name_is_refused(tmp_path: Path, module: str, name: str) -> None:
    target = tmp_path / "reached"
    with pytest.raises(ValueError, match="is refused: it names") as error:
        load(tmp_path, text(module, name, f"touch {target}"))
    assert f"{module}.{name}" in str(error.value)
    assert not target.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_calls_do_not_run_at_any_protocol(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "reached"
    content = pickle.dumps([Call(os.system, f"touch {target}")], protocol=protocol)
    with pytest.raises(ValueError, match=r"it names \w+\.system"):
        load(tmp_path, content)
    assert not target.exists()


def test_calls_hidden_in_a_cell_do_not_run(tmp_path: Path) -> None:
    target = tmp_path / "reached"
    columns = values()
    columns["prompt"][2] = Call(os.system, f"touch {target}")
    with pytest.raises(ValueError, match=r"it names \w+\.system"):
        load(tmp_path, dump(columns))
    assert not target.exists()


def test_allowed_names_are_inert_classes_of_this_package() -> None:
    for stand_in in _ALLOWED.values():
        assert issubclass(stand_in, _StandIn)
        assert stand_in.__module__ == "fastroute.outcomes.routerbench_pickle"
    loader = _FrameUnpickler(io.BytesIO(b""))
    assert loader.find_class("numpy.core.multiarray", "_reconstruct") is loader.find_class(
        "numpy._core.multiarray", "_reconstruct"
    )


@pytest.mark.parametrize(("module", "name"), sorted(_ALLOWED))
def test_stand_ins_cannot_be_changed_from_a_pickle(tmp_path: Path, module: str, name: str) -> None:
    stand_in = _ALLOWED[module, name]
    before = dict(vars(stand_in))
    # BUILD on the class itself, with a state that would set an attribute of it.
    content = f"c{module}\n{name}\n(N}}V__init__\nI1\nstb.".encode()
    with pytest.raises(ValueError, match=r"refused|not a readable pickle"):
        load(tmp_path, content)
    assert dict(vars(stand_in)) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a readable pickle"),
        (b"nonsense", "not a readable pickle"),
        (pickle.dumps([1, 2]), "holds no pandas frame"),
        (pickle.dumps({"a": 1}), "holds no pandas frame"),
        (b"Vx\nQ.", "outside the file"),
        (b"\x80\x02U\x01xQ.", "outside the file"),
        (b"cpandas\nRangeIndex\n)\x81}b.", "sets the state"),
        (b"cnumpy\ndtype\n(VM8\ntR.", "array of type 'M8'"),
        (b"cnumpy\ndtype\n(Vf8\ntR(I3\nV>\nNtb.", "byte order '>'"),
        (b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(VO8\ntRNtR.", "not a number"),
        (b"cnumpy.core.numeric\n_frombuffer\n(NNNNtR.", "array without a type"),
        (b"cpandas._libs.internals\n_unpickle_block\n(NNNtR.", "not NumPy arrays"),
        (b"cpandas\nDataFrame\n)\x81.", "not a readable pickle"),
    ],
)
def test_forged_and_damaged_files_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        load(tmp_path, content)


def test_cells_that_are_no_plain_data_are_refused(tmp_path: Path) -> None:
    columns = values()
    columns["prompt"][0] = ["a list"]
    with pytest.raises(ValueError, match="a cell holds a list"):
        load(tmp_path, dump(columns))


def test_truncated_file_is_refused(tmp_path: Path) -> None:
    content = dump(values())
    with pytest.raises(ValueError, match="not a readable pickle"):
        load(tmp_path, content[: len(content) // 2])


def test_other_schemas_are_refused(tmp_path: Path) -> None:
    columns = values()
    swapped = (COLUMNS[1], COLUMNS[0], *COLUMNS[2:])
    with pytest.raises(ValueError, match="another order"):
        load(tmp_path, dump(columns, swapped))
    short = {name: column for name, column in columns.items() if name != "claude-v1"}
    with pytest.raises(ValueError, match="lacks 'claude-v1'"):
        load(tmp_path, dump(short, tuple(short)))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("sample_id", 3.0, "'sample_id' holds 3.0 in row 1"),
        ("claude-v1", "good", "'claude-v1' holds something that is not a number"),
    ],
)
def test_wrong_types_are_refused(tmp_path: Path, column: str, value: Any, words: str) -> None:
    columns = values()
    columns[column][1] = value
    with pytest.raises(ValueError, match=words):
        load(tmp_path, dump(columns))
