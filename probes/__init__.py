"""Asks a model, returns numbers: item banks, plans, scoring, clients, judge, runner."""
