"""``dockagent verify``: check a ledger or stored clips, offline."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from dockagent import config
from dockagent.core import events as ev
from dockagent.core.acts import Grounds
from dockagent.core.plain import plain
from dockagent.desk import desk
from dockagent.errors import Missing, UsageError
from dockagent.evidence import report
from dockagent.evidence.check_sealed import NONE_OPENS
from dockagent.evidence.keyring import NOT_NAMED
from dockagent.evidence.report import CONTENT, Report, Verdict
from dockagent.evidence.sealed import read_identities
from dockagent.evidence.trust_file import read_trust
from dockagent.evidence.verify import (
    found_elsewhere,
    keys_beside,
    stored_clips,
    strangers,
    verify,
    verify_together,
)
from dockagent.ledger.keys import PUBLIC
from dockagent.ledger.trust import Trust

HELP = "check a ledger, a stored clip, or a whole store, offline"
DESCRIPTION = """Check a ledger folder, a dock's home, a stored clip's folder, or any folder above such.
Says separately whether the bytes are intact, the signature is good, the signer is trusted, the time is vouched for, and
everything is there. Given a dock and its store together, also whether any delivered clip was taken away.
Without --trust no signer can pass: a key found beside what it signed proves nothing."""
EPILOG = """exit codes: 0 all good · 1 something is refuted · 3 findings a person should look at · 4 cannot tell
(something needed is missing) · 2 wrong usage"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("verify", parents=[parent], help=HELP, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="what to check")
    parser.add_argument(
        "--trust", metavar="FILE", type=Path, help="whom to believe (from `dockagent keys show --json`)"
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a checkpoint that you kept: the ledger must contain it (its time stamp beside it as FILE.tsr)",
    )
    parser.add_argument(
        "--identity",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="an age identity: what is sealed to it is opened and checked too, through the temporary folder; in a"
        " dock's home that goes on record",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check every path; the exit code is that of the gravest answer."""
    trust = read_trust(args.trust) if args.trust else None
    clips = stored_clips(args.paths)
    also, keys = found_elsewhere(args.paths, args.checkpoint), keys_beside(args.paths)
    identities = read_identities(args.identity)
    if identities:
        _on_record(args)
    reports: list[Report] = []
    for path in args.paths:
        try:
            reports += verify(path, trust, also, keys, identities)
        except Missing as err:
            if len(args.paths) == 1:
                raise
            reports.append(Report("folder", str(path), {"intact": Verdict("unknown", err.what)}))
    reports += verify_together(args.paths, clips) + strangers(args.paths, args.checkpoint)
    if args.json:
        print(json.dumps(report.as_json(reports), ensure_ascii=True, indent=2))
    else:
        sys.stdout.write(report.as_text(reports))
    for line in _remarks(trust, reports):
        print(f"dockagent: {plain(line)}", file=sys.stderr)
    return report.exit_code(reports)


def _remarks(trust: Trust | None, reports: Sequence[Report]) -> Iterator[str]:
    """What is likely to be wrong with the command, said once: a trust file or an identity that fits nothing here."""
    signers = [one.verdicts["signer"].why for one in reports if "signer" in one.verdicts and one.kind in _BY_DOCKS]
    if trust and signers and all(NOT_NAMED in why for why in signers):
        names = ", ".join(dict.fromkeys(dock.id for dock in trust.docks)) or "no dock by its keys"
        yield f"the trust file names {names}, and nothing that was checked is signed by whom it names; check --trust"
    inside = [one.verdicts[CONTENT].why for one in reports if CONTENT in one.verdicts]
    closed = sum(NONE_OPENS in why for why in inside)
    if closed and closed == len(inside):
        yield f"no identity that was given opens any of {closed} sealed clips; they were checked as without one"


_BY_DOCKS = ("ledger", "published ledger", "clip", "package", "records", "excerpt")


def _on_record(args: argparse.Namespace) -> None:
    """Whoever opens sealed footage in a dock's home reads footage there: on record, before any of it is opened. Raises
    UsageError, Refused or Missing where that cannot be; a copy outside of a home needs no record, as nobody could
    write one."""
    for path in args.paths:
        home = next((one for one in (path.absolute(), *path.absolute().parents) if _is_home(one)), None)
        if home is None:
            continue
        why = Grounds(purpose="what is sealed is opened and compared with its record")
        try:
            with desk(config.of(args), home) as at:
                clip = path.absolute().name
                at.record(ev.Accessed("verify", clip if clip in at.state.clips else "", grounds=why))
        except (Missing, OSError) as err:
            what = err.what if isinstance(err, Missing) else f"{err.filename}: {err.strerror}"
            raise Missing(f"{_ON_RECORD.format(home)}: {what}", _COPY) from err
        except UsageError as err:
            raise UsageError(f"{_ON_RECORD.format(home)}: {err.what}", err.hint) from err


_ON_RECORD = "sealed footage in the dock's home {} is opened on record only"
_COPY = "check a copy of the clips outside of the home, or see why the dock does not answer"


def _is_home(folder: Path) -> bool:
    return (folder / "keys").is_dir() and (folder / "ledger" / PUBLIC).is_file()
