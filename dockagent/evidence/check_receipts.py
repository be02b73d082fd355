"""Is every clip that the ledger has a receipt for still in the store? Only where both are at hand can one tell."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dockagent.core import dsse, strict_json
from dockagent.errors import Refused
from dockagent.evidence.report import Report, Verdict

SHOWN = 5


def check_receipts(ledger: str, lines: Iterable[bytes], stores: Sequence[Path]) -> Report | None:
    """Compare the receipts in a ledger's ``lines`` with the folders ``stores``; None where it has none.

    Whether the ledger itself is sound is another check's question. Receipts that another store gave are left out
    where the ledger has some of these stores' own.
    """
    receipts = {one["key"]: one for one in _receipts(lines)}
    here = {store.absolute().as_uri() for store in stores}
    own = {key: one for key, one in receipts.items() if one["store"] in here} or receipts
    if not own:
        return None
    missing = [key for key, one in own.items() if not any(_size(store / key) == one["bytes"] for store in stores)]
    if missing:
        shown = ", ".join(missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
        verdict = Verdict("fail", f"{len(missing)} of {len(own)} delivered objects are not in the store: {shown}")
    else:
        verdict = Verdict("pass", f"all {len(own)} objects that the ledger has receipts for are in the store")
    return Report("receipts", ledger, {"complete": verdict})


def _receipts(lines: Iterable[bytes]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            record = strict_json.parse(dsse.parse(line).payload)
        except Refused:
            continue  # the ledger's own check says so
        if record.get("type") == "receipt":
            yield record["what"]["receipt"]
            yield from record["what"]["others"]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
