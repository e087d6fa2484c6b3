"""Performance, measured: `make bench` prints the tables. Never a test: a shared machine would make it lie."""
