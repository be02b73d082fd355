"""What the dock and the child that watches its bays folder (:mod:`bays_child`) say to each other: msgpack, one message
per packet. What the child says is the whole state of a bay each time, so nothing depends on a message before."""

import msgspec

from dockagent.transports.reader_messages import Trouble


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True, forbid_unknown_fields=True):
    pass


class Begin(_Message, frozen=True):
    """The first word: how long a folder must be quiet to be reported, and how long it may keep us waiting (seconds)."""

    settle_s: float
    hang_s: float


class Ping(_Message, frozen=True):
    """Are you there?"""


class Ready(_Message, frozen=True):
    """The bays folder is there and watched. Where it cannot be, :class:`Trouble` comes instead."""


class Pong(_Message, frozen=True):
    """The answer to :class:`Ping`, and to nothing that was asked before it."""


class Names(_Message, frozen=True):
    """What is in the bays folder now; whatever else was there has left."""

    names: tuple[str, ...]


class Stay(_Message, frozen=True):
    """A card or a console that stands in a bay. ``key``: what it shares with no other, nor with itself when it comes
    again. ``address``: a path."""

    bay: str
    kind: str
    address: bytes
    key: str
    facts: dict[str, str]


class Bay(_Message, frozen=True):
    """What stands under a name of the bays folder now: nothing, a card or a console."""

    name: str
    stays: tuple[Stay, ...]


class Complaint(_Message, frozen=True):
    """Something is wrong that a person should know of; it is said once."""

    words: str


Request = Begin | Ping
Answer = Ready | Trouble | Pong | Names | Bay | Complaint
encode = msgspec.msgpack.Encoder().encode
read_request = msgspec.msgpack.Decoder(Request).decode
read_answer = msgspec.msgpack.Decoder(Answer).decode
