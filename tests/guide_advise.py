"""The guide from tables to decisions: ``python tests/guide_advise.py`` writes its generated parts.

The tables, logs and price lists are made up. Public tables, which are not part of the package, are
added where they lie: ``python tests/guide_advise.py FOLDER``.
"""

import json
import shlex
import sys
from collections.abc import Callable
from contextlib import chdir
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from made_up import written

GUIDE: Final = Path(__file__).parent.parent / "docs" / "advise.md"
FIGURE: Final = GUIDE.parent / "figures" / "advise_frontier.svg"
MODELS: Final = ("ox-small", "elk", "gnu-large")
TASKS: Final = ("chat", "code")
QUERIES: Final = 600
# Chance of a right answer, [task, model]; USD per million tokens in and out.
CHANCE: Final = np.array([[0.72, 0.81, 0.86], [0.35, 0.58, 0.83]])
PRICE: Final = np.array([[0.25, 1.25], [1.0, 5.0], [3.0, 15.0]])
# A file is shown by so many lines, each cut to so many characters.
_LINES: Final = 2
_WIDTH: Final = 96


class World(NamedTuple):
    """Made-up outcomes, [queries] or [queries, models]."""

    task: Any
    score: Any
    tokens_in: Any
    tokens_out: Any
    cost: Any
    chosen: Any
    propensity: Any


class Example(NamedTuple):
    """A schema: its name, what is asked, and what writes the files."""

    title: str
    command: str
    write: Callable[[Path], object]


@cache
def world() -> World:
    """Return the made-up outcomes, and which model a router chose for each query."""
    draw = np.random.default_rng(16)
    task = (draw.random(QUERIES) < 0.4).astype(int)
    score = (draw.random((QUERIES, len(MODELS))) < CHANCE[task]).astype(int)
    tokens_in = draw.integers(60, 700, QUERIES)
    tokens_out = draw.integers(80, 600, (QUERIES, len(MODELS)))
    cost = (tokens_in[:, None] * PRICE[:, 0] + tokens_out * PRICE[:, 1]) / 1e6
    # Code goes to the large model more often.
    share = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])[task]
    chosen = (share.cumsum(axis=1) < draw.random(QUERIES)[:, None]).sum(axis=1)
    propensity = share[np.arange(QUERIES), chosen]
    return World(task, score, tokens_in, tokens_out, cost.round(7), chosen, propensity)


def every() -> list[dict[str, Any]]:
    """Return a row for each query and model."""
    w = world()
    return [
        {
            "query": f"q{q}",
            "task": TASKS[w.task[q]],
            "model": name,
            "score": int(w.score[q, m]),
            "tokens_in": int(w.tokens_in[q]),
            "tokens_out": int(w.tokens_out[q, m]),
            "cost": float(w.cost[q, m]),
        }
        for q in range(QUERIES)
        for m, name in enumerate(MODELS)
    ]


def logged() -> list[dict[str, Any]]:
    """Return a row for each query, of the model that it went to, an hour apart."""
    w = world()
    rows = every()
    start = np.datetime64("2025-03-01T08:00:00")
    return [
        rows[len(MODELS) * q + int(m)]
        | {
            "propensity": float(w.propensity[q]),
            "time": f"{start + np.timedelta64(q, 'h')}Z",
        }
        for q, m in enumerate(w.chosen)
    ]


def table(path: Path, rows: list[dict[str, Any]], names: dict[str, str]) -> None:
    """Write some columns of rows under other names."""
    frame = pl.DataFrame(rows).select(pl.col(old).alias(new) for old, new in names.items())
    frame.write_csv(path)


def plain(folder: Path) -> None:
    names = ("query", "task", "model", "score", "cost")
    table(folder / "outcomes.csv", every(), {name: name for name in names})


def wide(folder: Path) -> None:
    _wide(folder / "wide.csv", "query", "task", "score_{}", "cost_{}")


def routerbench(folder: Path) -> None:
    _wide(folder / "routerbench.csv", "sample_id", "eval_name", "{}", "{}|total_cost")


def _wide(path: Path, query: str, task: str, score: str, cost: str) -> None:
    w = world()
    columns: dict[str, Any] = {
        query: [f"q{q}" for q in range(QUERIES)],
        task: [TASKS[one] for one in w.task],
    }
    columns |= {score.format(name): w.score[:, m] for m, name in enumerate(MODELS)}
    columns |= {cost.format(name): w.cost[:, m] for m, name in enumerate(MODELS)}
    pl.DataFrame(columns).write_csv(path)


