"""Where the shared test corpus lies. It is test data only: read in place, never copied into the project."""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "corpus"


def corpus(*parts: str) -> Path:
    """A file or folder of the corpus; the test skips, saying so, where the corpus is absent.

    With ``CI`` set the corpus must be there: a CI that skips its real footage proves nothing.
    """
    root = Path(os.environ.get("DOCKAGENT_CORPUS", _BESIDE))
    if not root.is_dir():
        reason = "the test corpus is absent; set DOCKAGENT_CORPUS to its folder"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return root.joinpath(*parts)
