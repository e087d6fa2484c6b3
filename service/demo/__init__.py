"""The demonstration: real processes over loopback, simulated models."""
