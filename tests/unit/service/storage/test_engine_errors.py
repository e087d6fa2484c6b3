"""What an error of the database may say: it is logged, so not what was to be stored."""

from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from tests.support.answered import CHOICE, add_run_with
from tests.support.database import add_endpoint, open_database


async def test_an_error_does_not_hold_the_reply_that_could_not_be_stored(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        twice = CHOICE | {"reply": "SENTINEL"}
        with pytest.raises(IntegrityError) as raised:
            await add_run_with(database, endpoint, "s", [twice, twice])
        assert "UNIQUE constraint failed" in str(raised.value)
        assert "SENTINEL" not in str(raised.value)
