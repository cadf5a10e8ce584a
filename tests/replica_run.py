"""Runs one of several routers on a database: a process for `test_online_postgres`.

Called with an address, the number of the replica and how many decisions it is to have made.  What
is flushed is said on standard output, so that someone else can kill it and know what must be kept.
"""

import random
import sys
from typing import Any

import fastroute as fr

NAMES = ["a", "b", "c", "d"]


def outcome(replica: int, number: int) -> tuple[float, float]:
    """Return reward and cost, whose sums are exact in any order."""
    rng = random.Random(1_000_000 * replica + number)
    return rng.randrange(1025) / 1024, rng.randrange(4097) / 1024


def open_replica(place: str, replica: int, **options: Any) -> fr.OnlineRouter:
    return fr.OnlineRouter(
        place,
        models=NAMES,
        policy=fr.policy("stageroute", router="epsilon_greedy", explore=0.3),
        budget=2.0,
        max_deployed=3,
        stage=fr.every(decisions=100),
        cost_range=(0.0, 5.0),
        replica=replica,
        staleness=0.05,
        **options,
    )


def main() -> None:
    place, replica, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    router = open_replica(place, replica)
    print("ready", flush=True)
    sys.stdin.readline()
    while True:
        choice = router.choose()
        number = choice.id & (1 << 40) - 1
        reward, cost = outcome(replica, number)
        if number % 3:
            router.observe(choice.id, reward=reward, cost=cost)
        else:
            router.observe(choice.id, cost=cost)
            router.observe(choice.id, reward=reward)
        if number % 20 == 19 or number + 1 >= count:
            router.flush()
            print(number, flush=True)
        if number + 1 >= count:
            router.close()
            return


if __name__ == "__main__":
    main()
