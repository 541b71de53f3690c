from __future__ import annotations

import os

import pytest
from hypothesis import settings
from web_server import Certificates, make_certificates

# what passes once passes again, on a busy machine too
settings.register_profile("jobd", deadline=None, derandomize="JOBD_TEST_EXPLORE" not in os.environ)
settings.load_profile("jobd")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))
