"""Which schema is the newest, told without loading Alembic: it is needed only when a database is behind."""

from pathlib import Path

VERSIONS = Path(__file__).parent / "versions"


def newest() -> str:
    """The newest revision. Files are named by their revision, and revisions are numbered."""
    return max(path.name.partition("_")[0] for path in VERSIONS.glob("[0-9]*.py"))
