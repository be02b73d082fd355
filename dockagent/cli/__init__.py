"""The command line: one file per command. Here only what they share: the parser, errors and exit codes.

Exit codes: 0 done and good, 1 the answer is no, 2 usage or configuration, 3 done with findings, 4 cannot tell.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from dockagent import __version__
from dockagent.cli import clips, doctor, ingest, keys, profile, run, show, status, verify, witness
from dockagent.errors import DockError, Missing

COMMANDS = (run, ingest, status, clips, show, verify, doctor, keys, profile, witness)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("--config", metavar="FILE", help="configuration (default: /etc/dockagent/dockagent.toml)")
    parent.add_argument("--home", metavar="DIR", help="where keys, ledger, spool and quarantine lie")
    parent.add_argument("--json", action="store_true", help="print data for programs instead of words for people")
    parent.add_argument("--log", metavar="LEVEL", default="", help="what to log on stderr: debug, info, warning, error")
    top = argparse.ArgumentParser(
        prog="dockagent",
        description="The agent on a body-worn camera dock: pulls, verifies, previews and delivers footage.",
    )
    top.add_argument("--version", action="version", version=f"dockagent {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands, parent)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; what went wrong is one line on stderr."""
    args = parser().parse_args(argv)
    _log_to_stderr(args.log or getattr(args, "log_default", "warning"))
    try:
        code: int = args.run(args)
        if sys.stdout is not None:  # it may have been closed before we began
            sys.stdout.flush()
    except DockError as err:
        print(f"dockagent: {err}", file=sys.stderr)
        return err.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody listens any more: end quietly
        return 1
    except OSError as err:
        print(
            f"dockagent: {err.filename or 'output'}: {err.strerror or err}; check the disk, and who may use it",
            file=sys.stderr,
        )
        return Missing.exit_code
    return code


def _log_to_stderr(level: str) -> None:
    under_systemd = "JOURNAL_STREAM" in os.environ
    form = "%(message)s" if under_systemd else "%(asctime)s %(message)s"
    known = logging.getLevelNamesMapping()
    logging.basicConfig(level=known.get(level.upper(), logging.WARNING), format=form, stream=sys.stderr)
    for chatty in ("botocore", "boto3", "urllib3", "watchdog", "s3transfer"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
