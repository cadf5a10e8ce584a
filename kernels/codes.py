"""Integer codes shared by every backend: statuses, methods, rules for empty slots, streams.

Whoever calls kernels turns them into words.
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
STREAM_FEEDBACK: Final = 5
