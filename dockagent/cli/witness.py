"""``dockagent witness``: cosign other docks' checkpoints on a machine that is no dock itself."""

import argparse
import signal

from dockagent import config
from dockagent.errors import UsageError

HELP = "cosign other docks' checkpoints, on a machine that is no dock itself"
DESCRIPTION = """Answers C2SP tlog-witness requests at the address in [witness] listen, for the docks in [witness] logs,
until it is told to stop. A dock that runs (`dockagent run`) does this by itself; a machine apart needs only this."""
_ENDS = (signal.SIGTERM, signal.SIGINT)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("witness", parents=[parent], help=HELP, description=DESCRIPTION)
    parser.add_argument(
        "--vkey", action="store_true", help="print this machine's witness key, made if need be, and end"
    )
    parser.set_defaults(run=run, log_default="info")


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    if args.vkey:
        return _print_key(args)
    from dockagent import daemon, systemd  # heavy: the other commands do without

    # The kernel keeps the signal until it is asked for. A handler would run in the main thread only, which a lock that
    # it has just begun to wait for does not wake: such a witness never ended.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    try:
        with daemon.witnessing(config.of(args), config.home(args)):
            systemd.notify("READY=1")
            signal.sigwait(_ENDS)
            systemd.notify("STOPPING=1")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return 0


def _print_key(args: argparse.Namespace) -> int:
    from dockagent.ledger.witness_service import open_key  # brings the server along

    home = config.home(args)
    try:
        key = open_key(home, config.dock_id(config.of(args)))
    except OSError as err:
        raise UsageError(f"cannot use {home}: {err.strerror}", "run this as the agent's user") from err
    print(key.public.text())
    return 0