def routerarena(folder: Path) -> None:
    written(
        folder / "predictions.jsonl",
        [
            {
                "global_index": f"Set_{row['query']}",
                "llm_selected": row["model"],
                "token_usage": {
                    "input_tokens": row["tokens_in"],
                    "output_tokens": row["tokens_out"],
                },
                "evaluation_result": {"score": row["score"]},
            }
            for row in logged()
        ],
    )
    prices = {
        name: {
            "input_token_price_per_million": PRICE[m, 0],
            "output_token_price_per_million": PRICE[m, 1],
        }
        for m, name in enumerate(MODELS)
    }
    written(folder / "model_cost.json", prices)


def _instances(name: str) -> dict[str, Any]:
    m = MODELS.index(name)
    w = world()
    return {
        f"repo__{q}": {
            "resolved": bool(w.score[q, m]),
            "cost": float(w.cost[q, m]),
            "api_calls": 3,
        }
        for q in range(QUERIES)
    }


def swebench(folder: Path) -> None:
    written(folder / "instances.json", {name: _instances(name) for name in MODELS})


def swebench_boards(folder: Path) -> None:
    w = world()
    results = [
        {
            "name": name,
            "resolved": float(100.0 * w.score[:, m].mean()),
            "per_instance_details": _instances(name),
        }
        for m, name in enumerate(MODELS)
    ]
    written(folder / "leaderboards.json", {"leaderboards": [{"name": "Some", "results": results}]})


def llmrouterbench(folder: Path) -> None:
    w = world()
    for t, task in enumerate(TASKS):
        for m, name in enumerate(MODELS):
            records = [
                {
                    "index": int(q),
                    "score": int(w.score[q, m]),
                    "prompt_tokens": int(w.tokens_in[q]),
                    "completion_tokens": int(w.tokens_out[q, m]),
                    "cost": float(w.cost[q, m]),
                }
                for q in np.flatnonzero(w.task == t)
            ]
            content = {"model_name": name, "dataset_name": task, "records": records}
            written(folder / "results" / task / "test" / name / "run.json", content)


def llmrouter(folder: Path) -> None:
    names = {
        "task": "task_name",
        "query": "query",
        "model": "model_name",
        "tokens_out": "token_num",
        "score": "performance",
    }
    table(folder / "router_data.csv", every(), names)
    prices = {
        name: {
            "input_cost_per_token": PRICE[m, 0] / 1e6,
            "output_cost_per_token": PRICE[m, 1] / 1e6,
            "deprecation_date": "2027-01-01",
        }
        for m, name in enumerate(MODELS)
    }
    written(folder / "model_prices.json", prices)


def graphrouter(folder: Path) -> None:
    names = {"task": "task_id", "query": "query", "model": "llm", "score": "effect", "cost": "cost"}
    table(folder / "router_data.csv", every(), names)


def litellm(folder: Path) -> None:
    written(
        folder / "spend.jsonl",
        [
            {
                "request_id": f"chatcmpl-{row['query']}",
                "model": row["model"],
                "model_group": "all",
                "spend": row["cost"],
                "prompt_tokens": row["tokens_in"],
                "completion_tokens": row["tokens_out"],
                "startTime": row["time"],
                "session_id": f"s{row['query']}",
                "status": "failure" if at % 50 == 7 else "success",
            }
            for at, row in enumerate(logged())
        ],
    )
    ratings = [{**row, "session_id": f"s{row['query']}"} for row in logged()]
    table(folder / "ratings.csv", ratings, {"session_id": "session_id", "score": "rating"})


def langfuse(folder: Path) -> None:
    rows = [
        {
            "id": f"o-{row['query']}",
            "traceId": f"t-{row['query']}",
            "type": "GENERATION",
            "model": row["model"],
            "startTime": row["time"],
            "usageDetails": json.dumps({"input": row["tokens_in"], "output": row["tokens_out"]}),
            "costDetails": json.dumps({"total": row["cost"]}),
        }
        for row in logged()
    ]
    pl.DataFrame(rows).write_csv(folder / "observations.csv")
    scores = [{"trace": f"t-{row['query']}", **row} for row in logged()]
    table(folder / "scores.csv", scores, {"trace": "traceId", "score": "value"})


