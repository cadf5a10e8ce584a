"""A process with an online router that is killed: ``python killed_router.py LOG SEED``.

Two threads decide and observe; after each flush the identifiers that it has made safe are printed.
"""

import random
import sys
import threading

import fastroute as fr

NAMES = ["a", "b", "c", "d"]


def main(place: str, seed: int) -> None:
    router = fr.OnlineRouter(
        place,
        models=NAMES,
        budget=1.2,
        max_deployed=3,
        stage=fr.every(decisions=200),
        cost_range=(0.0, 5.0),
    )
    lock = threading.Lock()

    def work(thread: int) -> None:
        rng = random.Random(f"{seed} {thread}")
        while True:
            told = []
            for _ in range(rng.randrange(1, 40)):
                choice = router.choose()
                reward, cost = rng.randrange(1025) / 1024, rng.random()
                router.observe(choice.id, cost=cost)
                router.observe(choice.id, reward=reward)
                told.append(f"{choice.id} {reward} {cost!r}")
            router.flush()
            with lock:
                print("\n".join(told), flush=True)

    # What is compiled or loaded is ready then.
    router.choose()
    print("ready", flush=True)
    for thread in range(2):
        threading.Thread(target=work, args=(thread,), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
