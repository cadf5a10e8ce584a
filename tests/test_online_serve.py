"""The router over HTTP: its answers, who may ask, and what is kept when the server is killed."""

import asyncio
import json
import re
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Route
from starlette.testclient import TestClient

import fastroute as fr
from fastroute.online.serving.app import LARGEST_BODY, make_app
from http_load import MODELS, OUTCOME, Connection, Load, in_the_log, running, stop

NAMES = list(MODELS)
START = 1 << 40  #: what identifiers of one start have in common is a multiple of this


def router_of(place: Path, **options: Any) -> fr.OnlineRouter:
    given: dict[str, Any] = {
        "models": NAMES,
        "budget": 1.4,
        "max_deployed": 2,
        "stage": fr.every(decisions=50),
        "cost_range": (0.0, 5.0),
    }
    return fr.OnlineRouter(place, **{**given, **options})


@contextmanager
def served(router: fr.OnlineRouter, **options: Any) -> Iterator[TestClient]:
    app = make_app(router, **options)
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with served(router_of(tmp_path / "state.db")) as client:
        yield client


def choose(client: TestClient) -> Any:
    answer = client.post("/choose", json={})
    assert answer.status_code == 200, answer.text
    return answer.json()


def observe(client: TestClient, choice: Any, **outcome: float) -> int:
    return int(client.post("/observe", json={"id": choice["id"], **outcome}).status_code)


# Queries and observations.


def test_choices_are_those_of_python(tmp_path: Path) -> None:
    plain = router_of(tmp_path / "python.db")
    with served(router_of(tmp_path / "http.db")) as client:
        for number in range(120):
            expected, choice = plain.choose(), choose(client)
            # Identifiers belong to one log; the number of the decision is in both.
            assert int(choice["id"]) % START == expected.id % START
            assert choice == {
                "id": choice["id"],
                "model": expected.model,
                "serve": expected.serve,
                "propensity": expected.propensity,
                "shares": expected.shares,
            }
            outcome = {"reward": (number % 7) / 7, "cost": 0.5 + number % 3}
            plain.observe(expected.id, **outcome)  # type: ignore[arg-type]
            assert observe(client, choice, **outcome) == 200
    plain.close()


def test_an_observation_is_in_the_log_when_it_is_answered(tmp_path: Path) -> None:
    with served(router_of(tmp_path / "state.db")) as client:
        choice = choose(client)
        observe(client, choice, reward=0.5)
        assert in_the_log(tmp_path / "state.db", "records", "reward = 0.5") == 1
        observe(client, choice, cost=0.25)
        assert in_the_log(tmp_path / "state.db", "records", "cost = 0.25") == 1


def test_the_same_observation_once_more_changes_nothing(tmp_path: Path) -> None:
    with served(router_of(tmp_path / "state.db")) as client:
        choice = choose(client)
        for outcome in ({"cost": 1.0}, {"cost": 1.0}, {"cost": 1.0, "reward": 0.5}):
            assert observe(client, choice, **outcome) == 200
        # All is known by now.
        for outcome in ({"cost": 1.0}, {"reward": 0.5}, {"cost": 1.0, "reward": 0.5}):
            assert observe(client, choice, **outcome) == 200
        answer = client.post("/observe", json={"id": choice["id"], "cost": 1.0, "reward": 0.75})
        assert answer.status_code == 409
        assert answer.json()["reason"] == "known already"
        assert "its reward is known already, 0.5" in answer.json()["error"]
        assert in_the_log(tmp_path / "state.db", "records", "kind = 'outcome'") == 2


def test_an_identifier_beyond_exact_doubles_is_answered_and_taken(tmp_path: Path) -> None:
    with served(router_of(tmp_path / "state.db", replica=5)) as client:
        choice = choose(client)
        assert int(choice["id"]) > 2**53
        assert observe(client, choice, reward=1.0, cost=1.0) == 200
        answer = client.post("/observe", json={"id": int(choice["id"]), "cost": 1.0})
        assert answer.status_code == 422
        assert "must be a valid string" in answer.json()["error"]


