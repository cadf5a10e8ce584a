"""Parts of a policy as objects: options, tables, references, and parts of the user's own."""

import inspect
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from polars.testing import assert_frame_equal

import fastroute as fr
import own_parts
from fastroute.policies import DEPLOYERS, ESTIMATORS, ROUTERS, RunNumbers, part
from fastroute.study import Study, StudyError, load, run_study
from fastroute.study.build import flat_options
from fastroute.study.cells import lay_out
from studies import mini

CLASSES = [*ESTIMATORS.values(), *DEPLOYERS.values(), *ROUTERS.values()]
TABLES: dict[str, dict[str, Any]] = {
    "estimator": ESTIMATORS,
    "deployer": DEPLOYERS,
    "router": ROUTERS,
}
#: Other values than the defaults.
OTHERS: dict[str, Any] = {
    "gamma": "scaled:0.3",
    "delta": 0.2,
    "init": "prior",
    "init_pulls": 4,
    "prior_reward": 0.5,
    "prior_cost": 0.25,
    "discount": 0.9,
    "window": 40,
    "threshold": 0.5,
    "fill": "ucb",
    "deploy_weight": 0.5,
    "slots": 2,
    "observations": 30,
    "explore": 0.125,
    "weight": 3.5,
    "scale": 0.5,
    "step": 0.25,
    "smoothing": 0.5,
    "ceiling": 2.0,
    "resolve_every": 7,
    "beta": 0.75,
    "ridge": 2.0,
    "deviation": 0.75,
}
RUN = RunNumbers(8_000, 400, 6, 0.5, 0.125, 2.0)
SETTINGS: dict[str, Any] = {"horizon": 200, "budget": 1.0, "max_deployed": 3, "stages": 5}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.kind}-{cls.name}")
def test_object_table_object(cls: Any) -> None:
    for made in (cls(), cls(**{option: OTHERS[option] for option in cls.model_fields})):
        table = made.dump()
        assert table.keys() - {"name"} <= cls.model_fields.keys()
        assert fr.Policy(**{cls.kind: table}) == fr.Policy(**{cls.kind: made})
        assert pickle.loads(pickle.dumps(made)) == made
        policy = fr.Policy(**{cls.kind: made}, name="mine", margin=0.25)
        assert fr.Policy(**policy.dump()) == policy
        assert policy.model_dump() == policy.dump()
    assert getattr(fr.Policy(**{cls.kind: cls.name}), cls.kind) == cls()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.kind}-{cls.name}")
def test_a_part_has_a_file_and_a_public_name(cls: Any) -> None:
    assert getattr(fr, cls.__name__) is cls
    assert cls.__module__ == f"fastroute.policies.{cls.kind}s.{cls.name}"
    assert set(cls.backends) <= {"numba", "jax", "ref"}
    told = inspect.getdoc(cls) or ""
    for option in cls.model_fields:
        assert re.search(rf"\b{option}\b", told), option


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.kind}-{cls.name}")
def test_an_option_goes_to_the_part_that_has_it(cls: Any) -> None:
    options = {option: OTHERS[option] for option in cls.model_fields}
    if cls.kind == "estimator" and (cls.needs_tasks or cls.needs_features):
        options.pop("resolve_every", None)
    made = fr.policy("stageroute", **{cls.kind: cls.name}, **options)
    assert getattr(made, cls.kind) == cls(**options)
    untouched = {"estimator", "deployer", "router"} - {cls.kind}
    assert all(getattr(made, kind) == getattr(fr.Policy(), kind) for kind in untouched)
    for option, value in options.items():
        with pytest.raises(ValueError, match=f"{option}=.*is given in the {cls.kind} too"):
            fr.policy("stageroute", **{cls.kind: cls(**options), option: value})


