"""Excerpts built to deceive: taken apart, altered, and put together again as well as a forger without keys can do it.

The forger's tools: the one form of an excerpt's file (which is no secret), a stock ffmpeg, and a proof of which he may
write anew everything but what the dock signed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dockagent.core import strict_json
from dockagent.core.movie.boxes import Walker
from dockagent.core.movie.clip_samples import hashed
from dockagent.core.movie.movie import read_movie
from dockagent.core.movie.raw import read_raw
from dockagent.core.movie.writer import OutTrack, lay_out
from tests.evidence.excerpts import as_it_is, rewrite

FILE = "excerpt.mp4"


@dataclass(slots=True)
class Parts:
    """An excerpt in parts: its tracks, and the bytes of the samples of each."""

    quicktime: bool
    tracks: list[OutTrack]
    samples: list[list[bytes]]

    @classmethod
    def of(cls, file: Path) -> "Parts":
        with file.open("rb", buffering=0) as source:
            walker = Walker(source, file.stat().st_size)
            quicktime, raw = read_raw(walker)
            tracks, samples = [], []
            for one, its in zip(hashed(walker, read_movie(walker)), raw, strict=True):
                columns = one.box.samples
                shift = list(columns.shift) or [0] * len(columns)
                tracks.append(
                    OutTrack(
                        raw=its,
                        time_scale=one.box.about.time_scale,
                        matrix=one.box.about.matrix,
                        dts=list(columns.dts),
                        pts=[dts + more for dts, more in zip(columns.dts, shift, strict=True)],
                        size=list(columns.size),
                        sync=None if columns.sync is None else frozenset(columns.sync),
                        wait=min(one.plays.pts),
                        lasts=its.duration - columns.dts[-1],
                    )
                )
                places = zip(columns.offset, columns.size, strict=True)
                samples.append([walker.read(offset, size) for offset, size in places])
        return cls(quicktime, tracks, samples)

    def order(self, track: int, numbers: Sequence[int]) -> None:
        """Let a track have just its samples with these numbers, in this order, at the times of as many first ones."""
        its, data = self.tracks[track], self.samples[track]
        self.samples[track] = [data[at] for at in numbers]
        step = its.dts[1] - its.dts[0]
        count = len(numbers)
        shifts = [its.pts[at] - its.dts[at] for at in numbers]
        dts = [step * at for at in range(count)]
        self.tracks[track] = replace(
            its,
            dts=dts,
            pts=[one + shift for one, shift in zip(dts, shifts, strict=True)],
            size=[len(one) for one in self.samples[track]],
            sync=None if its.sync is None else frozenset(new for new, old in enumerate(numbers) if old in its.sync),
        )

    def change(self, track: int, **changed: object) -> None:
        """Give a track other members."""
        self.tracks[track] = replace(self.tracks[track], **changed)  # type: ignore[arg-type]

    def write(self, folder: Path) -> None:
        """Put it together in ``folder``, with a proof that names the new file's digest."""
        layout = lay_out(self.tracks, quicktime=self.quicktime)
        body = (sample for one in layout.chunks for sample in self.samples[one.track][one.first : one.end])
        (folder / FILE).write_bytes(layout.head + b"".join(body))
        as_it_is(folder)


def parts(change: Callable[[Parts], None]) -> Callable[[Path], None]:
    """A forgery that takes the file apart, changes it, and puts it together."""

    def forge(folder: Path) -> None:
        found = Parts.of(folder / FILE)
        change(found)
        found.write(folder)

    return forge


def octets(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """A forgery of the file's bytes."""

    def forge(folder: Path) -> None:
        before = (folder / FILE).read_bytes()
        after = change(before)
        assert after != before
        (folder / FILE).write_bytes(after)
        as_it_is(folder)

    return forge


def proof_of(folder: Path) -> dict[str, object]:
    """The proof's members."""
    found: dict[str, object] = strict_json.parse((folder / "excerpt.json").read_bytes())
    return found


def tracks(change: Callable[[list[dict[str, object]]], None]) -> Callable[[Path], None]:
    """A forgery of what the proof says of the tracks."""

    def forge(folder: Path) -> None:
        said = proof_of(folder)["tracks"]
        assert isinstance(said, list)
        change(said)
        rewrite(folder, tracks=said)

    return forge
