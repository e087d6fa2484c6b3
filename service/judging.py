"""The judges of this installation, or why there is none."""

from dataclasses import dataclass

from probes.judge import Judge
from probes.types import Problem
from service.judge_control import JudgeControl
from service.storage.grades import DatabaseGrades


@dataclass(frozen=True, kw_only=True)
class JudgeUnavailable:
    """Why there is no judge."""

    problem: Problem


@dataclass(frozen=True, kw_only=True)
class Judging:
    """The judge, a second one if the user wants to know how far two agree, and the check of the first."""

    judge: Judge
    second: Judge | None
    control: JudgeControl
    grades: DatabaseGrades