def test_options_of_a_named_policy_stay_where_its_part_does() -> None:
    made = fr.policy("optimistic_pessimistic", gamma=1.0)
    assert made.estimator == fr.Pessimistic(gamma=1.0, init="prior", init_pulls=10)
    made = fr.policy("optimistic_pessimistic", init_pulls=3)
    assert made.estimator == fr.Pessimistic(init="prior", init_pulls=3)
    assert fr.policy("optimistic_pessimistic", estimator="ucb").estimator == fr.UCB()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("pacer", {"smothing": 0.5}, ["smothing=0.5 is not one of", "Did you mean 'smoothing'?"]),
        ("stageroute", {"step": 0.5}, ["step=0.5", "option of: router pacer, router primal_dual."]),
        ("thompson", {"gamma": 1}, ["gamma=1", "'init_pulls'", "option of: estimator ucb, "]),
        ("static", {"router": "uniform", "resolve_every": 2}, ["resolve_every=2", "router lp"]),
        (
            "uniform",
            {"fill": "ucb"},
            ["fill='ucb'", "deployer mip, deployer screen, deployer static."],
        ),
        (
            "stageroute",
            {"windw": 3},
            ["windw=3 is not one of", "Did you mean 'window', an option of: estimator sliding_wi"],
        ),
        ("pacer", {"router": {"name": "pacer", "stp": 1}}, ["router.stp=1", "mean 'step'?"]),
        ("pacer", {"router": {"name": "pacer", "step": 0}}, ["router.step=0: must be greater"]),
        ("stageroute", {"estimator": "sliding_window", "window": 7}, ["window=7", "multiple of 2"]),
        ("stageroute", {"estimator": "change_detector", "window": 0}, ["window=0", "than or eq"]),
        ("stageroute", {"estimator": "change_detector", "threshold": 0}, ["threshold=0", "than 0"]),
        ("stageroute", {"estimator": "bernstein", "scale": 0}, ["scale=0", "greater than 0"]),
        ("stageroute", {"deployer": "screen", "slots": 0}, ["slots=0", "than or equal to 1"]),
        ("stageroute", {"deployer": "screen", "observations": 0}, ["observations=0", "equal to 1"]),
        ("stageroute", {"deploy_weight": -1}, ["deploy_weight=-1", "than or equal to 0"]),
        ("pacer", {"router": {"step": 0.5}}, ['add name = "lp"']),
        ("pacer", {"router": fr.UCB()}, ["is of kind estimator, no router"]),
        ("pacer", {"router": fr.Pacer}, ["give an object, Pacer(...)"]),
        ("pacer", {"estimator": len}, ["estimator must be a name, got <built-in function len>"]),
    ],
    ids=repr,
)
def test_foreign_options_are_refused(name: str, options: Any, words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^policy option") as caught:
        fr.policy(name, **options)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_policy_takes_parts_alone() -> None:
    with pytest.raises(ValueError, match=r"gamma=1.*use fastroute\.policy\(name, gamma=\.\.\.\)"):
        fr.Policy(gamma=1)
    with pytest.raises(ValueError, match=r"^router 'pacer' option stp=1.*Did you mean 'step'"):
        fr.Pacer(stp=1)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="frozen"):
        fr.Pacer().step = 0.5


def test_every_problem_is_found() -> None:
    with pytest.raises(ValueError, match="gamma") as caught:
        fr.policy("pacer", gamma=-1, step=-1, fill="no")
    assert [problem.path for problem in caught.value.problems] == [  # type: ignore[attr-defined]
        ("gamma",),
        ("fill",),
        ("step",),
    ]