BAD_OBSERVATIONS = [
    ('{"id": "0", "reward": 1.5}', 422, "id=0: reward=1.5 is not in [0, 1]"),
    ('{"id": "0", "cost": -1}', 422, "id=0: cost=-1.0 is not a number from 0 on"),
    ('{"id": "0", "cost": NaN}', 422, "id=0: cost=nan is not a number from 0 on"),
    ('{"id": "0"}', 422, "id=0: neither reward nor cost"),
    ('{"id": "77", "cost": 1}', 404, "id=77: no such decision was made"),
    ('{"id": "99999999999999999999", "cost": 1}', 404, "is no identifier of a decision"),
    ('{"cost": 1}', 422, "id: is missing"),
    ('{"id": "a", "cost": 1}', 422, "id='a'"),
    ('{"id": "0", "cost": "1"}', 422, "cost='1': must be a valid number"),
    ('{"id": "0", "cost": true}', 422, "cost=True: must be a valid number"),
    ('{"id": "0", "costs": 1}', 422, "costs: there is no such field"),
    ("[]", 422, "the body must be an object"),
    ('{"id": ', 400, "the body is not JSON"),
    ("[" * 100_000, 400, "the body is not JSON"),
    (b"\xff\xfe", 400, "the body is not JSON"),
]


@pytest.mark.parametrize(("body", "status", "says"), BAD_OBSERVATIONS)
def test_bad_observations_are_refused_in_a_sentence(
    client: TestClient, body: str | bytes, status: int, says: str
) -> None:
    choose(client)
    answer = client.post("/observe", content=body)
    assert (answer.status_code, says in answer.json()["error"]) == (status, True), answer.text
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    ("options", "good", "bad"),
    [
        (
            {"tasks": ["code", "math"]},
            {"task": "code"},
            [({"task": "cod"}, "did you mean 'code'?"), ({}, "task=None is not one of")],
        ),
        (
            {"features": 2},
            {"features": [1, 2]},
            [
                ({}, "the router needs 2 numbers of every query"),
                ({"features": [1, 2, 3]}, "features of shape (3,)"),
                ({"features": [[1, 2]]}, "features.0=[1, 2]: must be a valid number"),
            ],
        ),
    ],
)
def test_queries_that_the_router_does_not_have_are_refused(
    tmp_path: Path, options: Any, good: Any, bad: list[tuple[Any, str]]
) -> None:
    with served(router_of(tmp_path / "state.db", **options)) as client:
        for body, says in bad:
            answer = client.post("/choose", json=body)
            assert (answer.status_code, says in answer.json()["error"]) == (422, True), body
        assert client.post("/choose", json=good).status_code == 200


def test_nothing_deployed_and_no_money_left_are_answers(tmp_path: Path) -> None:
    window = fr.Window(total=1.0, per="month", when_spent="refuse")
    router = router_of(tmp_path / "state.db", models=dict.fromkeys(NAMES, 0.6), window=window)
    with served(router) as client:
        choose(client)
        answer = client.post("/choose", json={})
        assert (answer.status_code, "the window has" in answer.json()["error"]) == (429, True)
        for name in NAMES:
            client.post(f"/models/{name}/fail")
        answer = client.post("/choose", json={})
        assert answer.status_code == 503
        assert "no deployed model can take the query" in answer.json()["error"]


def test_a_body_that_is_too_large_is_refused(client: TestClient) -> None:
    answer = client.post("/choose", content=b" " * (LARGEST_BODY + 1))
    assert answer.status_code == 413
    assert client.post("/choose", content=b" " * 1000 + b"{}").status_code == 200


# Models and stages.


def test_an_answer_recommends_nothing_that_http_lacks(client: TestClient) -> None:
    choice = choose(client)
    assert observe(client, choice, reward=0.5, cost=0.1) == 200
    answer = client.post("/observe", json={"id": choice["id"], "reward": 0.7})
    assert answer.status_code == 409
    assert answer.json()["error"].endswith("a second one is not taken")


