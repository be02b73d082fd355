"""Tests of one group are run by one worker: terminals, device events and costly fixtures rest on it."""

import os

import pytest


@pytest.mark.xdist_group("a group")
@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="there is one worker only: no -n was given")
def test_a_group_is_kept_together(request: pytest.FixtureRequest) -> None:
    """The scheduler goes by what stands behind the name; pytest-xdist issue 1386 is about a pytest that drops it."""
    assert request.node.nodeid.endswith("@a group")