def test_numbers_of_a_run() -> None:
    radius = (0.125, 2.0, -1.0)
    assert fr.UCB(gamma=0.5).parameters(RUN) == (0.5, *radius, 1.0)
    assert fr.UCB(gamma=0.5, init="forced", init_pulls=3).parameters(RUN) == (0.5, *radius, 3.0)
    assert fr.Mean(init="formula").parameters(RUN) == (0.0, *radius, 0.0)
    assert fr.Pessimistic(gamma=0.5).parameters(RUN) == (0.5, 0.125, 2.0, 1.0, 1.0)
    assert fr.Discounted(gamma="paper").parameters(RUN) == (0.1, *radius, 1.0, 0.997)
    assert fr.KnownMeans().parameters(RUN) == ()
    assert fr.KLUCB(scale=0.5).parameters(RUN) == (0.5 * np.log(8_000), 0.125, 2.0, 1.0)
    assert fr.Bernstein(scale=0.5).parameters(RUN) == (0.5 * np.log(8_000), 0.125, 2.0, 1.0)
    assert fr.SlidingWindow(window=40).parameters(RUN) == (0.1, *radius, 1.0, 20.0)
    prior: dict[str, Any] = {"init": "prior", "init_pulls": 4, "prior_reward": 0.25}
    detector = fr.ChangeDetector(window=40, threshold=0.5, **prior)
    level = 0.25 * np.log(2.0 * 6 * 8_000**2)
    assert detector.parameters(RUN) == pytest.approx((0.1, *radius, 0.0, 20.0, level, 4, 1, 0.5))
    assert detector.first(RUN) == fr.SlidingWindow(**prior).first(RUN) == (4, 1, 0.5, 0, 0, 0)
    assert fr.Bernstein(**prior).first(RUN) == (4.0, 1.0, 0.5, 0.25, 0.0625)
    assert fr.Bernstein().first(RUN) == (0.0, 0.0, 0.0, 0.0, 0.0)
    assert fr.Thompson(**prior).first(RUN) == (4.0, 1.0, 0.5)
    assert fr.Thompson(**prior, prior_cost=1.5).first(RUN) == (4.0, 1.0, 6.0)
    assert fr.Thompson(prior_reward=0.25).first(RUN) == (0.0, 0.0, 0.0)
    assert fr.EpsilonGreedy().parameters(RUN) == pytest.approx((0.5, 2.0, 0.05))
    assert fr.ExploreThenCommit(explore=0.01).parameters(RUN) == (0.5, 2.0, 4.0)
    assert fr.ExploreThenCommit().parameters(RUN) == (0.5, 2.0, 55.0)
    assert fr.DriftPlusPenalty().parameters(RUN) == (np.sqrt(8_000), 0.5, 0.5)
    assert fr.Pacer().parameters(RUN) == (0.05, 0.5, 0.5, 0.05, 5.0)
    assert fr.Pacer().first_state(RUN) == (0.0, 0.5)
    assert fr.PrimalDual().parameters(RUN) == pytest.approx((np.sqrt(np.log(2) / 2_000), 0.5, 0.5))
    assert fr.PrimalDual(step=0.5).parameters(RUN._replace(budget=0.0)) == (0.5, 0.0, 0.5)
    assert fr.PrimalDual().parameters(RUN._replace(budget=0.0)) == (1.0, 0.0, 0.5)
    assert fr.PrimalDual().first_state(RUN) == (1.0,)
    assert fr.LP().parameters(RUN) == (0.5, 2.0)
    assert fr.Greedy().parameters(RUN) == (np.inf, 2.0)
    assert fr.LP().first_state(RUN) == ()
    assert RUN._replace(cost_max=0.0).scaled_budget == 1.0


def test_a_deployer_of_ones_own() -> None:
    scenario = fr.Scenario([0.4, 0.6, 0.8, 0.9], [0.3, 0.7, 1.5, 0.1], arrival=[0, 0, 0, 80])
    run = fr.simulate(scenario, fr.Policy(deployer=own_parts.Cheapest()), trials=70, **SETTINGS)
    assert ((run.stage_sets >= 0).sum(axis=-1) == 2).all()
    # In the first stage all look the same; the last model has not arrived.
    assert (run.stage_sets[0, :, :2] == [0, 1]).all()
    assert run.stages["method"].unique().to_list() == ["cheapest"]
    one = fr.simulate(
        scenario,
        fr.Policy(deployer={"name": "own_parts:Cheapest", "keep": 1}),
        **SETTINGS,
        trials=3,
    )
    assert ((one.stage_sets >= 0).sum(axis=-1) == 1).all()


def stage(pulls: Any, upper: Any, limit: Any = 1.0, **given: Any) -> fr.StageProblem:
    """Three trials of a stage in which all models cost the same."""
    upper = np.array(np.broadcast_to(upper, (3, np.shape(upper)[-1])), float)
    size = upper.shape[1]
    return fr.StageProblem(
        **{
            "upper": upper,
            "lower": np.full(upper.shape, 0.5),
            "reward_mean": upper[:1],
            "cost_mean": np.full((1, size), 0.5),
            "limit": np.broadcast_to(limit, size),
            "arrival": np.zeros(size, np.int64),
            "pulls": np.array(np.broadcast_to(pulls, upper.shape), float),
            "previous": np.zeros(upper.shape, np.bool_),
            "first": False,
            "uniforms": lambda: upper,
            "budget": 1.0,
            "charge": 0.0,
            "max_deployed": 3,
            "backend": "numba",
            **given,
        }
    )


