"""Programs are compiled without most optimisations: the tests are of what surrounds them."""

import pytest

from tests.training.conftest import quick_compilation as quick_compilation


@pytest.fixture(autouse=True)
def _quick(quick_compilation):
    """For all tests of this folder."""
