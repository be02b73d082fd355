"""Receipts checked without our code: the commands of docs/custodian.md; and by ``verify``, also where they lie."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dockagent.custodian.rounds import once
from dockagent.custodian.world import PermitPolicy, Settings
from dockagent.evidence.report import Report
from dockagent.evidence.verify import verify
from dockagent.ledger.trust import Trust
from dockagent.ledger.trust import parse as parse_trust
from tests.custodian.made import Dock, Folder, custodian, dock

PAGE = Path(__file__).resolve().parents[2] / "docs" / "custodian.md"
CLIP = bytes(range(256)) * 5000


@pytest.fixture
def one(folder: Folder, tmp_path: Path) -> Dock:
    return dock(folder, tmp_path)


def test_the_pages_commands_check_a_receipt(folder: Folder, one: Dock, tmp_path: Path) -> None:
    for program in ("openssl", "jq", "sha256sum"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    prefix = one.deliver(CLIP)
    one.publish()
    its = custodian(folder, tmp_path, [one])
    once(its)
    found = re.search(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    script = re.sub(r"^FOLDER=.*$", f"FOLDER={prefix}", found[1], flags=re.MULTILINE)
    script = re.sub(r"^LINE='[^']*'.*$", f"LINE='{its.key.public.text()}'", script, flags=re.MULTILINE)

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", script], cwd=folder.root, capture_output=True, text=True, check=False, timeout=60
        )

    said = run()
    assert said.returncode == 0, said.stderr
    assert "Verified OK\n" in said.stdout
    assert f"{prefix}/master: OK\n" in said.stdout
    (folder.root / prefix / "master").write_bytes(CLIP[:-1] + b"!")
    assert run().returncode != 0


def report_on(folder: Folder, trust: Trust) -> Report | None:
    return next((one for one in verify(folder.root, trust) if one.kind == "custodian"), None)


def test_verify_accepts_receipts_and_permits(folder: Folder, one: Dock, tmp_path: Path) -> None:
    one.deliver(CLIP)
    one.publish()
    its = custodian(folder, tmp_path, [one])
    once(its)
    once(its)
    trust = parse_trust(Trust(docks=one.keys.docks, custodians=(its.key.public,)).encode())
    report = report_on(folder, trust)
    assert report is not None
    assert (report.exit_code, report.facts) == (0, ("1 permits to erase from a camera",))
    assert report_on(folder, Trust(docks=one.keys.docks)) is None
    clip = next(each for each in verify(folder.root, trust) if each.kind == "clip")
    assert (clip.exit_code, clip.findings) == (0, ())


@pytest.mark.parametrize(
    ("name", "aspect"), [("receipt of another clip", "intact"), ("record", "intact"), ("signature", "signer")]
)
def test_verify_refuses_a_receipt_that_is_false(
    folder: Folder, one: Dock, tmp_path: Path, name: str, aspect: str
) -> None:
    first, second = one.deliver(CLIP), one.deliver(b"another clip")
    one.publish()
    its = custodian(folder, tmp_path, [one])
    once(its)
    here, there = (folder.root / prefix / "receipt.json" for prefix in (first, second))
    if name == "receipt of another clip":
        here.write_bytes(there.read_bytes())
    elif name == "record":
        shutil.copy(there.with_name("record.json"), here.with_name("record.json"))
    else:
        data = here.read_bytes()
        at = data.index(b'"payload":"') + 200
        here.write_bytes(data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :])
    report = report_on(folder, Trust(docks=one.keys.docks, custodians=(its.key.public,)))
    assert report is not None
    assert report.verdicts[aspect].word == "fail"


def test_verify_reads_renewed_permits_and_audits(folder: Folder, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    one.publish()
    brief = PermitPolicy("test/1", modes=(), valid_ms=1, renewals=1)
    its = custodian(folder, tmp_path, [one], settings=Settings(ledger_wait_ms=0, permits=brief, audit_ms=1))
    for _ in range(3):
        once(its)
    trust = Trust(docks=one.keys.docks, custodians=(its.key.public,))
    report = report_on(folder, trust)
    assert report is not None
    assert (report.exit_code, report.facts[0]) == (0, "2 permits to erase from a camera")
    assert "times a clip was read back again" in report.facts[1]
    clip = next(each for each in verify(folder.root, trust) if each.kind == "clip")
    assert (clip.exit_code, clip.findings) == (0, ())
    shutil.copy(folder.root / prefix / "record.json", folder.root / prefix / "audit.9.json")
    report = report_on(folder, trust)
    assert report is not None
    assert report.verdicts["signer"].word == "fail"
