"""Integer codes shared by every backend: statuses, methods, laws and policy parts.

Kernels know only these integers; the facades in :mod:`fastroute.solve` and
:mod:`fastroute.simulate` turn them into words.
"""

from typing import Final

# Status of a routing or deployment problem.
OPTIMAL: Final = 0
NO_CAPACITY: Final = 1
OVER_BUDGET: Final = 2
NODE_LIMIT: Final = 3
TIME_LIMIT: Final = 4

# How a deployment problem was solved.
VERTEX: Final = 0
BRANCH_AND_BOUND: Final = 1
HIGHS: Final = 2
RULE: Final = 3

# Law of the rewards around their means.
REWARD_BERNOULLI: Final = 0
REWARD_TASK: Final = 1
REWARD_TABLE: Final = 2
REWARD_REPLAY: Final = 3

# Law of the costs around their means.
COST_UNIFORM: Final = 0
COST_FIXED: Final = 1
COST_TABLE: Final = 2
COST_REPLAY: Final = 3

# Parts of a policy: estimator x deployer x router.
ESTIMATOR_UCB: Final = 0
ESTIMATOR_MEAN: Final = 1
ESTIMATOR_TRUTH: Final = 2
ESTIMATOR_THOMPSON: Final = 3
ESTIMATOR_DISCOUNTED: Final = 4
ESTIMATOR_PESSIMISTIC: Final = 5
ESTIMATOR_CONTEXTUAL: Final = 6

# Routers that solve an LP: whenever they route, ...
ROUTER_LP: Final = 0
ROUTER_TRUTH: Final = 1
ROUTER_GREEDY: Final = 2
ROUTER_EPSILON_GREEDY: Final = 3
# ... or never, or at set times within a stage.
ROUTER_UNIFORM: Final = 4
ROUTER_EXPLORE_THEN_COMMIT: Final = 5
ROUTER_ELIMINATION: Final = 6
# Routers that fill models up in the order of a score.
ROUTER_RATIO: Final = 7
ROUTER_DRIFT_PLUS_PENALTY: Final = 8
ROUTER_PACER: Final = 9
ROUTER_PRIMAL_DUAL: Final = 10
# A function of the user.
ROUTER_CUSTOM: Final = 11

# Rules for the bounds of a model that has no observation yet.
INIT_OPTIMISTIC: Final = 0
INIT_FORMULA: Final = 1
INIT_PRIOR: Final = 2
INIT_FORCED: Final = 3

# Rules for slots that the deployment optimum leaves empty.
FILL_NONE: Final = 0
FILL_REDUCED_COST: Final = 1
FILL_UCB: Final = 2
FILL_LEAST_PULLED: Final = 3

# Streams of the counter-based generator.
STREAM_ROUND: Final = 0
STREAM_DEPLOY: Final = 1
STREAM_INSTANCE: Final = 2
STREAM_POSTERIOR: Final = 3
STREAM_BELIEF: Final = 4
