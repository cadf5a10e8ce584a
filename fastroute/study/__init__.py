"""Studies: what to run (TOML), the running, and the directory it leaves behind."""

from fastroute.study.errors import ExecutorError, RunDirectoryError, StudyError
from fastroute.study.run import run_study
from fastroute.study.schema import Study, preset_names
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
