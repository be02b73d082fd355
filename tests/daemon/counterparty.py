"""A real custodian beside the bucket of a dock in a box: a process of its own, with keys and a credential of its own,
which the dock asks for receipts and has its ledger witnessed by."""

from dataclasses import dataclass
from typing import Any, Self

from dockagent.custodian import service
from dockagent.durable import RealDisk
from dockagent.ledger.keys import Keys
from dockagent.ledger.trust import Trust
from hil.central.processes import free_ports
from tests.contracts.store_places import Bucket
from tests.custodian.account import CUSTODIAN
from tests.custodian.processes import Installed, bucket_of
from tests.daemon.box import SETTINGS, Box


@dataclass(slots=True)
class Counterparty:
    """The custodian, what a dock's configuration says of it, and what a trust file does."""

    its: Installed
    key: str
    tables: dict[str, dict[str, Any]]
    trust: Trust

    @classmethod
    def beside(cls, bucket: Bucket, url: str, box: Box, **more: Any) -> Self:
        """A custodian for the dock in ``box``, whose keys are made where there are none. ``more``: tables of its
        configuration."""
        keys = RealDisk(box.place.home / "keys")
        own = Keys.load(keys) if keys.size("trust.json") else Keys.create(keys, str(SETTINGS["dock"]["id"]))
        folder, (port,) = box.place.root / "custodian", free_ports(1)
        signing, witnessing = service.open_keys(folder / "home", "custodian")
        public, witness = signing.public, witnessing.public
        address = f"127.0.0.1:{port}"
        its = Installed(
            folder,
            bucket_of(bucket, url, CUSTODIAN, folder),
            Trust(docks=own.docks),
            service={"listen": address},
            custodian={"every_s": 1, "ledger_wait_minutes": 60, **more.pop("custodian", {})},
            **more,
        )
        tables = {
            "custodian": {"keys": [public.text()], "url": f"http://{address}", "every_s": 1},
            "witnesses": {"ask": [f"{witness.text()} http://{address}"], "every_records": 1, "timeout_s": 5},
        }
        trusted = Trust(docks=own.docks, witnesses=(witness,), quorum=1, custodians=(public,))
        return cls(its, public.text(), tables, trusted)
