"""The only package that wires I/O: HTTP, database, scheduler, metrics, command line."""