def sets_of(deployed: Any) -> list[list[int]]:
    return [np.flatnonzero(row).tolist() for row in deployed]


def test_screen_gives_newcomers_their_slots_and_no_more() -> None:
    upper = [0.5, 0.6, 0.7, 1.0, 0.9, 0.95]
    pulls = [
        [50, 50, 50, 2, 9, 0],  # three newcomers
        [50, 9, 50, 10, 50, 50],  # one, and one that is just none any more
        [50, 0, 0, 0, 0, 0],  # too few others
    ]
    one = fr.Screen(slots=1, observations=10)
    # Of the newcomers 3, 4 and 5 the one of highest U; of the others what `mip` and its fill take.
    assert sets_of(one.choose(stage(pulls, upper)).deployed) == [[1, 2, 3], [1, 3, 5], [0, 3, 5]]
    two = fr.Screen(slots=2, observations=10)
    assert sets_of(two.choose(stage(pulls, upper)).deployed) == [[2, 3, 5], [1, 3, 5], [0, 3, 5]]
    # As many newcomers as slots, and nobody new: `mip`.
    many = fr.Screen(slots=9, observations=10)
    assert sets_of(many.choose(stage(pulls, upper)).deployed)[0] == [3, 4, 5]
    known = stage(50.0, upper)
    np.testing.assert_array_equal(one.choose(known).deployed, fr.MIP().choose(known).deployed)
    # A model that is not there is no newcomer.
    away = stage(pulls, upper, limit=[1, 1, 1, 0, 1, 1])
    assert sets_of(one.choose(away).deployed) == [[1, 2, 5], [1, 4, 5], [0, 4, 5]]
    assert sets_of(fr.Screen(fill="none", observations=10).choose(stage(pulls, upper)).deployed)[
        0
    ] == [2, 3]


def test_screen_has_capacity_with_its_newcomers() -> None:
    # Two known models of limit 0.4 are too few alone.
    choice = fr.Screen(observations=10).choose(stage([50, 50, 50, 0], [0.5, 0.6, 0.7, 0.8], 0.4))
    assert sets_of(choice.deployed) == [[1, 2, 3]] * 3
    assert choice.status.tolist() == [0, 0, 0]
    short = fr.Screen(observations=10).choose(stage([50, 50, 50, 0], [0.5, 0.6, 0.7, 0.8], 0.3))
    assert (short.status != 0).all()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("shape", r"a boolean mask of trials x models, \(2, 4\), not bool of shape \(2, 1\)"),
        ("numbers", "a boolean mask .* not int64"),
        ("many", "returned 4 models in a trial, more than max_deployed=3"),
        ("absent", "returned model 3, which is not available"),
    ],
)
def test_what_a_deployer_must_not_return(what: str, words: str) -> None:
    scenario = fr.Scenario([0.4, 0.6, 0.8, 0.9], [0.3, 0.7, 1.5, 0.1], arrival=[0, 0, 0, 80])
    with pytest.raises(ValueError, match=f"deployer Halves: .*{words}"):
        fr.simulate(scenario, fr.Policy(deployer=own_parts.Halves(what=what)), trials=2, **SETTINGS)