def test_models_come_and_go(client: TestClient) -> None:
    assert client.post("/models", json={"name": "new", "limit": 0.5}).status_code == 201
    answer = client.post("/models", json={"name": "new"})
    assert (answer.status_code, "is there already" in answer.json()["error"]) == (422, True)
    answer = client.post("/models", json={"name": "other", "limit": 2})
    assert (answer.status_code, answer.json()["error"]) == (
        422,
        "limit=2: must be less than or equal to 1",
    )
    answer = client.post("/apply", json={"deploy": ["new", "org/large"]})
    assert sorted(answer.json()["deployed"]) == ["new", "org/large"]
    for name, action, body in [
        ("org/large", "fail", None),
        ("org/large", "recover", None),
        ("small", "retire", None),
        ("new", "limit", {"limit": 1.0}),
        ("new", "reprice", {"factor": 0.5}),
    ]:
        assert client.post(f"/models/{name}/{action}", json=body or {}).status_code == 200, action
    assert choose(client)["model"] in ("new", "org/large")
    assert client.post("/models/new/limit", json={"limit": 0}).status_code == 422
    answer = client.post("/models/smal/fail")
    assert (answer.status_code, "did you mean 'small'?" in answer.json()["error"]) == (404, True)
    state = {m["name"]: m for m in client.get("/status").json()["status"]["models"]}
    assert state["small"]["retired"]


def test_the_plan_is_that_of_python(tmp_path: Path) -> None:
    router = router_of(tmp_path / "state.db")
    with served(router) as client:
        choose(client)
        plan, answer = router.plan(), client.get("/plan").json()
        assert answer["deploy"] == list(plan.deploy)
        assert [m["reason"] for m in answer["models"]] == [m.reason for m in plan.models]
        assert client.post("/apply").json()["deployed"] == list(plan.deploy)
        answer = client.post("/apply", json={"deploy": ["nothing"]})
        assert (answer.status_code, "is not one of" in answer.json()["error"]) == (422, True)


def test_the_status_counts_what_was_told(tmp_path: Path) -> None:
    window = fr.Window(total=100.0)
    with served(router_of(tmp_path / "state.db", window=window)) as client:
        assert client.get("/status").json()["status"]["stage_since"] is None
        for number in range(10):
            choice = choose(client)
            if number < 8:
                observe(client, choice, reward=0.5, cost=2.0)
        answer = client.get("/status").json()
        status, traffic = answer["status"], answer["traffic"]
        assert (status["decisions"], status["in_flight"]) == (10, 2)
        assert (status["mean_reward"], status["mean_cost"]) == (0.5, 2.0)
        assert status["window"]["spent"] == 16.0
        assert status["window"]["reserved"] > 0.0
        assert sum(model["chosen"] for model in status["models"]) == 10
        assert sum(model["costs"] for model in status["models"]) == 8
        assert status["next_stage_decision"] == 50
        assert traffic["last"] == 10
        assert sum(traffic["shares"].values()) == pytest.approx(1.0)
        assert sum(sum(m["served"].values()) for m in traffic["minutes"]) == 10


def test_prometheus_reads_the_metrics(tmp_path: Path) -> None:
    router = router_of(tmp_path / "state.db", models=['a "b"\n', "c"], window=fr.Window(total=50.0))
    with served(router) as client:
        for _ in range(4):
            observe(client, choose(client), reward=0.5, cost=2.0)
        client.post("/observe", content="{")
        client.get("/nothing/17")
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = [s for f in text_string_to_metric_families(answer.text) for s in f.samples]

    def total(name: str, **labels: str) -> float:
        return sum(
            s.value for s in samples if s.name == name and labels.items() <= s.labels.items()
        )

    assert {s.labels["model"] for s in samples if s.name == "fastroute_decisions_total"} == {
        'a "b"\n',
        "c",
    }
    assert total("fastroute_decisions_total") == 4
    assert total("fastroute_reward_sum") == 2.0
    assert total("fastroute_cost_sum") == 8.0
    assert total("fastroute_choose_seconds_count") == 4
    assert total("fastroute_budget") == 1.4
    assert total("fastroute_window_available") == 50.0
    assert total("fastroute_window_spent") == 8.0
    assert total("fastroute_window_reserved") == 0.0
    assert total("fastroute_http_answers_total", path="/observe", status="400") == 1
    # Paths that do not exist have no names of their own.
    assert total("fastroute_http_answers_total", path="...", status="404") == 1


