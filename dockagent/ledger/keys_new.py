"""The keys of a new dock in its home, and never where a dock has been before: new keys would disown its ledger."""

import re
from pathlib import Path

from dockagent.durable import RealDisk
from dockagent.errors import UsageError
from dockagent.ledger.keys import PUBLIC, Keys
from dockagent.ledger.keys_identity import KINDS, Maker, in_file
from dockagent.ledger.log import ENTRIES

_LATER = re.compile(r"(identity|record|log)-[0-9]+\.(pem|credential|tpm)")


def new_keys(home: Path, dock_id: str, identity: Maker = in_file) -> Keys:
    """The keys of a new dock, made in ``home/keys`` as :meth:`Keys.create` does. Raises UsageError also where a dock
    has worked in ``home`` before (:func:`refuse_lost_public_side`)."""
    refuse_lost_public_side(home)
    return Keys.create(RealDisk(home / "keys"), dock_id, identity=identity)


def refuse_lost_public_side(home: Path) -> None:
    """Raises UsageError where ``trust.json`` is missing from the keys folder of a dock that has worked: its ledger has
    records, or its keys were changed. A creation that a crash cut short has neither."""
    folder, ledger = home / "keys", home / "ledger"
    if (folder / PUBLIC).exists():
        return
    entries = ledger / ENTRIES
    later = sorted(one.name for one in folder.glob("*") if _LATER.fullmatch(one.name))
    if entries.exists() and entries.stat().st_size:
        why = f"the ledger {ledger} has records"
    elif later:
        why = f"{later[0]} says that its keys were changed"
    else:
        return
    raise UsageError(f"{folder / PUBLIC} is missing, and this dock is not new: {why}", _way_back(folder, ledger))


def _way_back(folder: Path, ledger: Path) -> str:
    private = any((folder / f"identity.{kind}").exists() or any(folder.glob(f"identity-*.{kind}")) for kind in KINDS)
    if not private:
        return "bring back the keys folder from its backup, or give another --home for a new dock"
    if (beside := ledger / PUBLIC).exists():
        return f"bring it back: `cp {beside} {folder / PUBLIC}`"
    return f"bring {PUBLIC} back from the backup of the keys folder"
