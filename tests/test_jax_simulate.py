"""The JAX backend follows the trajectories of the others, on any devices, compiled once."""

import functools
import gc
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fastroute as fr
import test_simulate_feedback as late
from fastroute.kernels.jax_ import rounds
from fastroute.policies import POLICIES, Policy
from fastroute.scenarios import Scenario
from fastroute.simulation import Run
from fastroute.solve import backend as backends
from naive import ANYWHERE, CHANGING_WORLDS, HORIZON, SMALL_WORLDS
from record import of_run
from test_features import arriving, small_linear
from test_simulate_backends import CONTEXTUAL, OPTIONS

#: Worlds of the default run; all of them are run with the mark ``slow``.
FEW = ("retirement", "routerbench", "table")

#: Policies whose programs in double precision are always those that users have.
OPTIMISED = ("stageroute", "pacer")
#: Whether the programs of all others are compiled with fewer optimisations, in half of the time.
quick = False
OPTION = "jax_disable_most_optimizations"


@pytest.fixture(scope="module", autouse=True)
def quick_by_default(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compile fast in the default run; with the mark ``slow`` all programs are those of users."""
    global quick
    quick = request.config.option.markexpr == "not slow"
    yield
    quick = False
    # Other files in this process compile for themselves.
    rounds._compiled.cache_clear()
    jax.clear_caches()


def run(scenario: Scenario, policy: Policy, backend: str = "jax", **settings: Any) -> Run:
    given = {"horizon": HORIZON, "trials": 2, "trace": True, "threads": 1, "checkpoints": 9}
    before = jax.config.values[OPTION]
    # In single precision results are near and not equal, by whatever program.
    single = settings.get("dtype") == "float32"
    fast = quick and (single or policy not in [fr.policy(name) for name in OPTIMISED])
    jax.config.update(OPTION, before or fast)
    try:
        return fr.simulate(scenario, policy, backend=backend, **{**given, **settings})
    finally:
        jax.config.update(OPTION, before)


def world(name: str) -> tuple[Scenario, dict[str, Any]]:
    scenario, budget, max_deployed = SMALL_WORLDS[name]()
    return scenario, {"budget": budget, "max_deployed": max_deployed}


def assert_same(mine: Run, theirs: Run) -> None:
    """Same picks, sets and statuses; sums to rounding."""
    np.testing.assert_array_equal(mine.picks, theirs.picks, "picks")
    np.testing.assert_array_equal(mine.stage_sets, theirs.stage_sets, "deployed sets")
    for name, column in theirs.finals.items():
        np.testing.assert_allclose(mine.finals[name], column, rtol=1e-12, atol=1e-10, err_msg=name)
    for name, curve in theirs.arrays.items():
        np.testing.assert_allclose(mine.arrays[name], curve, rtol=1e-12, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(mine.stage_array, theirs.stage_array, rtol=1e-12, atol=1e-12)
    # What is observed is equal to the last bit.
    np.testing.assert_array_equal(mine.finals["cost"], theirs.finals["cost"])
    np.testing.assert_array_equal(mine.finals["reward"], theirs.finals["reward"])
    assert mine.warnings == theirs.warnings


#: Policies that share no part of their programs.
DIFFERENT = ("stageroute", "thompson", "pacer", "etc")


# A program is compiled for each policy and kind of world. By default each policy plays in one,
# that of the other tests, which call the same programs; and one that is compiled fast in another.
@pytest.mark.parametrize(
    ("policy", "name"),
    [
        (policy, name)
        if name == FEW[0] or (policy, name) == ("primal_dual", "table")
        else pytest.param(policy, name, marks=pytest.mark.slow)
        for policy in ANYWHERE
        for name in FEW
    ],
)
def test_every_policy(policy: str, name: str) -> None:
    scenario, settings = world(name)
    assert_same(
        run(scenario, fr.policy(policy), **settings),
        run(scenario, fr.policy(policy), "numba", **settings),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_WORLDS)
@pytest.mark.parametrize("policy", ANYWHERE)
def test_every_policy_in_every_world(policy: str, name: str) -> None:
    scenario, settings = world(name)
    settings["trials"] = scenario.instances
    mine = run(scenario, fr.policy(policy), **settings)
    assert_same(mine, run(scenario, fr.policy(policy), "numba", **settings))
    plain = run(scenario, fr.policy(policy), "ref", **settings)
    np.testing.assert_array_equal(mine.picks, plain.picks)
    for column in plain.finals:
        np.testing.assert_allclose(
            mine.finals[column], plain.finals[column], rtol=1e-9, atol=1e-8, err_msg=column
        )


#: Options whose parts no policy in ``ANYWHERE`` has together, with routers that JAX compiles in
#: about a second where any router will do; the others are slow.
MIXED = (
    "resolve_every",
    "elimination, mean, forced",
    "epsilon_greedy, always",
    "ratio, truth",
    "pacer, low ceiling",
    "change_detector, forced, screen, drift",
    "kl_ucb, drift",
    "bernstein, prior, elimination",
)


@pytest.mark.parametrize(
    "option",
    [name if name in MIXED else pytest.param(name, marks=pytest.mark.slow) for name in OPTIONS],
)
def test_options(option: str) -> None:
    scenario, settings = world("retirement")
    policy = fr.policy("stageroute", **OPTIONS[option])
    assert_same(
        run(scenario, policy, seed=3, **settings),
        run(scenario, policy, "numba", seed=3, **settings),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_WORLDS)
@pytest.mark.parametrize("option", OPTIONS)
def test_options_in_every_world(option: str, name: str) -> None:
    scenario, settings = world(name)
    settings.update(trials=max(scenario.instances, 2), seed=4)
    policy = fr.policy("stageroute", **OPTIONS[option])
    assert_same(run(scenario, policy, **settings), run(scenario, policy, "numba", **settings))


#: A policy whose program is compiled fast, and by the mark ``slow`` those of users.
FAST_AND_OTHERS = (
    "primal_dual",
    *(pytest.param(name, marks=pytest.mark.slow) for name in OPTIMISED),
)

#: Most of the fewest lanes: the programs that are compiled for them are those of two trials too.
MANY: dict[str, Any] = {"trials": 60, "seed": 2**64 - 1}


# By default a program that is compiled fast.
@pytest.mark.parametrize("name", FAST_AND_OTHERS)
def test_many_trials_and_long_stages(name: str) -> None:
    # More trials than one block of lanes, and stages longer than what one call traces.
    scenario, settings = world("retirement")
    settings |= {"trials": 100, "seed": 2**64 - 1, "stages": 1}
    policy = fr.policy(name)
    mine = run(scenario, policy, **settings, threads=2)
    assert_same(mine, run(scenario, policy, "numba", **settings))
    whole = run(scenario, policy, **settings)
    for name, column in mine.finals.items():
        np.testing.assert_array_equal(whole.finals[name], column, name)


# By default a program that is compiled fast.
@pytest.mark.parametrize("policy", FAST_AND_OTHERS)
def test_trace_changes_nothing(policy: str) -> None:
    scenario, settings = world("retirement")
    traced = run(scenario, fr.policy(policy), **settings)
    bare = run(scenario, fr.policy(policy), **settings, trace=False)
    assert bare.picks.size == 0
    for name, column in traced.finals.items():
        np.testing.assert_array_equal(bare.finals[name], column, name)


def _seven(**changes: Any) -> Scenario:
    """A world of the shape of ``retirement``."""
    draw = np.random.default_rng(3)
    return Scenario(**{"reward_mean": draw.random(7), "cost_mean": draw.random(7), **changes})


def test_everything_retires() -> None:
    scenario = _seven(retirement=[30, 60, 10, 60, 45, 5, 50])
    settings: dict[str, Any] = {"budget": 1.0, "max_deployed": 4, "horizon": 100, "stages": 10}
    mine = run(scenario, fr.policy("stageroute"), **settings)
    assert_same(mine, run(scenario, fr.policy("stageroute"), "numba", **settings))
    assert (mine.picks[:, 60:] == -1).all()
    assert (mine.picks[:, :60] >= 0).all()


def test_free_world_and_no_budget() -> None:
    for budget, cost in ((0.0, np.zeros(7)), (np.inf, np.linspace(0.1, 1.0, 7))):
        scenario = _seven(cost_mean=cost)
        settings: dict[str, Any] = {"budget": budget, "max_deployed": 4, "horizon": 200}
        mine = run(scenario, fr.policy("stageroute"), **settings)
        assert_same(mine, run(scenario, fr.policy("stageroute"), "numba", **settings))


@pytest.mark.parametrize("policy", ["stageroute", "oracle", "oracle_deployment"])
def test_instance_per_trial(policy: str) -> None:
    draw = np.random.default_rng(6)
    scenario = _seven(
        reward_mean=draw.uniform(0.2, 0.9, (2, 7)),
        cost_mean=draw.uniform(0.2, 2.0, (2, 7)),
        limit=0.5,
        arrival=[0, 0, 0, 0, 0, 500, 1_234],
    )
    settings: dict[str, Any] = {"budget": 1.5, "max_deployed": 4}
    assert_same(
        run(scenario, fr.policy(policy), **settings),
        run(scenario, fr.policy(policy), "numba", **settings),
    )


# --- Compilations -----------------------------------------------------------------------------


@pytest.mark.slow
def test_programs_that_are_no_longer_kept_free_their_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("this system does not say how many regions of memory are mapped")

    def mapped() -> int:
        gc.collect()
        return len(maps.read_text().splitlines())

    assert rounds._compiled.cache_info().maxsize == 64
    few = functools.lru_cache(maxsize=2)(rounds._compiled.__wrapped__)
    monkeypatch.setattr(rounds, "_compiled", few)
    scenario, settings = world("retirement")
    counts = []
    for policy in ("uniform", "greedy", "pacer", "elimination", "ratio", "primal_dual"):
        before = mapped()
        run(scenario, fr.policy(policy), **settings)
        counts.append(mapped() - before)
    # The first two stay, and each one after them takes the place of another.
    assert min(counts[:2]) > 100
    assert sum(counts[2:]) < sum(counts[:2])


def test_compiled_once_per_shape() -> None:
    compiled: list[str] = []

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        if event.endswith("backend_compile_duration"):
            compiled.append(event)

    scenario, settings = world("retirement")
    settings.update(MANY)
    # A policy's program holds its own parts, so each has one; whatever their numbers are.
    for policy in DIFFERENT:
        run(scenario, fr.policy(policy), **settings)
    forced = fr.policy(
        "stageroute", estimator="mean", router="elimination", init="forced", init_pulls=3
    )
    run(scenario, forced, **settings)
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        run(scenario, fr.policy("stageroute"), **{**settings, "seed": 1, "budget": 0.9})
        run(scenario, fr.policy("stageroute", gamma=1.0, margin=0.1, resolve_every=3), **settings)
        # Other rounds, stages (the last one shorter), checkpoints, and numbers of trials.
        other = {"horizon": 700, "stages": 4, "checkpoints": 11, "trials": 40}
        run(scenario, forced, **{**settings, **other})
        for policy in DIFFERENT:
            run(scenario, fr.policy(policy), **{**settings, "seed": 5, "budget": 0.8})
        assert compiled == []
        jax.jit(lambda x: x + 1)(np.ones(3))
        assert compiled, "a compilation is heard"
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


# --- The user's own JAX is left alone ---------------------------------------------------------


def test_configuration_of_jax_is_kept() -> None:
    kept = dict(jax.config.values)
    seen: list[np.dtype[Any]] = []

    def progress(done: int, total: int) -> None:
        # Called from a thread of the run, between two of its kernels.
        seen.append(jnp.ones(2).dtype)
        if done == total:
            raise KeyboardInterrupt

    scenario, settings = world("retirement")
    with pytest.raises(KeyboardInterrupt):
        run(scenario, fr.policy("stageroute"), **settings, progress=progress)
    assert set(seen) == {np.dtype(np.float32)}
    assert dict(jax.config.values) == kept
    assert jnp.asarray([1, 2]).dtype == jnp.int32


# --- Devices ----------------------------------------------------------------------------------

OTHERS = [*DIFFERENT, "primal_dual", "elimination", "contextual", "linear"]

_CHILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from test_jax_simulate import memory_per_device, on_devices
print(json.dumps([memory_per_device(), on_devices(*sys.argv[2:])]))
"""


def on_devices(*names: str) -> list[dict[str, str]]:
    """Digests of runs that use what differs from lane to lane, of policies or estimators."""
    found = []
    for name in names:
        policy = fr.policy(name) if name in POLICIES else fr.Policy(estimator=name)
        scenario, settings = world("tasks" if policy.estimator.needs_tasks else "retirement")
        if policy.estimator.needs_features:
            scenario, settings = small_linear(), {"budget": 3.0, "max_deployed": 4}
        found.append(dict(of_run(run(scenario, policy, **settings, **MANY, horizon=700))))
    return found


def memory_per_device() -> list[int]:
    """Bytes of one number per slot and trial on each device, for 1,024 trials with 4 slots."""
    workspace = rounds.workspace(1_024, 4)
    with jax.enable_x64(True):
        array = workspace.put(np.zeros((4, 1_024)), 0.0, np.float64)
    return [shard.data.nbytes for shard in array.addressable_shards]


@pytest.mark.parametrize(
    ("count", "policies"),
    [
        # The child compiles for itself: by default one program, as fast as this process.
        (4, ["primal_dual"]),
        pytest.param(2, OTHERS, marks=pytest.mark.slow),
        pytest.param(4, OTHERS, marks=pytest.mark.slow),
    ],
)
def test_results_do_not_depend_on_the_number_of_devices(
    root: Path, count: int, policies: list[str]
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(root / "tests"), *policies],
        env={
            **os.environ,
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}",
            "JAX_PLATFORMS": "cpu",
            OPTION.upper(): str(quick),
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    mine = on_devices(*policies)
    out, _ = child.communicate()
    assert child.returncode == 0
    memory, theirs = json.loads(out)
    assert theirs == mine
    assert memory == [4 * 1_024 * 8 // count] * count


# --- Single precision -------------------------------------------------------------------------


def assert_near(single: Run, double: Run) -> None:
    """Means within 5 standard errors, and one rounding of the shares in each round."""
    rounding = 1e-7 * double.settings["horizon"]
    for name in ("regret", "cost", "violation", "priced_regret"):
        mine, theirs = single.finals[name], double.finals[name]
        error = theirs.std(ddof=1) / np.sqrt(len(theirs))
        assert abs(mine.mean() - theirs.mean()) <= 5.0 * error + rounding, name


def test_single_precision_stays_near() -> None:
    scenario, settings = world("retirement")
    single = run(scenario, fr.policy("stageroute"), **settings, **MANY, dtype="float32")
    double = run(scenario, fr.policy("stageroute"), **settings, **MANY)
    assert single.settings["dtype"] == "float32"
    assert double.settings["dtype"] == "float64"
    # The last digits are other ones, and hardly ever matter to a draw.
    assert (single.finals["regret"] != double.finals["regret"]).all()
    assert (single.picks == double.picks).mean() > 0.99
    assert_near(single, double)


#: Routed by samples, and by a price; the others are slow.
IN_SINGLE = ("thompson", "pacer")


@pytest.mark.parametrize(
    "policy",
    [
        name if name in IN_SINGLE else pytest.param(name, marks=pytest.mark.slow)
        for name in ANYWHERE
    ],
)
def test_every_policy_in_single_precision(policy: str) -> None:
    scenario, settings = world("retirement")
    single = run(scenario, fr.policy(policy), **settings, **MANY, dtype="float32")
    double = run(scenario, fr.policy(policy), **settings, **MANY)
    assert (single.picks == double.picks).mean() > 0.99
    assert_near(single, double)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["routerbench", "sota", "retirement"])
def test_single_precision_over_a_thousand_trials(name: str) -> None:
    scenario, settings = world(name)
    settings.update(trials=1_000, horizon=20_000, trace=False)
    single = run(scenario, fr.policy("stageroute"), **settings, dtype="float32")
    assert_near(single, run(scenario, fr.policy("stageroute"), **settings))


@pytest.mark.parametrize("backend", ["numba", "ref"])
def test_single_precision_needs_jax(backend: str) -> None:
    scenario, settings = world("tight")
    with pytest.raises(ValueError, match=r"dtype='float32' needs backend=\"jax\""):
        run(scenario, fr.policy("stageroute"), backend, **settings, dtype="float32")
    with pytest.raises(ValueError, match="dtype='float16' is unknown"):
        run(scenario, fr.policy("stageroute"), "jax", **settings, dtype="float16")


# --- The choice of a backend ------------------------------------------------------------------


@pytest.mark.parametrize(("accelerator", "backend"), [(True, "jax"), (False, "numba")])
def test_auto(monkeypatch: pytest.MonkeyPatch, accelerator: bool, backend: str) -> None:
    monkeypatch.setattr(backends, "has_accelerator", lambda: accelerator)
    scenario, settings = world("retirement")
    found = run(scenario, fr.policy("stageroute"), "auto", **settings)
    assert found.settings["backend"] == backend
    assert_same(found, run(scenario, fr.policy("stageroute"), "numba", **settings))


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        (policy, name)
        if (policy, name)
        in {("stageroute", "retirement"), ("primal_dual", "table"), ("elimination", "retirement")}
        else pytest.param(policy, name, marks=pytest.mark.slow)
        for policy in ANYWHERE
        for name in ("retirement", "table", "beta", "tasks")
    ],
)
def test_changing_worlds(policy: str, name: str) -> None:
    scenario, budget, max_deployed = CHANGING_WORLDS[name]()
    settings: dict[str, Any] = {
        "budget": budget,
        "max_deployed": max_deployed,
        "horizon": 800,
        "stages": 5,
    }
    assert_same(
        run(scenario, fr.policy(policy), **settings),
        run(scenario, fr.policy(policy), "numba", **settings),
    )