# The description.


def test_openapi_describes_every_route(client: TestClient, tmp_path: Path) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    described = {(m.upper(), path) for path, item in document["paths"].items() for m in item}
    routes = set()
    for route in make_app(router_of(tmp_path / "other.db")).routes:
        assert isinstance(route, Route)
        path = route.path.replace(":path}", "}")
        routes |= {(method, path) for method in (route.methods or ()) if method != "HEAD"}
    assert described == routes
    operations = [o for item in document["paths"].values() for o in item.values()]
    assert len({o["operationId"] for o in operations}) == len(operations)
    for operation in operations:
        assert {"summary", "responses"} <= operation.keys()
        assert all(re.fullmatch("[2-5][0-9]{2}", status) for status in operation["responses"])
        assert all("description" in response for response in operation["responses"].values())
    for path, item in document["paths"].items():
        named = {p["name"] for o in item.values() for p in o.get("parameters", ())}
        assert named == set(re.findall(r"{(\w+)}", path))


def test_openapi_refers_to_schemas_that_are_there_and_valid(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert referred <= set(schemas)
    jsonschema = pytest.importorskip("jsonschema")
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_answers_are_as_described(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    with served(router_of(tmp_path / "state.db", window=fr.Window(total=9.0))) as client:
        document = client.get("/openapi.json").json()
        choice = choose(client)
        for method, path, body in [
            ("post", "/choose", {}),
            ("post", "/observe", {"id": choice["id"], "cost": 1.0}),
            ("post", "/observe", {"id": choice["id"], "cost": 2.0}),
            ("post", "/apply", {}),
            ("get", "/plan", None),
            ("get", "/status", None),
            ("get", "/health", None),
        ]:
            answer = client.request(method, path, json=body)
            responses = document["paths"][path][method]["responses"]
            schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
            jsonschema.validate(answer.json(), {**schema, "components": document["components"]})


# Who may ask.


def test_a_token_is_asked_for_everywhere_but_of_health(tmp_path: Path) -> None:
    with served(router_of(tmp_path / "state.db"), token="s3cret") as client:
        assert client.get("/health").status_code == 200
        for method, path in [
            *[("get", p) for p in ("/", "/plan", "/status", "/metrics", "/openapi.json", "/x")],
            *[("post", p) for p in ("/choose", "/observe", "/apply", "/models", "/models/a/fail")],
        ]:
            for header in ("", "Bearer", "Bearer s3cre", "Bearer s3cret2", "s3cret", "Basic !"):
                headers = {"Authorization": header} if header else {}
                answer = client.request(method, path, headers=headers)
                assert answer.status_code == 401, (path, header)
                assert "WWW-Authenticate" in answer.headers
        headers = {"Authorization": "Bearer s3cret", "Host": "router.example:8000"}
        assert client.get("/plan", headers=headers).status_code == 200
        # A browser shows the token as a password.
        assert client.get("/", auth=("", "s3cret")).status_code == 200


def test_without_a_token_no_page_of_another_site_may_ask(client: TestClient) -> None:
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "[::1"},
    ):
        assert client.post("/choose", json={}, headers=headers).status_code == 403, headers
    for host in ("localhost", "localhost:8000", "127.0.0.1:9", "[::1]:8000"):
        headers = {"Host": host, "Origin": f"http://{host}"}
        assert client.post("/choose", json={}, headers=headers).status_code == 200, host


def test_what_is_not_there_is_said_in_a_sentence(client: TestClient) -> None:
    answer = client.get("/nothing")
    assert (answer.status_code, answer.json()["error"]) == (
        404,
        "there is no GET /nothing; see GET /openapi.json",
    )
    assert client.get("/choose").status_code == 405


def test_no_traceback_leaves(tmp_path: Path) -> None:
    router = router_of(tmp_path / "state.db")
    with served(router) as client:

        def broken() -> None:
            raise KeyError("secret")

        router.plan = broken  # type: ignore[method-assign,assignment]
        answer = client.get("/plan")
    assert answer.status_code == 500
    assert answer.json() == {"error": "the server has failed; its own output says why"}