def opentelemetry(folder: Path) -> None:
    written(
        folder / "spans.jsonl",
        [
            {
                "trace_id": f"t-{row['query']}",
                "span_id": f"s-{row['query']}",
                "start_time": row["time"],
                "attributes": {
                    "gen_ai.request.model": "auto",
                    "gen_ai.response.model": row["model"],
                    "gen_ai.usage.input_tokens": row["tokens_in"],
                    "gen_ai.usage.output_tokens": row["tokens_out"],
                },
            }
            for row in logged()
        ],
    )
    scores = [{"trace": f"t-{row['query']}", **row} for row in logged()]
    table(folder / "scores.csv", scores, {"trace": "trace_id", "score": "score"})
    listed = [
        {
            "id": f"some/{name}",
            "created": 1735689600,
            "pricing": {"prompt": f"{PRICE[m, 0]}e-6", "completion": f"{PRICE[m, 1]}e-6"},
        }
        for m, name in enumerate(MODELS)
    ]
    written(folder / "openrouter.json", {"data": listed})


def gateway(folder: Path) -> None:
    names = ("query", "task", "model", "score", "cost", "propensity", "time")
    table(folder / "gateway.csv", logged(), {name: name for name in names})


def history(folder: Path) -> None:
    names = ("query", "task", "model", "score", "time", "tokens_in", "tokens_out")
    table(folder / "tokens.csv", logged(), {name: name for name in names})
    prices = {
        name: [
            {"from": "2025-01-01", "input": 2.0 * PRICE[m, 0], "output": 2.0 * PRICE[m, 1]},
            {"from": "2025-03-10", "input": PRICE[m, 0], "output": PRICE[m, 1]},
        ]
        for m, name in enumerate(MODELS)
    }
    written(folder / "price_history.json", prices)


def aider(folder: Path) -> None:
    w = world()
    lines = [
        f"- model: {name}\n  pass_rate_2: {100.0 * w.score[:, m].mean():.1f}\n"
        f"  total_cost: {w.cost[:, m].sum():.4f}\n  test_cases: {QUERIES}\n"
        f"  date: 2025-0{m + 1}-01\n"
        for m, name in enumerate(MODELS)
    ]
    written(folder / "polyglot.yml", "".join(lines))


def board(folder: Path) -> None:
    w = world()
    pl.DataFrame(
        {
            "dataset": [*TASKS, "ALL"] * len(MODELS),
            "model": np.repeat(MODELS, len(TASKS) + 1),
            "n": [int((w.task == 0).sum()), int((w.task == 1).sum()), QUERIES] * len(MODELS),
            "score": [
                round(float(w.score[rows, m].mean()), 4)
                for m in range(len(MODELS))
                for rows in (w.task == 0, w.task == 1, w.task >= 0)
            ],
            "cost": [
                round(float(w.cost[rows, m].mean()), 6)
                for m in range(len(MODELS))
                for rows in (w.task == 0, w.task == 1, w.task >= 0)
            ],
        }
    ).write_csv(folder / "board.csv")


_ASKED: Final = "--budget 0.0025 --max-deployed 2"
EXAMPLES: Final = (
    Example("A plain table", f"outcomes.csv {_ASKED}", plain),
    Example("A wide table", f"wide.csv {_ASKED}", wide),
    Example("RouterBench", f"routerbench.csv {_ASKED}", routerbench),
    Example(
        "RouterArena, with its price list",
        f"predictions.jsonl {_ASKED} --prices model_cost.json",
        routerarena,
    ),
    Example("SWE-bench, instance by instance", f"instances.json {_ASKED}", swebench),
    Example("SWE-bench, leaderboards with details", f"leaderboards.json {_ASKED}", swebench_boards),
    Example("LLMRouterBench, a folder", f"results {_ASKED}", llmrouterbench),
    Example(
        "LLMRouter, with LiteLLM's price list",
        f"router_data.csv {_ASKED} --prices model_prices.json",
        llmrouter,
    ),
    Example("GraphRouter", f"router_data.csv {_ASKED}", graphrouter),
    Example(
        "LiteLLM spend logs, with a table of scores",
        f"spend.jsonl {_ASKED} --scores ratings.csv",
        litellm,
    ),
    Example(
        "Langfuse generations, with their scores",
        f"observations.csv {_ASKED} --scores scores.csv",
        langfuse,
    ),
    Example(
        "OpenTelemetry spans, with scores and OpenRouter's prices",
        f"spans.jsonl {_ASKED} --scores scores.csv --prices openrouter.json",
        opentelemetry,
    ),
    Example("The log of a gateway that writes down propensities", f"gateway.csv {_ASKED}", gateway),
    Example(
        "A log of tokens, with prices over time",
        f"tokens.csv {_ASKED} --prices price_history.json",
        history,
    ),
    Example("A leaderboard such as Aider's", f"polyglot.yml {_ASKED}", aider),
    Example("A leaderboard with rows of several data sets", f"board.csv {_ASKED}", board),
)
# Public tables by their folder: title, file and what is asked.
_PUBLIC: Final = (
    (
        "LLMRouterBench: 33 models, 240 questions (arXiv 2601.07206)",
        "llmrouterbench_240/outcomes.parquet",
        "--budget 0.003 --max-deployed 3 --limit 0.5",
    ),
    (
        "ParetoBandit: 4 models, 3,559 questions",
        "paretobandit_k4/outcomes.parquet",
        "--budget 0.0005 --max-deployed 2",
    ),
    (
        "RouterBench: means of 11 models (arXiv 2403.12031), with the rows of two routers left out",
        "routerbench_reference/aggregate_0shot.csv",
        "--budget 0.001 --max-deployed 3 --what-if 'drop:uniform random model' "
        "--what-if 'drop:oracle (best score, cheapest tie)'",
    ),
)


