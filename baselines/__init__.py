"""Numbers against a reference: profiles, comparison, evidence over time, verdict."""
