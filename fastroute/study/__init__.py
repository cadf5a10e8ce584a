"""Studies: what to run (TOML), the running, and the directory it leaves behind.

Each name is loaded on first use: what reads a study needs nothing of what runs one.
"""

from typing import TYPE_CHECKING

from fastroute.lazy import lazy_names

if TYPE_CHECKING:
    from fastroute.study.errors import ExecutorError, RunDirectoryError, StudyError
    from fastroute.study.packaged import preset_names
    from fastroute.study.run import run_study
    from fastroute.study.schema import Study
    from fastroute.study.specs import PolicySpec, ScenarioSpec, Setting, Store
    from fastroute.study.stored import StoredStudy, load

__all__ = [
    "ExecutorError",
    "PolicySpec",
    "RunDirectoryError",
    "ScenarioSpec",
    "Setting",
    "Store",
    "StoredStudy",
    "Study",
    "StudyError",
    "load",
    "preset_names",
    "run_study",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "ExecutorError": "errors",
            "PolicySpec": "specs",
            "RunDirectoryError": "errors",
            "ScenarioSpec": "specs",
            "Setting": "specs",
            "Store": "specs",
            "StoredStudy": "stored",
            "Study": "schema",
            "StudyError": "errors",
            "load": "stored",
            "preset_names": "packaged",
            "run_study": "run",
        },
    )
