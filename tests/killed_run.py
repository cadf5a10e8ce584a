"""Runs a study until it is killed: a process for `test_study_kill`.

Called with a study, a directory, an executor, and the number of flushes to the disk after which
the process kills itself; 0 leaves that to someone else.
"""

import os
import signal
import sys
from pathlib import Path

from fastroute.study import Study, run_study

real_fsync = os.fsync


def main() -> None:
    study, directory, executor, flushes = sys.argv[1:]
    left = int(flushes)

    def fsync(handle: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        real_fsync(handle)

    os.fsync = fsync  # type: ignore[assignment]
    # The one who kills from outside waits for this.
    print("ready", flush=True)
    run_study(Study.from_toml(Path(study)), directory, executor=executor, workers=2, progress=False)


if __name__ == "__main__":
    main()
