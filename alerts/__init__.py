"""Verdict to alert to message: rules, state machine, wording, delivery."""
