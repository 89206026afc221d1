"""Ray on this machine, one for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

WORKERS = 2


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """Its address; with room for two workers, which have the repository as their only pack."""
    ray = pytest.importorskip("ray")
    started = ray.init(
        num_cpus=WORKERS + 1,
        num_gpus=0,
        resources={"noise_search": WORKERS},
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        object_store_memory=100 * 2**20,
        _node_ip_address="127.0.0.1",
        _system_config={"worker_niceness": 0},
    )
    yield started.address_info["gcs_address"]
    ray.shutdown()
