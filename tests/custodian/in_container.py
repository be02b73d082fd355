"""A container on a real Swift server, as the store that a custodian is tried on."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dockagent.clock import SystemClock
from dockagent.stores.archive import Archive
from dockagent.stores.archive_swift import SwiftArchive
from dockagent.stores.swift_settings import SwiftSettings
from hil.central import swift
from tests.contracts.swift_place import PREFIX, Container


@dataclass(slots=True)
class InContainer:
    """The tests' own way into it is HTTP; ``account``: as whom the custodian comes, or the container's owner."""

    container: Container
    account: swift.Account | None = None

    @property
    def url(self) -> str:
        return f"swift://{self.container.name}/{PREFIX}"

    @property
    def settings(self) -> SwiftSettings:
        settings = self.container.settings
        return replace(settings, user=self.account.name, key=self.account.key) if self.account else settings

    def put(self, key: str, data: bytes) -> None:
        status, _, said = self.container.way.ask("PUT", f"/{self.container.name}/{PREFIX}/{key}", data)
        assert status == 201, (status, said)

    def drop(self, key: str) -> None:
        """Have somebody delete an object."""
        status, _, said = self.container.way.ask("DELETE", f"/{self.container.name}/{PREFIX}/{key}")
        assert status == 204, (status, said)

    def keep_versions(self) -> None:
        """Have the container keep them from now on."""
        status, _, said = self.container.way.ask("POST", f"/{self.container.name}", X_Versions_Enabled="true")
        assert status == 204, (status, said)

    def take(self, key: str) -> bytes | None:
        return self.container.content(key)

    def listed(self) -> list[str]:
        return sorted(one["name"].removeprefix(f"{PREFIX}/") for one in self.container.way.names(self.container.name))

    def archive(self) -> Archive:
        return SwiftArchive(self.settings, SystemClock())

    def tables(self, folder: Path) -> dict[str, dict[str, Any]]:
        """``[store]`` and ``[swift]`` of who comes here; the key lies in ``folder`` then."""
        folder.mkdir(parents=True, exist_ok=True)
        secret = folder / "swift.key"
        secret.write_text(self.settings.key)
        secret.chmod(0o600)
        reached = {"auth_url": self.container.auth_url, "user": self.settings.user, "key_file": str(secret)}
        return {"store": {"url": self.url}, "swift": reached}
