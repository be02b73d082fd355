"""The command line: one file per command. Here only what they share: the parser, errors and exit codes.

Exit codes: 0 done and good, 1 the answer is no, 2 usage or configuration, 3 done with findings, 4 cannot tell.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from dockagent import __version__
from dockagent.core.plain import plain
from dockagent.errors import DockError, Interrupted, Missing

COMMANDS = (
    *("run", "ingest", "status", "clips", "show", "disclose", "hold", "assign", "verify", "doctor", "keys", "profile"),
    *("witness", "store", "erase"),
    "custodian",
)


def parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """The command line with the commands of these names. Each is loaded here and not before: what the others need
    would cost every one of them more time than its own work."""
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
    for name in names:
        import_module(f"dockagent.cli.{name}").add(commands, parent)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; what went wrong is one line on stderr."""
    words = sys.argv[1:] if argv is None else argv
    asked = [one for one in words[:1] if one in (*COMMANDS, "--version")]
    args = parser([one for one in asked if one in COMMANDS] if asked else COMMANDS).parse_args(words)
    _log_to_stderr(args.log or getattr(args, "log_default", "warning"))
    try:
        code: int = args.run(args)
        if sys.stdout is not None:  # it may have been closed before we began
            sys.stdout.flush()
    except DockError as err:
        print(f"dockagent: {plain(str(err))}", file=sys.stderr)
        return err.exit_code
    except KeyboardInterrupt:
        print("dockagent: interrupted; what is on record stays, and the command can be given again", file=sys.stderr)
        return Interrupted.exit_code
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
