"""`selfwatch validate`: the detection study, with simulated endpoints and the detectors that the service runs."""

from service.study.table import show

__all__ = ["show"]
