import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from expert.pipeline import Expert

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this test run's own, with the model in it, for all of its processes and for every command that they start."""
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    directory.mkdir(exist_ok=True)
    before = os.environ.get("KAKEKOMI_CACHE")
    os.environ["KAKEKOMI_CACHE"] = str(directory)
    with (directory.parent / "training").open("w") as training:
        fcntl.flock(training, fcntl.LOCK_EX)  # of several processes the first trains, the others wait
        Expert.load()
    yield directory
    if before is None:
        del os.environ["KAKEKOMI_CACHE"]
    else:
        os.environ["KAKEKOMI_CACHE"] = before


@pytest.fixture(scope="session")
def expert(cache: Path) -> Expert:
    assert cache.is_dir()

    return Expert.load()
