"""What an outsider does after the show: check ledger and store offline, with the agent's own command and without it."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hil.demo import agent
from hil.demo.custodian import Custodian
from hil.demo.records import Record, payload
from hil.demo.show import Show, Unmet

FINDINGS = 3


def prove(show: Show, custodian: Custodian) -> None:
    """All of it, in order."""
    show.screen.scene("Nobody has to believe the dock", "Everything is checked offline, with the dock's public keys.")
    trust = _trust(show, custodian)
    _verify_ledger(show, trust)
    _verify_store(show, trust)
    _compare_masters(show)
    _by_openssl(show, trust)
    _altered_ledger(show, trust)


def _trust(show: Show, custodian: Custodian) -> Path:
    """The dock's trust file, with the custodian's lines put into it: its receipts count, and that it is a witness."""
    answer = show.agent.ask("keys", "show", "--json")
    file = show.place.root / "trust.json"
    file.write_text(json.dumps({**answer.json(), "custodians": [custodian.line], "witnesses": [custodian.witness]}))
    show.expect(answer.code == 0, "dockagent keys show --json gives the trust file: public keys, and nothing else")
    return file


def _verify_ledger(show: Show, trust: Path) -> None:
    answer = agent.run("verify", show.place.home, "--trust", trust, "--json")
    show.expect(answer.code == 0, f"dockagent verify: the ledger is good, all {len(show.ledger.all)} records of it")


def _verify_store(show: Show, trust: Path) -> None:
    """The whole store: good, but for findings about what is in quarantine."""
    answer = agent.run("verify", show.place.store, "--trust", trust, "--json")
    reports: list[dict[str, Any]] = answer.json()["reports"]
    (told,) = (one for one in reports if one["kind"] == "custodian")
    show.expect(told["result"] == "good", f"dockagent verify: {told['verdicts']['signer']['why']}")
    reports = [one for one in reports if one["kind"] in ("clip", "catalogue", "published ledger")]
    odd = [one for one in reports if one["result"] != "good"]
    wrong = [one["path"] for one in odd if one["result"] != "findings" or "/quarantine/" not in one["path"]]
    if wrong:
        raise Unmet(f"dockagent verify does not pass {len(wrong)} of {len(reports)} stored clips, such as {wrong[0]}")
    show.expect(
        answer.code == FINDINGS and len(odd) == 1,
        f"dockagent verify: {len(reports) - 1} of {len(reports)} files in the store are good, one is in quarantine",
    )


def _compare_masters(show: Show) -> None:
    """Every file in the store against the emulated card that it came from."""
    cards = {actor.serial: actor.camera.card for actor in show.cast}
    rows: list[dict[str, Any]] = show.agent.ask("clips", "--json").json()
    same = [_sha256(show.place.store / row["stored"]) == _sha256(cards[row["camera"]] / row["path"]) for row in rows]
    show.expect(
        all(same) and len(same) == sum(len(one.listed) for one in show.tally.cameras.values()),
        f"all {len(same)} files in the store are byte for byte those on the cards",
    )


def _by_openssl(show: Show, trust: Path) -> None:
    """The signature of the record that says how the long clip was read, and that clip's digest."""
    if shutil.which("openssl") is None:
        show.screen.say("  openssl is not installed here, so it checks nothing", "faint")
        return
    hasty = show.cast[2]
    record = max(show.about(hasty, "acquire"), key=lambda one: int(one.what["bytes"]))
    folder = show.place.root / "by-openssl"
    lay_out(folder, record, trust)
    command = "openssl dgst -sha256 -verify key.pem -signature record.sig record.signed"
    said = _openssl(folder, command)
    show.expect(said.strip() == "Verified OK", f"openssl: the dock signed record {record.index} (in .demo/by-openssl:")
    show.screen.say(f"      {command})", "faint")
    _digests_agree(show, record.what["clip_id"], hasty.camera.card)


def lay_out(folder: Path, record: Record, trust: Path) -> None:
    """Write what openssl needs: the dock's key, the signature, the signed bytes (DSSE's PAE)."""
    folder.mkdir()
    envelope = json.loads(record.line)
    kind, body = envelope["payloadType"].encode(), payload(record.line)
    (folder / "key.pem").write_text(json.loads(trust.read_text())["docks"][0]["record_key_pem"])
    (folder / "record.sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"], validate=True))
    (folder / "record.signed").write_bytes(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body))


def _digests_agree(show: Show, clip_id: str, card: Path) -> None:
    row = show.agent.ask("show", clip_id, "--json").json()
    files = (show.place.store / row["stored"], card / row["path"])
    digests = {_openssl(show.place.root, "openssl dgst -sha256 -r", file).split()[0] for file in files}
    show.expect(
        digests == {row["sha256"]},
        f"openssl: the long clip has SHA-256 {row['sha256'][:16]}… on the card, in the store, in the ledger",
    )


def _altered_ledger(show: Show, trust: Path) -> None:
    """A copy of the ledger with one bit of one record flipped."""
    copy = show.place.root / "altered-ledger"
    shutil.copytree(show.place.home / "ledger", copy)
    entries = copy / "entries.jsonl"
    data = bytearray(entries.read_bytes())
    data[len(data) // 2] ^= 1
    entries.write_bytes(data)
    answer = agent.run("verify", copy, "--trust", trust, "--json")
    show.expect(answer.code == 1, "dockagent verify: a copy of the ledger with one bit flipped is refused:")
    verdicts = answer.json()["reports"][0]["verdicts"]
    why = next(one["why"] for one in verdicts.values() if one["verdict"] == "fail")
    show.screen.say(f"      {why}", "faint")


def _openssl(folder: Path, command: str, *files: Path) -> str:
    done = subprocess.run([*command.split(), *files], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