def advised(command: str, folder: Path) -> str:
    """Return what ``fastroute advise`` prints in a folder."""
    from typer.testing import CliRunner

    from fastroute.cli import app

    with chdir(folder):
        result = CliRunner().invoke(app, ["advise", *shlex.split(command)])
    if result.exit_code:
        raise RuntimeError(f"fastroute advise {command}: {result.output}")
    return result.stdout.rstrip()


def short(text: str) -> str:
    """Return an answer up to its quality and cost."""
    lines = text.splitlines()
    end = next(at for at, line in enumerate(lines) if line.startswith("Cost "))
    return "\n".join([*lines[: end + 1], "..."])


def first_lines(folder: Path, command: str) -> list[str]:
    """Return the beginning of each file that a command reads, as a shell shows it."""
    shown = []
    for word in shlex.split(command):
        if (folder / word).is_dir():
            word = min(p.relative_to(folder) for p in (folder / word).rglob("*.json")).as_posix()
        path = folder / word
        if not path.is_file():
            continue
        lines = path.read_text(encoding="utf-8").splitlines()[:_LINES]
        shown += [f"$ head -{_LINES} {word} | cut -c 1-{_WIDTH}", *(one[:_WIDTH] for one in lines)]
    return shown


def section(example: Example) -> str:
    """Return the part of the guide about one schema."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        example.write(folder)
        lines = [
            f"### {example.title}",
            "",
            "```console",
            *first_lines(folder, example.command),
            f"$ fastroute advise {example.command}",
            short(advised(example.command, folder)),
            "```",
        ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def whole(example: Example) -> str:
    """Return one answer, all of it."""
    with TemporaryDirectory() as name:
        example.write(Path(name))
        text = advised(example.command, Path(name))
    return f"```console\n$ fastroute advise {example.command}\n{text}\n```\n"


def public(folder: Path) -> str:
    """Return what is advised on the public tables; draws the figure of the first."""
    import fastroute as fr
    from fastroute.advice.files import frontier_figure
    from fastroute.report import save_figure

    parts = []
    for title, file, asked in _PUBLIC:
        table = folder / file
        text = short(advised(f"{table.name} {asked}", table.parent))
        command = f"$ fastroute advise {table.name} {asked}"
        parts.append(f"### {title}\n\n```console\n{command}\n{text}\n```\n")
    advice = fr.advise(folder / _PUBLIC[0][1], budget=0.003, max_deployed=3, limit=0.5)
    save_figure(frontier_figure(advice), FIGURE)
    return "\n".join(parts)


def part(text: str, name: str) -> str:
    """Return what stands between the marks of a generated part."""
    begin, end = _marks(name)
    return text.split(begin, 1)[1].split(end, 1)[0].strip("\n") + "\n"


def replaced(text: str, name: str, content: str) -> str:
    """Return the guide with another content between the marks of a part."""
    begin, end = _marks(name)
    before, rest = text.split(begin, 1)
    return f"{before}{begin}\n\n{content}\n{end}{rest.split(end, 1)[1]}"


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- generated: {name} -->", f"<!-- end: {name} -->"


def main(folder: Path | None) -> None:
    """Write the generated parts; the public tables only where their folder is given."""
    text = GUIDE.read_text(encoding="utf-8")
    text = replaced(text, "whole", whole(EXAMPLES[0]))
    text = replaced(text, "schemas", "\n".join(map(section, EXAMPLES)))
    if folder is not None:
        text = replaced(text, "public", public(folder.resolve()))
    GUIDE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
