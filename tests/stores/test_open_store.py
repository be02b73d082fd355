"""From URLs and settings to stores, and what people read when they got one wrong."""

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

from dockagent.errors import Retryable, UsageError
from dockagent.stores import Source
from dockagent.stores.directory import DirectoryStore
from dockagent.stores.open_store import open_store
from dockagent.stores.s3 import S3Store
from dockagent.stores.s3_settings import S3Settings

SETTINGS = S3Settings(endpoint="http://127.0.0.1:9", access_key="a", secret_key="very-secret")


def test_a_folder_is_made_where_it_is_missing(tmp_path: Path) -> None:
    url = (tmp_path / "new store" / "deep").as_uri()
    store = open_store(url)
    assert isinstance(store, DirectoryStore)
    assert store.url == url
    assert (tmp_path / "new store" / "deep").is_dir()


@pytest.mark.parametrize("url", ["s3://bucket/pre/fix", "s3://bucket/pre/fix/"])
def test_bucket_and_prefix_come_from_the_url(url: str) -> None:
    store = open_store(url, SETTINGS)
    assert isinstance(store, S3Store)
    assert store.url == "s3://bucket/pre/fix"


@pytest.mark.parametrize(
    "url",
    [
        *("", "/srv/store", "http://host/store", "ftp://host", "file://server/share", "file:relative", "file:///"),
        *("s3://", "s3:///prefix", "s3://bucket/../up", "s3://bucket/a?b=c", "file:///srv/store#1", "s3://[bucket"),
    ],
)
def test_other_urls_are_a_usage_error_in_one_line_with_what_to_do(url: str) -> None:
    with pytest.raises(UsageError) as failed:
        open_store(url, SETTINGS)
    assert failed.value.hint
    assert "\n" not in str(failed.value)


def test_a_folder_that_is_not_there_yet_is_looked_for_at_every_put(tmp_path: Path) -> None:
    """A dock whose share is not mounted drains its cameras all the same."""
    (tmp_path / "file").write_bytes(b"")
    store = open_store(f"file://{tmp_path}/file/store")
    data = Source(3, hashlib.sha256(b"abc").hexdigest(), lambda: io.BytesIO(b"abc"))
    with pytest.raises(Retryable, match=r"cannot use the store .*file/store: Not a directory"):
        store.put("a", data)
    assert len(store.check()) == 1
    (tmp_path / "file").unlink()
    assert store.put("a", data).proof == "re-read"
    assert store.check() == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (S3Settings(access_key="a"), "half of a key pair"),
        (S3Settings(client_cert_file="/x.pem"), "certificate or its key alone"),
        (S3Settings(ca_file="/no/such/ca.pem"), "needs the file /no/such/ca.pem"),
        (S3Settings(endpoint="no-url"), "Invalid endpoint"),
    ],
)
def test_settings_that_cannot_work_are_a_usage_error(settings: S3Settings, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_store("s3://bucket", settings)


def test_secrets_do_not_show() -> None:
    assert "very-secret" not in repr(SETTINGS)


def test_botocore_is_only_needed_for_s3_and_its_absence_is_told_with_the_pip_line(tmp_path: Path) -> None:
    """In a Python without the extra `s3`: a fresh one that does not find what it brings."""
    program = f"""
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name == "botocore":
            raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)
sys.meta_path.insert(0, Without())
from dockagent.stores.open_store import open_store
open_store({tmp_path.as_uri()!r})
try:
    open_store("s3://bucket/prefix")
except Exception as err:
    print(type(err).__name__, err)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "UsageError s3://bucket/prefix needs botocore, which is not installed; run: pip install 'dockagent[s3]'\n"
    )
    assert done.stderr == ""
