"""The policy behind the real ``litellm.Router``, with litellm's own mock responses."""

import asyncio
import os
import sqlite3
import warnings

import pytest

import fastroute as fr

# Else it asks the network for prices when it is imported.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
with warnings.catch_warnings():
    # Its own old habits are not ours to mend.
    warnings.simplefilter("ignore")
    litellm = pytest.importorskip("litellm", reason="litellm is not installed")

from fastroute.integrations.litellm import Integration
from fastroute.integrations.litellm_requests import KEY, run

pytestmark = pytest.mark.filterwarnings("ignore")

#: Money for a token of the prompt, so that every model has a price of its own.
PRICE = {"small": 1e-6, "medium": 3e-6, "large": 1e-5}
MESSAGES = [{"role": "user", "content": "How far is the moon?"}]
DOWN = "litellm.InternalServerError"


@pytest.fixture(autouse=True)
def _own_callbacks(monkeypatch):
    lists = ("callbacks", "success_callback", "failure_callback", "input_callback")
    inner = ("_async_success_callback", "_async_failure_callback", "_async_input_callback")
    for name in (*lists, *inner):
        monkeypatch.setattr(litellm, name, [])


def deployment(name, group="chat", mock=None, **params):
    price = {
        "input_cost_per_token": PRICE.get(name, 1e-6),
        "output_cost_per_token": PRICE.get(name, 1e-6),
    }
    return {
        "model_name": group,
        "litellm_params": {
            "model": "openai/gpt-4o-mini",
            "api_key": "none",
            "mock_response": f"{name} says it is far" if mock is None else mock,
            **price,
            **params,
        },
        "model_info": {"id": name},
    }


def policy_of(place=None, **options):
    options = {
        "models": {name: 1e-5 for name in PRICE},
        "budget": 1e-3,
        "max_deployed": 3,
        "stage": fr.every(decisions=100),
        "seed": 4,
        **options,
    }
    return fr.OnlineRouter(place, **options)


def setting_of(deployments=None, options=None, **router_options):
    """Return a router of litellm with an integration, and how the integration was observed."""
    integration = Integration(policy_of(), **(options or {}))
    return attach(integration, deployments, **router_options)


def attach(integration, deployments=None, **options):
    options = {"num_retries": 0, "disable_cooldowns": True, **options}
    router = litellm.Router(
        model_list=deployments or [deployment(name) for name in PRICE], **options
    )
    integration.attach(router)
    return router, integration


class Watched:
    """Observations as they reach the policy."""

    def __init__(self, integration):
        self.costs: dict[int, float] = {}
        self.rewards: dict[int, float] = {}
        self.choices: dict[int, str] = {}
        router = integration.router
        choose, observe = router.choose, router.observe

        def choosing(*arguments):
            choice = choose(*arguments)
            self.choices[choice.id] = choice.serve
            return choice

        def observing(number, *, reward=None, cost=None):
            observe(number, reward=reward, cost=cost)
            for value, seen in ((reward, self.rewards), (cost, self.costs)):
                if value is not None:
                    assert number not in seen
                    seen[number] = value

        router.choose, router.observe = choosing, observing


async def until(done):
    """Wait until litellm has reported what it reports a moment later."""
    for _ in range(1000):
        if done():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("litellm has not reported it")


def wait_until(done):
    asyncio.run(until(done))


def billed(answer, name):
    """Return what litellm says that an answer costs."""
    usage = answer.usage
    return (usage.prompt_tokens + usage.completion_tokens) * PRICE[name]


def served(answer):
    return answer._hidden_params["model_id"]