def test_references() -> None:
    named = fr.Policy(deployer="own_parts:Cheapest", router="own_parts:first")
    assert named.deployer == own_parts.Cheapest()
    assert named.router == fr.Policy(router=own_parts.first).router
    assert fr.Policy(deployer="own_parts:three").deployer == own_parts.three
    assert (
        fr.policy("stageroute", deployer="own_parts:Cheapest", keep=3).deployer == own_parts.three
    )
    lazy = fr.Policy(router={"name": "own_parts:first", "resolve_every": 3})
    assert lazy.dump()["router"] == {"name": "own_parts:first", "resolve_every": 3}
    assert own_parts.three.dump() == {"name": "own_parts:Cheapest", "keep": 3}
    for policy in (named, lazy):
        assert fr.Policy(**policy.dump()) == policy
        assert pickle.loads(pickle.dumps(policy)) == policy


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("deployer", "own_prats:Cheapest", "module 'own_prats' cannot be imported"),
        ("deployer", "own_parts:Cheapst", "module 'own_parts' has nothing of the name 'Cheapst'"),
        ("deployer", "own_parts:", 'is written "module:name"'),
        ("deployer", "own_parts:Unfinished", "has no method choose"),
        ("router", "own_parts:Cheapest", "Cheapest, no subclass of fastroute.Router"),
        ("estimator", "own_parts:first", "is of type function, no estimator"),
        ("router", "own_parts:NUMBER", "is of type int, no router"),
        ("router", "own_parts:three", "is of kind deployer, no router"),
        ("router", "os.path:join", "takes 2 arguments, not 10"),
        ("deployer", {"name": "own_parts:three", "keep": 1}, "name its class instead"),
        ("deployer", {"name": "own_parts:Cheapest", "kep": 1}, "Did you mean 'keep'?"),
    ],
    ids=repr,
)
def test_references_that_are_refused(kind: str, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=rf"^policy option {kind}") as caught:
        fr.Policy(**{kind: value})
    assert words in str(caught.value)
    with pytest.raises(StudyError, match=rf"policy\[0\]\.{kind}") as told:
        mini(policy=[{"name": "stageroute", kind: value}])
    assert words.replace("Did you mean 'keep'?", 'did you mean "keep"?') in str(told.value)


def own_study(**policy: Any) -> Study:
    return mini(policy=[{"name": "stageroute", "label": "mine", **policy}, {"name": "uniform"}])


def test_a_study_holds_tables_whatever_was_given() -> None:
    objects = own_study(
        estimator=fr.Thompson(init="prior"),
        deployer=own_parts.Cheapest(keep=1),
        router=own_parts.first,
    )
    tables = own_study(
        estimator={"name": "thompson", "init": "prior"},
        deployer={"name": "own_parts:Cheapest", "keep": 1},
        router="own_parts:first",
    )
    assert objects.content_hash == tables.content_hash
    resolved = objects.resolved()
    assert resolved.policy[0].options == {
        "estimator": {
            "name": "thompson",
            "init": "prior",
            "init_pulls": 1,
            "prior_reward": 1.0,
        },
        "deployer": {"name": "own_parts:Cheapest", "keep": 1},
        "router": {"name": "own_parts:first", "resolve_every": 1},
        "margin": 0.0,
    }
    assert resolved.resolved() == resolved
    assert Study.from_toml_text(resolved.to_toml()) == resolved


def test_axes_and_formulas_over_options_and_parts() -> None:
    study = mini(
        policy=[
            {"name": "pacer", "step": [0.1, "1 / sqrt(T)"], "gamma": "log(T)"},
            {"name": "stageroute", "router": ["pacer", {"name": "primal_dual", "step": 0.5}]},
            {"name": "pacer", "label": "both", "router": ["pacer", "primal_dual"], "step": 0.125},
        ],
        setting={"horizon": 100},
    ).resolved()
    assert study.resolved() == study
    cells = lay_out(study)
    routers = [cell.policy_options["router"] for cell in cells]
    assert [(router["name"], router["step"]) for router in routers] == [
        ("pacer", 0.1),
        ("pacer", 0.1),
        ("pacer", 0.05),
        ("primal_dual", 0.5),
        ("pacer", 0.125),
        ("primal_dual", 0.125),
    ]
    assert cells[0].gamma == pytest.approx(np.log(100))
    assert cells[0].policy == "pacer (step=0.1)"


def test_options_of_a_study_that_no_part_has() -> None:
    with pytest.raises(StudyError, match=r'policy\[0\]\.keap = 3: unknown .*did you mean "keep"'):
        mini(policy=[{"name": "stageroute", "deployer": "own_parts:Cheapest", "keap": 3}])
    with pytest.raises(StudyError, match=r"policy\[0\]\.step = 3: .*option of: router pacer"):
        mini(policy=[{"name": "stageroute", "step": 3}])
    with pytest.raises(StudyError, match=r"policy\[0\]\.router\.step = 0: must be greater than 0"):
        mini(policy=[{"name": "stageroute", "router": {"name": "pacer", "step": 0}}])


