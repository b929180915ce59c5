import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from expert.pipeline import Expert

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this test run's own, for this process and for every command it starts."""
    directory = tmp_path_factory.mktemp("cache")
    before = os.environ.get("KAKEKOMI_CACHE")
    os.environ["KAKEKOMI_CACHE"] = str(directory)
    yield directory
    if before is None:
        del os.environ["KAKEKOMI_CACHE"]
    else:
        os.environ["KAKEKOMI_CACHE"] = before


@pytest.fixture(scope="session")
def expert(cache: Path) -> Expert:
    assert cache.is_dir()

    return Expert.load()
