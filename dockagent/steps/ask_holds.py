"""Ask the custodian what became, in the store, of holds on clips that were delivered."""

import hashlib
from collections.abc import Sequence

from dockagent.core import events as ev
from dockagent.core.central import hold_note, hold_words
from dockagent.core.central.custodian_state import HoldWord
from dockagent.core.central.hold_words import WantedHold
from dockagent.core.events.custodian import CustodianHeld, HoldsAsked
from dockagent.errors import Missing, Refused, Retryable
from dockagent.ledger.custodian_peer import Counterparty
from dockagent.steps.ask_custodian import MOST_UNSIGNED, nothing_signed
from dockagent.steps.world import World

_LONGEST = 500  # characters of a reason


def ask(world: World, wanted: Sequence[WantedHold]) -> tuple[ev.Event, ...]:
    """What came of asking about these holds; what is known already is not said again. A custodian who is away is asked
    about the others later, and so is one in whose place something else answers."""
    if world.custodian is None:
        raise Missing("no custodian is named", "name one in [custodian]")
    dock, events, reason = world.keys.dock.id, list[CustodianHeld](), ""
    tried = unsigned = 0
    for one in wanted:
        if unsigned >= MOST_UNSIGNED:
            break
        tried += 1
        name = hold_note.which(dock, one.hold)
        try:
            data = world.custodian.fetch("holds", one.clip_id, "", name)
        except Retryable as err:
            reason = str(err)[:_LONGEST]
            break
        if data is not None and (why := nothing_signed(data, f"{one.clip_id}/{name}")):
            reason, unsigned = why, unsigned + 1
        elif data is not None and hashlib.sha256(data).hexdigest() != one.seen:
            events.append(CustodianHeld(one.clip_id, one.hold, _word(world.custodian, one, dock, data)))
    found = sum(one.word.outcome == hold_words.REACHED for one in events)
    return (*events, HoldsAsked(tried, found, reason))


def _word(custodian: Counterparty, one: WantedHold, dock: str, data: bytes) -> HoldWord:
    digest = hashlib.sha256(data).hexdigest()
    try:
        note = hold_note.read(data, custodian.keys)
        key_id = next(key.key_id for key in custodian.keys if key.name == note.custodian)
        return hold_words.word_of(note, one, dock, digest, key_id)
    except Refused as err:
        return HoldWord(digest, hold_words.FALSE, reason=err.what[:_LONGEST])