def test_a_log_that_cannot_be_written_stops_the_answers_until_it_can(tmp_path: Path) -> None:
    router = router_of(tmp_path / "state.db")
    flush, fails = router.flush, True

    def failing() -> None:
        if fails:
            raise OSError("postgresql://user:password@host: no room")
        flush()

    router.flush = failing  # type: ignore[method-assign]
    with served(router) as client:
        choice = choose(client)
        answers = [
            client.post("/observe", json={"id": choice["id"], "cost": 1.0}),
            client.post("/choose", json={}),
            client.get("/health"),
        ]
        for answer in answers:
            assert answer.status_code == 503
            assert "the decision log cannot be written" in answer.json()["error"]
            assert "password" not in answer.text
        fails = False
        assert client.get("/health").status_code == 200
        assert observe(client, choice, cost=1.0) == 200


def test_the_page_stands_alone(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", answer.text)
    assert "innerHTML" not in answer.text
    # What it reads is there.
    status = client.get("/status").json()
    text = answer.text
    for field in set(re.findall(r"\bstatus\.(\w+)|\bs\.(next_\w+|window|models)\b", text)):
        assert (field[0] or field[1]) in status["status"]
    for field in set(re.findall(r"\bm\.(\w+)", text)) - {"start", "served", "deploy", "reason"}:
        assert field in status["status"]["models"][0]


# A real server.


def counts_after_a_load(place: Path, seconds: float, how: signal.Signals) -> None:
    load = Load()
    with running(place) as (port, process):
        asyncio.run(load.run(port, seconds=seconds, rate=1000.0))
        said = stop(process, how)
    print(load)
    assert not load.failures
    assert "Traceback" not in said
    assert len(load.chosen) == len(load.observed) == len(set(load.chosen))
    assert in_the_log(place, "decisions") == len(load.chosen)
    assert in_the_log(place, "records", "kind = 'outcome'") == len(load.observed)
    # The router was closed: the next start goes on from here.
    assert in_the_log(place, "snapshots", f"at = {len(load.chosen)}") == 1


def test_two_seconds_of_load(tmp_path: Path) -> None:
    counts_after_a_load(tmp_path / "state.db", 2.0, signal.SIGTERM)


@pytest.mark.slow
def test_a_minute_of_load(tmp_path: Path) -> None:
    counts_after_a_load(tmp_path / "state.db", 60.0, signal.SIGINT)


def test_nothing_that_was_acknowledged_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    place, load = tmp_path / "state.db", Load()
    with running(place) as (port, process):
        killer = threading.Timer(1.0, process.kill)
        killer.start()
        asyncio.run(load.run(port, seconds=20.0, rate=1000.0))
        killer.join()
        process.wait(60)
    assert load.observed
    assert load.failures, "the server was not killed in the middle"
    with sqlite3.connect(place) as log:
        kept = log.execute("select number, reward, cost from records where kind = 'outcome'")
        outcomes = {number: {"reward": reward, "cost": cost} for number, reward, cost in kept}
    assert {number: outcomes.get(number % START) for number in load.observed} == dict.fromkeys(
        load.observed, OUTCOME
    )
    lost = sorted(number for number in load.chosen if number % START not in outcomes)

    async def ask(port: int) -> None:
        connection = Connection(port)
        last = {"id": str(load.observed[-1]), **OUTCOME}
        assert (await connection.post("/observe", last))[0] == 200
        assert (await connection.post("/observe", {**last, "cost": 9.0}))[0] == 409
        status, choice = await connection.post("/choose", {})
        assert status == 200
        assert int(choice["id"]) // START != load.observed[-1] // START
        # A decision that was in flight is taken, or said to be lost.
        for number in lost[-1:]:
            status, answer = await connection.post("/observe", {"id": str(number), **OUTCOME})
            assert status == 200 or answer["reason"] == "lost"
        connection.close()

    with running(place) as (port, process):
        asyncio.run(ask(port))
        stop(process, signal.SIGTERM)
    assert in_the_log(place, "records", "kind = 'outcome'") >= len(outcomes)