# By default one router whose schedule begins again when the models are loaded.
@pytest.mark.parametrize(
    ("policy", "name"),
    [
        (policy, name)
        if (policy, name) == ("etc", "retirement")
        else pytest.param(policy, name, marks=pytest.mark.slow)
        for policy in ANYWHERE
        for name in ("retirement", "instances")
    ],
)
@pytest.mark.parametrize("changing", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_models_that_load(policy: str, name: str, changing: bool) -> None:
    worlds = CHANGING_WORLDS if changing else SMALL_WORLDS
    scenario, budget, max_deployed = worlds[name]()
    settings: dict[str, Any] = {
        "budget": budget,
        "max_deployed": max_deployed,
        "horizon": 800,
        "stages": 5,
        "load_rounds": 30,
    }
    mine, theirs = (
        run(scenario, fr.policy(policy), backend, **settings) for backend in ("jax", "numba")
    )
    assert_same(mine, theirs)
    assert (mine.finals["no_capacity_rounds"] >= 30).all()


# --- Estimators that read the query -----------------------------------------------------------


# By default in a world where stages are cut short and limits change.
@pytest.mark.parametrize(
    ("option", "place"),
    [
        ("pacer", "changing"),
        *(
            pytest.param(name, "changing", marks=pytest.mark.slow)
            for name in CONTEXTUAL
            if name != "pacer"
        ),
        *(pytest.param(name, "tasks", marks=pytest.mark.slow) for name in CONTEXTUAL),
        pytest.param("formula", "routerbench", marks=pytest.mark.slow),
    ],
)
def test_by_task(option: str, place: str) -> None:
    made = CHANGING_WORLDS["tasks"] if place == "changing" else SMALL_WORLDS[place]
    scenario, budget, max_deployed = made()
    policy = fr.policy("contextual", **CONTEXTUAL[option])
    settings: dict[str, Any] = {"budget": budget, "max_deployed": max_deployed, "horizon": 900}
    mine, theirs = (
        run(scenario, policy, backend, **settings, seed=6) for backend in ("jax", "numba")
    )
    assert_same(mine, theirs)


@pytest.mark.slow
def test_by_task_in_single_precision() -> None:
    scenario, settings = world("tasks")
    single = run(scenario, fr.policy("contextual"), **settings, **MANY, dtype="float32")
    double = run(scenario, fr.policy("contextual"), **settings, **MANY)
    assert (single.picks == double.picks).mean() > 0.99
    assert_near(single, double)


# By default with draws, where the costs go with the queries.
@pytest.mark.parametrize(
    ("estimator", "place", "router"),
    [
        chosen
        if chosen == ("linear_thompson", "iid", "drift_plus_penalty")
        else pytest.param(*chosen, marks=pytest.mark.slow)
        for chosen in itertools.product(
            ("linear", "linear_thompson"),
            ("linear", "iid", "table"),
            ("lp", "drift_plus_penalty", "epsilon_greedy", "elimination"),
        )
    ],
)
def test_by_features(estimator: str, place: str, router: str) -> None:
    scenario = small_linear() if place == "linear" else arriving(place)
    policy = fr.policy("stageroute", estimator=estimator, router=router, init="forced")
    settings: dict[str, Any] = {"budget": 3.0, "max_deployed": 4, "horizon": 600, "trials": 5}
    mine, theirs = (
        run(scenario, policy, backend, **settings, seed=8) for backend in ("jax", "numba")
    )
    assert_same(mine, theirs)


@pytest.mark.slow
def test_policies_that_do_not_look_at_features() -> None:
    settings: dict[str, Any] = {"budget": 3.0, "max_deployed": 4, "horizon": 600}
    mine, theirs = (
        run(small_linear(), fr.policy("stageroute"), backend, **settings)
        for backend in ("jax", "numba")
    )
    assert_same(mine, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["linear", "linear_thompson"])
def test_by_features_in_single_precision(estimator: str) -> None:
    policy = fr.policy("stageroute", estimator=estimator)
    settings: dict[str, Any] = {"budget": 3.0, "max_deployed": 4, **MANY}
    single = run(small_linear(), policy, **settings, dtype="float32")
    double = run(small_linear(), policy, **settings)
    assert (single.picks == double.picks).mean() > 0.99
    assert_near(single, double)


# By default one world, in which both delays are drawn and apart.
@pytest.mark.parametrize(
    ("policy", "options"),
    [
        pytest.param(
            p,
            w,
            marks=[] if (p, w) == ("drift_plus_penalty", "both drawn") else pytest.mark.slow,
        )
        for p in late.POLICIES
        for w in late.WORLDS
        if p in ("stageroute", "forced", "pacer", "thompson", "oracle") or w == "both drawn"
    ],
)
def test_late_and_missing_feedback(policy: str, options: str) -> None:
    scenario = late.world(**late.WORLDS[options])
    mine, theirs = (
        run(scenario, late.POLICIES[policy], backend, **late.SETTING, seed=4)
        for backend in ("jax", "numba")
    )
    assert_same(mine, theirs)