async def ask_many(router, count, at_once=20):
    async def some(share):
        return [await router.acompletion(model="chat", messages=MESSAGES) for _ in range(share)]

    lists = await asyncio.gather(*(some(count // at_once) for _ in range(at_once)))
    return [answer for answers in lists for answer in answers]


def test_every_request_is_one_decision_and_the_costs_add_up():
    router, integration = setting_of(options={"score": lambda kwargs, response: 0.5})
    seen = Watched(integration)

    async def work():
        answers = await ask_many(router, 500)
        await until(lambda: integration.in_flight == 0)
        return answers

    answers = asyncio.run(work())
    assert len(seen.choices) == len(seen.costs) == len(seen.rewards) == 500
    expected = sum(billed(answer, served(answer)) for answer in answers)
    assert sum(seen.costs.values()) == pytest.approx(expected, rel=1e-12)
    for name in PRICE:
        assert sum(served(answer) == name for answer in answers) == sum(
            model == name for model in seen.choices.values()
        )


def test_the_policy_learns_from_the_scores():
    def score(kwargs, response):
        return 0.9 if "medium" in response.choices[0].message.content else 0.1

    router, integration = setting_of(options={"score": score})

    async def work():
        await ask_many(router, 400)
        await until(lambda: integration.in_flight == 0)

    asyncio.run(work())
    assert integration.router.choose().shares["medium"] > 0.8


def test_synchronous_calls_are_observed_as_well():
    router, integration = setting_of(options={"score": lambda kwargs, response: 1.0})
    seen = Watched(integration)
    answers = [router.completion(model="chat", messages=MESSAGES) for _ in range(20)]
    streamed = [*router.completion(model="chat", messages=MESSAGES, stream=True)]
    assert streamed
    wait_until(lambda: integration.in_flight == 0)
    assert len(seen.costs) == len(seen.rewards) == 21
    total = sum(billed(answer, served(answer)) for answer in answers)
    assert sum(list(seen.costs.values())) > total


def test_a_synchronous_call_inside_a_loop():
    router, integration = setting_of()

    async def work():
        router.completion(model="chat", messages=MESSAGES)
        await until(lambda: integration.in_flight == 0)

    asyncio.run(work())


def test_plain_code_waits_for_coroutines_that_wait():
    async def slow():
        await asyncio.sleep(0.001)
        return 3

    async def inside():
        return run(slow)

    assert run(slow) == 3
    assert asyncio.run(inside()) == 3


def test_a_stream_is_one_decision_with_the_cost_of_the_whole_answer():
    router, integration = setting_of()
    seen = Watched(integration)

    async def work():
        stream = await router.acompletion(model="chat", messages=MESSAGES, stream=True)
        assert integration.in_flight == 1
        async for _ in stream:
            pass
        await until(lambda: integration.in_flight == 0)

    asyncio.run(work())
    assert len(seen.choices) == 1
    (cost,) = seen.costs.values()
    assert cost > 0.0


def test_a_failed_attempt_is_a_decision_that_brought_nothing_and_the_retry_goes_elsewhere():
    deployments = [deployment("small"), deployment("large", mock=DOWN)]
    router, integration = setting_of(deployments, {"allowed_fails": 10**6}, num_retries=2)
    seen = Watched(integration)

    async def work():
        answers = await ask_many(router, 100)
        await until(lambda: integration.in_flight == 0)
        return answers

    answers = asyncio.run(work())
    assert {served(answer) for answer in answers} == {"small"}
    failed = [number for number, model in seen.choices.items() if model == "large"]
    assert failed
    # Model "medium" has no deployment here: it is never served.
    assert sum(model == "small" for model in seen.choices.values()) == 100
    for number in failed:
        assert seen.costs[number] == 0.0
        assert seen.rewards[number] == 0.0
    assert seen.costs.keys() <= seen.choices.keys()
    assert sum(seen.costs.values()) == pytest.approx(
        sum(billed(answer, "small") for answer in answers)
    )


@pytest.mark.parametrize("synchronous", [False, True])
def test_a_fallback_to_another_group_is_a_decision_of_its_own(synchronous):
    deployments = [deployment("large", "hard", mock=DOWN), deployment("small", "easy")]
    router, integration = setting_of(
        deployments, {"allowed_fails": 10**6}, fallbacks=[{"hard": ["easy"]}], num_retries=1
    )
    seen = Watched(integration)

    async def work():
        answer = await router.acompletion(model="hard", messages=MESSAGES)
        await until(lambda: integration.in_flight == 0)
        return answer

    if synchronous:
        answer = router.completion(model="hard", messages=MESSAGES)
        wait_until(lambda: integration.in_flight == 0)
    else:
        answer = asyncio.run(work())
    assert served(answer) == "small"
    served_once = [number for number, cost in seen.costs.items() if cost > 0.0]
    assert [seen.choices[number] for number in served_once] == ["small"]
    failed = [number for number, reward in seen.rewards.items() if reward == 0.0]
    assert [seen.choices[number] for number in failed] == ["large", "large"]


def test_a_model_that_fails_again_and_again_rests_and_comes_back():
    now = [0.0]
    deployments = [deployment("small"), deployment("large", mock=DOWN)]
    options = {"allowed_fails": 3, "cooldown": 30.0, "failed_reward": None}
    router, integration = setting_of(
        deployments, {**options, "clock": lambda: now[0]}, num_retries=1
    )
    seen = Watched(integration)

    async def work():
        for _ in range(60):
            await router.acompletion(model="chat", messages=MESSAGES)
        await until(lambda: integration.in_flight == 0)
        assert sum(model == "large" for model in seen.choices.values()) == 3
        now[0] = 31.0
        for _ in range(60):
            await router.acompletion(model="chat", messages=MESSAGES)

    asyncio.run(work())
    assert sum(model == "large" for model in seen.choices.values()) == 6


def test_a_stage_that_opened_while_a_model_rested_opens_again_with_it():
    now = [0.0]
    policy = policy_of(models=["small"])
    integration = Integration(policy, allowed_fails=1, cooldown=30.0, clock=lambda: now[0])
    router, _ = attach(integration, [deployment("small")])

    async def work():
        with pytest.raises(litellm.InternalServerError):
            await router.acompletion(model="chat", messages=MESSAGES, mock_response=DOWN)
        # Nothing is decided while the only model rests, but litellm still gives an answer.
        assert served(await router.acompletion(model="chat", messages=MESSAGES)) == "small"
        policy.apply()
        assert integration.router.deployed == ()
        now[0] = 31.0
        await router.acompletion(model="chat", messages=MESSAGES)

    asyncio.run(work())
    assert integration.router.deployed == ("small",)


def test_errors_of_the_request_do_not_speak_against_the_model():
    deployments = [deployment("small", mock="litellm.ContextWindowExceededError")]
    router, integration = setting_of(deployments, {"allowed_fails": 1})

    async def work():
        for _ in range(3):
            with pytest.raises(litellm.ContextWindowExceededError):
                await router.acompletion(model="chat", messages=MESSAGES)
        await until(lambda: integration.in_flight == 0)

    asyncio.run(work())
    assert "small" in integration.router.choose().shares


def test_what_litellm_cools_down_is_not_chosen_and_stages_do_not_lose_it():
    deployments = [deployment("small"), deployment("large", mock="litellm.RateLimitError")]
    router, integration = setting_of(
        deployments,
        {"allowed_fails": 10**6, "failed_reward": None},
        num_retries=1,
        disable_cooldowns=False,
        allowed_fails=0,
        cooldown_time=0.5,
    )
    seen = Watched(integration)

    async def work():
        for _ in range(150):
            await router.acompletion(model="chat", messages=MESSAGES)
        await until(lambda: integration.in_flight == 0)
        cooled = sum(model == "large" for model in seen.choices.values())
        assert 1 <= cooled <= 30
        await asyncio.sleep(0.6)
        for _ in range(60):
            await router.acompletion(model="chat", messages=MESSAGES)
        assert sum(model == "large" for model in seen.choices.values()) > cooled

    asyncio.run(work())
    assert set(integration.router.deployed) >= {"small", "large"}


def test_a_cancelled_request_is_given_up_at_the_mean_cost_of_its_model():
    now = [0.0]
    router, integration = setting_of(
        [deployment("small")], {"patience": 60.0, "clock": lambda: now[0]}
    )
    seen = Watched(integration)

    async def work():
        answer = await router.acompletion(model="chat", messages=MESSAGES)
        await until(lambda: integration.in_flight == 0)
        slow = asyncio.create_task(
            router.acompletion(model="chat", messages=MESSAGES, mock_delay=30)
        )
        await until(lambda: integration.in_flight == 1)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        now[0] = 59.0
        assert integration.in_flight == 1
        now[0] = 60.0
        assert integration.in_flight == 0
        return answer

    answer = asyncio.run(work())
    assert list(seen.costs.values()) == [pytest.approx(billed(answer, "small"))] * 2
    assert not seen.rewards


def test_rewards_come_later_by_the_answer_its_id_or_the_decision():
    router, integration = setting_of()
    seen = Watched(integration)

    async def work():
        first = await router.acompletion(model="chat", messages=MESSAGES)
        early = integration.reward(first, 0.2)
        await until(lambda: integration.in_flight == 0)
        second = await router.acompletion(model="chat", messages=MESSAGES)
        third = await router.acompletion(model="chat", messages=MESSAGES)
        await until(lambda: integration.in_flight == 0)
        assert integration.reward(second.id, 0.4)
        assert integration.reward(str(list(seen.choices)[2]), 0.6)
        with pytest.raises(fr.ObservationError, match="known already"):
            integration.reward(third, 0.7)
        with pytest.raises(fr.ObservationError, match="not in"):
            integration.reward("unknown", 7.0)
        return early

    asyncio.run(work())
    assert list(seen.rewards.values()) == [0.2, 0.4, 0.6]


def test_a_score_that_fails_or_is_out_of_range_leaves_the_cost():
    def score(kwargs, response):
        scores.append(1)
        if len(scores) == 1:
            raise KeyError("judge")
        return 5.0

    scores: list[int] = []
    router, integration = setting_of(options={"score": score})
    seen = Watched(integration)

    async def work():
        await ask_many(router, 2, at_once=1)
        await until(lambda: integration.in_flight == 0)

    asyncio.run(work())
    assert len(seen.costs) == 2
    assert not seen.rewards


@pytest.mark.parametrize("count", [100, pytest.param(5_000, marks=pytest.mark.slow)])
def test_two_replicas_share_one_log(tmp_path, count):
    place = tmp_path / "state.db"
    first = attach(Integration(policy_of(place), score=lambda *_: 0.5))
    second = attach(
        Integration(fr.OnlineRouter(place, replica=1, staleness=0.05), score=lambda *_: 0.5)
    )

    async def work():
        answers = await asyncio.gather(*(ask_many(router, count) for router, _ in (first, second)))
        for _, integration in (first, second):
            await until(lambda it=integration: it.in_flight == 0)
        return [*answers[0], *answers[1]]

    answers = asyncio.run(work())
    for _, integration in (first, second):
        integration.close()
    with sqlite3.connect(place) as log:
        ((decisions,),) = log.execute("select count(*) from decisions").fetchall()
        outcomes = log.execute(
            "select decided_by, number, count(cost), count(reward), sum(cost) from records "
            "where kind = 'outcome' group by decided_by, number"
        ).fetchall()
    assert decisions == len(outcomes) == 2 * count
    assert {row[2:4] for row in outcomes} == {(1, 1)}
    total = sum(billed(answer, served(answer)) for answer in answers)
    assert sum(row[4] for row in outcomes) == pytest.approx(total)


def test_a_model_without_a_price_is_named_once(caplog):
    unknown = {"input_cost_per_token": None, "output_cost_per_token": None}
    deployments = [deployment("small", **unknown, model="openai/of-our-own")]
    router, integration = setting_of(deployments)
    seen = Watched(integration)

    async def work():
        await ask_many(router, 2, at_once=1)
        await until(lambda: integration.in_flight == 0)

    asyncio.run(work())
    assert list(seen.costs.values()) == [0.0, 0.0]
    assert sum("was free" in record.message for record in caplog.records) == 1


def test_a_router_that_only_looks_on_leaves_the_model_that_serves():
    policy = policy_of(mode="shadow", serve="large")
    router, integration = attach(Integration(policy, score=lambda *_: 0.5))
    seen = Watched(integration)

    async def work():
        answers = await ask_many(router, 20)
        await until(lambda: integration.in_flight == 0)
        return answers

    assert {served(answer) for answer in asyncio.run(work())} == {"large"}
    assert len(seen.costs) == len(seen.rewards) == 20


def test_models_are_named_by_hand_by_id_or_by_the_model_of_litellm():
    by_hand = deployment("x1")
    by_hand["model_info"][KEY] = "small"
    by_model = [deployment("x2"), deployment("x3")]
    models = {name: {"limit": 0.6} for name in ("small", "openai/gpt-4o-mini")}
    integration = Integration(policy_of(models=models))
    router, _ = attach(integration, [by_hand, *by_model])
    seen = Watched(integration)

    async def work():
        answers = await ask_many(router, 60)
        await until(lambda: integration.in_flight == 0)
        return answers

    answers = asyncio.run(work())
    assert {served(answer) for answer in answers} == {"x1", "x2", "x3"}
    assert sum(served(answer) == "x1" for answer in answers) == sum(
        model == "small" for model in seen.choices.values()
    )


def test_groups_without_a_model_of_the_router_are_left_alone():
    router, integration = setting_of([deployment("small"), deployment("other", "elsewhere")])
    seen = Watched(integration)
    answer = asyncio.run(router.acompletion(model="elsewhere", messages=MESSAGES))
    assert served(answer) == "other"
    # Nor is a deployment that the request asks for by its id a choice.
    answer = asyncio.run(router.acompletion(model="small", messages=MESSAGES))
    assert served(answer) == "small"
    assert not seen.choices


def test_a_request_cannot_name_the_decision_of_another():
    router, integration = setting_of()
    seen = Watched(integration)

    async def work():
        stream = await router.acompletion(model="chat", messages=MESSAGES, stream=True)
        (number,) = seen.choices
        metadata = {KEY: f"{number}.0123456789abcdef"}
        await router.acompletion(model="chat", messages=MESSAGES, metadata=metadata)
        await until(lambda: len(seen.costs) == 1)
        assert number not in seen.costs
        async for _ in stream:
            pass
        await until(lambda: integration.in_flight == 0)

    asyncio.run(work())
    assert len(seen.costs) == 2


def test_tasks_are_read_from_the_request():
    policy = policy_of(tasks=["code", "chat"])
    integration = Integration(policy, task=lambda request: request["metadata"]["task"])
    router, _ = attach(integration)

    async def work():
        for task in ("code", "chat"):
            await router.acompletion(model="chat", messages=MESSAGES, metadata={"task": task})
        await until(lambda: integration.in_flight == 0)

    asyncio.run(work())


def test_no_money_left_is_an_error_of_litellm():
    window = fr.Window(total=1e-9, when_spent="refuse")
    router, _ = attach(Integration(policy_of(window=window)))
    with pytest.raises(litellm.BudgetExceededError, match="the window has"):
        asyncio.run(router.acompletion(model="chat", messages=MESSAGES))


def test_models_without_traffic_from_before_a_crash_have_it_again(tmp_path):
    policy = policy_of(tmp_path / "state.db")
    policy.fail("small")
    policy.close()
    integration = Integration(fr.OnlineRouter(tmp_path / "state.db"))
    router, _ = attach(integration, [deployment("small")])
    answer = asyncio.run(router.acompletion(model="chat", messages=MESSAGES))
    assert served(answer) == "small"
    integration.close()


@pytest.mark.parametrize(
    ("option", "value"),
    [("allowed_fails", 0), ("cooldown", 0.0), ("failed_reward", 2.0), ("patience", 0.0)],
)
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(ValueError, match=option):
        Integration(policy_of(), **{option: value})
