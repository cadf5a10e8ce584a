"""Studies: what to run (TOML), the running, and the directory it leaves behind."""

from fastroute.study.errors import StudyError
from fastroute.study.run import StudyResult, run_study
from fastroute.study.schema import PolicySpec, ScenarioSpec, Setting, Study, preset_names
from fastroute.study.store import RunDirectoryError, StoredStudy, load

__all__ = [
    "PolicySpec",
    "RunDirectoryError",
    "ScenarioSpec",
    "Setting",
    "StoredStudy",
    "Study",
    "StudyError",
    "StudyResult",
    "load",
    "preset_names",
    "run_study",
]
