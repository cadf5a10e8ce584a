"""Answers to the questions of packaged studies: a verdict, tables and figures, made of a study.

A study names its question with the key ``answer``; the module of that name answers it.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.study import StoredStudy
from fastroute.study.schema import QUESTIONS

__all__ = ["ANSWERS", "Answer", "AnswerFigure", "AnswerTable", "answer_of"]


class _Answers(Mapping[str, Callable[[StoredStudy], Answer]]):
    """The function of each question, whose module is imported when it is asked for."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __getitem__(self, name: str) -> Callable[[StoredStudy], Answer]:
        if name not in self._names:
            raise KeyError(name)
        module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
        function: Callable[[StoredStudy], Answer] = module.answer
        return function

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


#: The questions that can be answered: those that a study file may ask.
ANSWERS: Final = _Answers(*QUESTIONS)


def answer_of(stored: StoredStudy) -> Answer | None:
    """Answer the question of a study.

    Parameters
    ----------
    stored : StoredStudy
        A study on disk.

    Returns
    -------
    Answer or None
        None where the study names no question, or is not complete.
    """
    name = stored.study.answer
    if name is None or not stored.complete:
        return None
    return ANSWERS[name](stored)