def test_what_cannot_be_imported_is_refused_for_studies() -> None:
    class Local(own_parts.Cheapest):
        pass

    with pytest.raises(StudyError, match=r"policy\[0\].*deployer Local: .*put it into a module"):
        own_study(deployer=Local())
    with pytest.raises(StudyError, match=r"policy\[0\].*router <lambda>: .*put it into a module"):
        own_study(router=lambda a, b, c, d, e, f, g, h, i, j: None)
    # A run of its own needs no name.
    fr.simulate(
        fr.scenario("static", n_models=4), fr.Policy(deployer=Local()), trials=2, **SETTINGS
    )


def test_a_study_with_parts_of_ones_own_runs_on_processes(tmp_path: Path) -> None:
    study = own_study(deployer=own_parts.Cheapest(keep=2), router=own_parts.first)
    one, other = (
        run_study(study, tmp_path / executor, executor=executor, workers=1, progress=False)
        for executor in ("threads", "processes")
    )
    for frame in ("trials", "stages"):
        assert_frame_equal(getattr(one, frame).collect(), getattr(other, frame).collect())
    cells = other.cells.collect()
    assert cells["deployer"].to_list()[0] == "own_parts:Cheapest"
    assert cells["router"].to_list()[0] == "own_parts:first"
    alone = fr.simulate(
        fr.scenario("static", n_models=4),
        fr.Policy(deployer=own_parts.Cheapest(keep=2), router=own_parts.first),
        horizon=60,
        budget=float(cells["budget"][0]),
        max_deployed=3,
        trials=150,
        seed=5,
        checkpoints=5,
    )
    mine = other.trials.filter(cell=0).collect()
    np.testing.assert_array_equal(mine["regret"].to_numpy(), alone.finals["regret"])


def test_a_stored_study_is_read_without_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone_parts.py").write_text(
        "import own_parts\n\n\nclass Mine(own_parts.Cheapest):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    run_study(own_study(deployer="gone_parts:Mine"), tmp_path / "run", progress=False)
    (tmp_path / "gone_parts.py").unlink()
    monkeypatch.delitem(__import__("sys").modules, "gone_parts")
    stored = load(tmp_path / "run")
    assert stored.trials.collect().height > 0
    assert stored.cells.collect()["deployer"][0] == "gone_parts:Mine"


def test_tables_are_the_public_classes() -> None:
    assert set(part.KINDS) < set(fr.Policy.model_fields)
    assert set(CLASSES) == {
        cls
        for cls in (getattr(fr, name) for name in fr.__all__)
        if isinstance(cls, type) and issubclass(cls, part.Part) and cls.name in TABLES[cls.kind]
    }


def test_options_of_a_stored_policy_are_found_in_both_forms() -> None:
    tables = fr.policy("pacer", step=0.25, fill="ucb").dump()
    flat = flat_options(tables)
    assert (flat["estimator"], flat["deployer"], flat["router"]) == ("discounted", "mip", "pacer")
    assert (flat["step"], flat["fill"], flat["margin"]) == (0.25, "ucb", 0.0)
    earlier = {"estimator": "ucb", "deployer": "mip", "router": "lp", "gamma": 0.5}
    assert flat_options(earlier) == earlier


def test_where_an_option_belongs_is_said_instead_of_what_looks_like_it() -> None:
    with pytest.raises(ValueError, match="It is an option of: deployer mip, ") as caught:
        fr.policy("uniform", deploy_weight=1.0)
    assert "Did you mean" not in str(caught.value)


def test_screen_has_no_more_slots_than_there_are() -> None:
    settings: dict[str, Any] = {"horizon": 20, "budget": 2.0, "max_deployed": 2, "trials": 1}
    for slots, fits in ((2, True), (3, False)):
        policy = fr.Policy(deployer=fr.Screen(slots=slots))
        if fits:
            fr.simulate(fr.scenario("static"), policy, **settings)
            continue
        with pytest.raises(ValueError, match="slots=3 is more than max_deployed=2; use at most"):
            fr.simulate(fr.scenario("static"), policy, **settings)
