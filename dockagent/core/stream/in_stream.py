"""What the signatures in a clip's own stream say: the values that a record keeps, in words that claim no more than was
checked. Found out by :mod:`verdicts`; see docs/in-stream.md.
"""

import msgspec

from dockagent.core.camera.manifest import Verdicts

AXIS, ONVIF, C2PA = "axis-signed-video", "onvif-media-signing", "c2pa"
NAMES = {AXIS: "Axis Signed Video", ONVIF: "ONVIF Media Signing", C2PA: "C2PA"}

OUTSIDE = (  # what neither of the two formats in the pictures' own stream covers, by their texts
    "sound and every other track",
    "parameter sets (SPS, PPS, VPS), which say how the pictures are decoded, and may be altered unseen",
    "messages of others in the stream (SEI), delimiters and filler",
    "the file around the stream: its index, times and order of showing, edit lists, rotation, names and places",
    "what came before the first and after the last signed picture: a cut there, messages included, cannot be seen",
    "the absence of signatures: a stream from which all were taken is unsigned, not refuted",
)
OUTSIDE_C2PA = (
    "what the manifest's own list of exclusions names, by default the boxes ftyp, free, skip, mfra and uuid: content "
    "there can be altered behind a valid signature",
    "the absence of a manifest: a file from which it was taken has none, and is not refuted",
)


class StreamSignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One format's signatures in one video, or in the file (``track`` -1).

    ``verdicts``: as for a camera's manifest (core/camera/manifest), each on its own. ``key``: SHA-256 (hex) of the
    signer's SubjectPublicKeyInfo. ``certificate``: its subject. ``device``: what the stream says of it; nobody vouches
    for that. ``pictures``: of the video; ``covered``: those that are slice for slice as a good signature has them.
    ``groups`` of pictures, ``messages`` that sign. ``counters``: first and last number of the signed groups, -1 for
    none. ``noticed``: what is not as it was signed, a line each. ``outside``: what the format does not cover.
    """

    format: str
    track: int
    verdicts: Verdicts
    key: str = ""
    certificate: str = ""
    device: dict[str, str] = {}
    hash: str = ""
    pictures: int = 0
    covered: int = 0
    groups: int = 0
    messages: int = 0
    counters: tuple[int, int] = (-1, -1)
    noticed: tuple[str, ...] = ()
    outside: tuple[str, ...] = OUTSIDE

    @property
    def name(self) -> str:
        """The format's name for a person."""
        return NAMES.get(self.format, self.format)


class InStream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All signatures in one clip. ``why``: why nobody could look for them, or empty; ``doubt``: whether that is
    something for a person to look at."""

    signatures: tuple[StreamSignature, ...] = ()
    why: str = ""
    doubt: bool = False

    @property
    def quarantine_reason(self) -> str:
        """Why the clip's integrity is in doubt, or empty."""
        return "; ".join(
            f"{one.name} in its stream: {one.verdicts.quarantine_reason}"
            for one in self.signatures
            if one.verdicts.quarantine_reason
        )
