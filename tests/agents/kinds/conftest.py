"""Each test of the contract, on the stage of each kind."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from tests.agents.kinds.stage import Stage
from tests.agents.kinds.stage_remote import end_servers
from tests.agents.kinds.stages import STAGES


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "stage" in metafunc.fixturenames:
        kinds = [pytest.param(one, id=one.kind, marks=one.marks) for one in STAGES]
        metafunc.parametrize("stage", kinds, indirect=True)


@pytest.fixture(scope="session", autouse=True)
def _servers_end_before_their_database(django_db_setup: None) -> Iterator[None]:
    yield
    end_servers()


@pytest_asyncio.fixture
async def stage(request: Any, settings: Any) -> AsyncIterator[Stage]:
    played: Stage = request.param()
    await played.open(settings)
    try:
        yield played
    finally:
        await played.close()
