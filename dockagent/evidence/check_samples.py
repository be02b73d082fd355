"""Check the sample trees of a clip record against the clip: made again from its bytes, and compared root by root."""

from collections.abc import Iterator
from dataclasses import dataclass

from dockagent.core.movie.clip_samples import Measure, Track
from dockagent.core.proof import merkle
from dockagent.evidence.report import Verdict


@dataclass(frozen=True, slots=True)
class Samples:
    """What came of it. ``wrong``: a line for each track that is not as the record says. ``unread``: why trees could not
    be made again, or empty. ``facts``: for the report."""

    wrong: tuple[str, ...] = ()
    unread: str = ""
    facts: tuple[str, ...] = ()

    def weigh(self, intact: Verdict) -> Verdict:
        """The verdict ``intact`` on the bytes, with what was found about the samples."""
        if self.wrong:
            others = f"{intact.why}; " if intact.word == "fail" else ""
            return Verdict("fail", f"{others}{'; '.join(self.wrong)}")
        if self.unread and intact.word == "pass":
            return Verdict("unknown", self.unread)
        return intact


def said_samples(said: Measure | None) -> Samples:
    """What a record without trees, or one whose clip is not here, says."""
    if said is None:
        return Samples(facts=("byte tree only: the record tells of no samples",))
    if said.trees:
        return Samples()
    return Samples(facts=(said.why or "byte tree only: no track has a sample tree", *_without(said)))


def check_samples(said: Measure, found: Measure) -> Samples:
    """Compare the trees of a record with those that were ``found`` in the bytes that are here."""
    tracks = {track.track: track for track in found.tracks}
    wrong, unread, facts = list[str](), list[str](), list[str]()
    for track in said.trees:
        made = tracks.get(track.track)
        if merkle.leaf_hash(track.presentation.encode()).hex() != track.presentation_leaf:
            wrong.append(f"the record contradicts itself about how track {track.track} is shown")
        if made is None or not made.root:
            why = (made.why if made else "") or found.why or "it is not there"
            unread.append(f"the samples of track {track.track} cannot be compared: {why}")
        elif differs := list(_differences(track, made)):
            wrong.append(f"track {track.track} ({track.codec}) has {' and '.join(differs)} than the record says")
        else:
            facts.append(
                f"track {track.track} ({track.handler} {track.codec}): sample tree made again over {made.samples} "
                f"samples, the same root {made.root}"
            )
    return Samples(tuple(wrong), "; ".join(unread), (*facts, *_without(said)))


def _differences(said: Track, made: Track) -> Iterator[str]:
    if (said.samples, said.root, said.left_out) != (made.samples, made.root, made.left_out):
        yield "other samples"
    if said.presentation_leaf != made.presentation_leaf:
        yield "another presentation"


def _without(said: Measure) -> Iterator[str]:
    for track in said.tracks:
        if not track.root:
            yield f"track {track.track} ({track.handler} {track.codec}) is covered by the byte tree only: {track.why}"
        if track.left_out:
            yield f"{track.left_out} samples of track {track.track} are hidden by its edit list and in no leaf"
