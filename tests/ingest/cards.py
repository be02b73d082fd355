"""Cards made of the corpus: the layouts that real cameras write, filled with real footage."""

import json
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path, PurePosixPath
from typing import Any

from tests.corpus import corpus
from tests.ingest.bench import place

PULLED = {"footage", "proxy", "thumbnail", "sidecar", "photo"}
_MOVIES = (
    *("prog_8s.mp4", "split/v1.mp4", "split/v2.mp4", "split/v3.mp4", "hevc.mp4", "rotation90.mp4", "hero5-trimmed.mp4"),
    *("fragmented.mp4", "short-cenc.mp4", "frag/v300_multiple_segments.mp4", "frag/init.mp4", "GL012297.LRV"),
)
_BY_SUFFIX = {
    ".mkv": ("avc.mkv",),
    ".mts": ("segment.ts", "m2ts-head.mts"),
    ".thm": ("GX012299.THM",),
    ".jpg": ("GX012299.THM",),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """One camera's card: ``roles`` by path, ``groups`` of paths that are one recording."""

    camera: str
    roles: dict[str, str]
    groups: tuple[tuple[str, ...], ...]

    def build(self, card: Path) -> None:
        """Make the card. Footage is real; what no corpus file fits is a few bytes that say what they stand for."""
        movies = cycle(_MOVIES)
        for number, path in enumerate(self.roles):
            suffix = PurePosixPath(path).suffix.lower()
            if suffix in (".mp4", ".lrv", ".lrf"):
                data = corpus("footage", next(movies)).read_bytes()
            elif suffix in _BY_SUFFIX:
                names = _BY_SUFFIX[suffix]
                data = corpus("footage", names[number % len(names)]).read_bytes() + path.encode()  # no two the same
            elif suffix == ".srt":
                data = corpus("telemetry", "dji", "air2s.srt").read_bytes()
            elif path == "MISC/version.txt":
                data = corpus("footage", "gopro-version.txt").read_bytes()
            else:
                data = f"{self.camera}: {path}\n".encode()
            place(card, path, data)


def layouts() -> list[Layout]:
    """Every camera of the corpus's layouts; none where the corpus is absent."""
    listing = corpus("card-layouts", "layouts-dev.json")
    cards: list[dict[str, Any]] = json.loads(listing.read_text())["cards"]
    return [
        Layout(
            card["camera"],
            {file["path"]: file["role"].removesuffix("-do-not-upload") for file in card["files"]},
            tuple(tuple(group) for group in card.get("groups", [])),
        )
        for card in cards
    ]
