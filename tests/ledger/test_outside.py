"""The ledger and its proofs before the Go project's transparency-log code, which shares nothing with ours."""

import base64
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dockagent.core.proof import merkle
from dockagent.ledger.keys import Keys
from tests.ledger import made, witnesses
from tests.outside import GOPATH, Accepts, absent, go_program

__all__ = ["GOPATH", "absent", "outside"]

SOURCE = Path(__file__).parent / "outside" / "main.go"


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Accepts:
    """Runs the Go verifier: True when it accepts, False when it says that it refuses."""
    return go_program(SOURCE, tmp_path_factory.mktemp("go"))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return made.keys(tmp_path / "keys")


@pytest.mark.parametrize("count", [1, 2, 13, 64])
def test_a_ledger_is_accepted(tmp_path: Path, keys: Keys, outside: Callable[..., bool], count: int) -> None:
    folder = made.ledger(tmp_path / "ledger", keys, count)
    assert outside("ledger", folder / "entries.jsonl", folder / "checkpoint", keys.vkey)


def test_a_damaged_ledger_is_refused(tmp_path: Path, keys: Keys, outside: Callable[..., bool]) -> None:
    folder = made.ledger(tmp_path / "ledger", keys)
    args = ("ledger", folder / "entries.jsonl", folder / "checkpoint", keys.vkey)
    lines = made.entries(folder)
    for damaged in (
        [*lines[:5], made.flip(lines[5]), *lines[6:]],
        [*lines[:5], *lines[6:]],
        [*lines[:5], lines[6], lines[5], *lines[7:]],
        lines[:-1],
    ):
        made.write_entries(folder, damaged)
        assert not outside(*args)
    made.write_entries(folder, lines)
    assert outside(*args)
    checkpoint = (folder / "checkpoint").read_bytes()
    (folder / "checkpoint").write_bytes(checkpoint.replace(b"\n13\n", b"\n12\n"))
    assert not outside(*args)
    (folder / "checkpoint").write_bytes(checkpoint)
    assert not outside(*args[:3], made.keys(tmp_path / "other", seed=8).vkey)


def test_every_record_is_proved_and_an_altered_one_is_not(
    tmp_path: Path, keys: Keys, outside: Callable[..., bool]
) -> None:
    folder = made.ledger(tmp_path / "ledger", keys)
    lines = made.entries(folder)
    leaves = [merkle.leaf_hash(line) for line in lines]
    entry = tmp_path / "entry"
    for index, line in enumerate(lines):
        proof = written(tmp_path / "proof", merkle.inclusion_proof(leaves, index))
        args = ("inclusion", keys.vkey, folder / "checkpoint", str(index), entry, proof)
        entry.write_bytes(line)
        assert outside(*args)
        entry.write_bytes(made.flip(line))
        assert not outside(*args)


def test_growth_is_proved_and_a_fork_by_the_key_holder_is_not(
    tmp_path: Path, keys: Keys, outside: Callable[..., bool]
) -> None:
    leaves = [merkle.leaf_hash(line) for line in made.entries(made.ledger(tmp_path / "ledger", keys))]
    fork = [*leaves[:3], merkle.leaf_hash(b"record 3, rewritten"), *leaves[4:]]
    older, newer = tmp_path / "older", tmp_path / "newer"
    for first in range(1, 13):
        older.write_text(keys.sign_checkpoint(first, merkle.root(leaves[:first])))
        for now, accepted in ((leaves, True), (fork, first <= 3)):  # up to record 3 the fork tells the same story
            newer.write_text(keys.sign_checkpoint(13, merkle.root(now)))
            proof = written(tmp_path / "proof", merkle.consistency_proof(now, first))
            assert outside("consistency", keys.vkey, older, newer, proof) == accepted


def test_a_checkpoint_of_a_fork_does_not_fit_the_ledger(
    tmp_path: Path, keys: Keys, outside: Callable[..., bool]
) -> None:
    folder = made.ledger(tmp_path / "ledger", keys)
    forked = [keys.sign_record(made.record(number, "fork" if number == 3 else "made")) for number in range(13)]
    (folder / "checkpoint").write_text(keys.sign_checkpoint(13, merkle.root(map(merkle.leaf_hash, forked))))
    assert not outside("ledger", folder / "entries.jsonl", folder / "checkpoint", keys.vkey)


def test_every_line_is_verified_by_openssl(tmp_path: Path, keys: Keys) -> None:
    pub, sig, signed = tmp_path / "pub.pem", tmp_path / "sig", tmp_path / "pae"
    pub.write_text(keys.public_pem)

    def accepted(line: bytes) -> bool:
        envelope = json.loads(line)
        kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
        signed.write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
        sig.write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
        command: list[str | Path] = ["openssl", "dgst", "-sha256", "-verify", pub, "-signature", sig, signed]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.stdout in (b"Verified OK\n", b"Verification failure\n"), done.stderr
        return done.returncode == 0

    for line in made.entries(made.ledger(tmp_path / "ledger", keys, 5)):
        assert accepted(line)
        assert not accepted(made.flip(line))


def test_a_witnesss_word_is_accepted_and_an_altered_one_is_not(
    tmp_path: Path, keys: Keys, outside: Callable[..., bool]
) -> None:
    """Asked and answered as in life; then checked by Go alone."""
    hashes = witnesses.leaves(13)
    one, two = witnesses.witness(keys), witnesses.witness(keys, name="w.example/2", seed=2)
    head, file = witnesses.checkpoint(keys, hashes), tmp_path / "checkpoint"
    lines = [asked.add_checkpoint(witnesses.request(keys, hashes, 0, 13).encode()).body for asked in (one, two)]
    file.write_bytes(head + lines[0] + "— new.example/kind AAAAAAAAAAAA\n".encode() + lines[1])
    mine, other = witnesses.key().public.text(), witnesses.key(name="w.example/2", seed=2).public.text()
    assert outside("cosigned", keys.vkey, file, mine)
    assert outside("cosigned", keys.vkey, file, other)
    assert not outside("cosigned", keys.vkey, file, witnesses.key(name="w.example/1", seed=3).public.text())
    file.write_bytes(head + lines[1])
    assert not outside("cosigned", keys.vkey, file, mine)
    later = witnesses.checkpoint(keys, witnesses.leaves(14))
    file.write_bytes(later + lines[0])
    assert not outside("cosigned", keys.vkey, file, mine)


def test_the_proofs_that_are_sent_to_witnesses_are_accepted(
    tmp_path: Path, keys: Keys, outside: Callable[..., bool]
) -> None:
    hashes, fork = witnesses.leaves(40), witnesses.leaves(40, fork_at=1)
    old, new = tmp_path / "old", tmp_path / "new"
    for first, second in ((1, 2), (7, 8), (8, 33), (13, 40)):
        sent = witnesses.request(keys, hashes, first, second)
        old.write_bytes(witnesses.checkpoint(keys, hashes, first))
        new.write_bytes(sent.checkpoint)
        assert outside("consistency", keys.vkey, old, new, written(tmp_path / "proof", sent.proof))
        forked = witnesses.request(keys, fork, first, second)
        new.write_bytes(forked.checkpoint)
        if first > 1:
            assert not outside("consistency", keys.vkey, old, new, written(tmp_path / "proof", forked.proof))


def written(path: Path, proof: Sequence[bytes]) -> Path:
    path.write_text("".join(base64.b64encode(one).decode() + "\n" for one in proof))
    return path
