"""Logs and tables of every schema, with ids and numbers that are invented."""

import json
from pathlib import Path
from typing import Any


def written(path: Path, content: object) -> Path:
    """Write a file: text as it is, JSON lines from a list, JSON from anything else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    elif path.suffix == ".jsonl":
        assert isinstance(content, list)
        path.write_text("\n".join(map(json.dumps, content)) + "\n")
    else:
        path.write_text(json.dumps(content))
    return path


PRICES = {
    "ox": {"input_token_price_per_million": 1.0, "output_token_price_per_million": 2.0},
    "elk": {"input_token_price_per_million": 10.0, "output_token_price_per_million": 20.0},
}
ARENA = [
    {
        "global_index": f"Set_{i}",
        "llm_selected": ("ox", "elk")[i % 2],
        "token_usage": {"input_tokens": 100, "output_tokens": 50 + i},
        "evaluation_result": {"score": i % 2},
    }
    for i in range(4)
]
LITELLM = [
    {
        "request_id": f"chatcmpl-{i}",
        "model": ("ox", "elk")[i % 2],
        "model_group": "all",
        "spend": 0.001 * (i + 1),
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "startTime": f"2025-03-0{i + 1}T08:00:00.123Z",
        "endTime": f"2025-03-0{i + 1}T08:00:02Z",
        "session_id": f"s{i}",
        "request_tags": ["a"],
        "status": "failure" if i == 3 else "success",
    }
    for i in range(4)
]
SPANS = [
    {
        "trace_id": f"t{i}",
        "start_time": "2025-03-01T08:00:00Z",
        "attributes": {
            "gen_ai.request.model": "any",
            "gen_ai.response.model": ("ox", "elk")[i % 2],
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 50,
        },
    }
    for i in range(4)
]
EXPORT = {
    "resourceSpans": [
        {
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": f"t{i}",
                            "startTimeUnixNano": "1740816000000000000",
                            "attributes": [
                                {"key": name, "value": {"intValue": "100"}}
                                for name in (
                                    "gen_ai.usage.input_tokens",
                                    "gen_ai.usage.output_tokens",
                                )
                            ]
                            + [{"key": "gen_ai.request.model", "value": {"stringValue": "ox"}}],
                        }
                        for i in range(2)
                    ]
                    + [{"traceId": "t9", "attributes": []}]
                }
            ]
        }
    ]
}
LANGFUSE = (
    "id,traceId,type,model,startTime,usageDetails,costDetails\n"
    + "".join(
        f"o{i},t{i},GENERATION,{('ox', 'elk')[i % 2]},2025-03-01T08:00:00.000Z,"
        '"{""input"": 3, ""output"": 4}","{""total"": 0.01}"\n'
        for i in range(4)
    )
    + "o9,t1,SPAN,,2025-03-01T08:00:00.000Z,,\n"
)
SWE = {
    "ox": {"i1": {"resolved": True, "cost": 0.2, "api_calls": 3}, "i2": {"resolved": False}},
    "elk": {"i1": {"resolved": True, "cost": 0.4}, "i2": {"resolved": True, "cost": 0.6}},
}
BOARDS = {
    "leaderboards": [
        {
            "name": "Some",
            "results": [
                {"name": "ox", "resolved": 50.0, "per_instance_details": SWE["ox"]},
                {"name": "elk", "resolved": 100.0, "per_instance_details": SWE["elk"]},
                {"name": "gnu", "resolved": 10.0, "per_instance_details": None},
            ],
        }
    ]
}


def records(model: str, task: str) -> dict[str, Any]:
    """Return a file of records, which names its model and data set."""
    rows = [
        {"index": i, "score": i % 2, "prompt_tokens": 3, "completion_tokens": 4, "cost": 0.001}
        for i in range(3)
    ]
    return {"model_name": model, "dataset_name": task, "performance": 0.5, "records": rows}
