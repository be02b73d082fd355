"""The story, scene by scene. Each scene shows something, then says what it claims and checks that it is so."""

from __future__ import annotations

from hil.demo import cast
from hil.demo.cast import BEHIND, LONG_CLIP, Actor, Studio
from hil.demo.custodian import Custodian
from hil.demo.show import Show, Unmet
from hil.demo.telling import size

FIRST_BYTES = 40 << 20
"""How much of the long clip is read before its camera is pulled out."""
LONGER = 4
"""So many times as long is the next long clip, should the dock have been faster than the hand that pulls."""
PATIENCE = 120.0


def film(show: Show) -> Studio:
    """Make the cameras and what they have filmed."""
    show.screen.scene("Five cameras come back from a shift", "They are emulated; their footage is encoded now.")
    studio = cast.studio(show.place)
    for actor in cast.film_all(studio):
        show.cast.append(actor)
        show.screen.say(f"  {actor.serial:<9} {actor.about}")
    return studio


def dock(show: Show) -> None:
    """All cameras come at once; all but the hasty one stay until they are released."""
    show.screen.scene("All five are docked at once", "The agent is started, and every camera put into a bay.")
    good, altered, hasty, unsigned, gopro = show.cast
    show.agent.start()
    show.until(lambda: show.ledger.all != [], "the agent starts", PATIENCE)
    for actor in show.cast:
        actor.camera.plug()
    _pull_out(show, hasty)
    staying = (good, altered, unsigned, gopro)
    show.until(lambda: all(show.counted(one.serial).released for one in staying), "all others are released", PATIENCE)
    show.screen.still()
    _check_clock(show, good)
    _check_altered(show, altered)
    silent = [one.serial for one in (unsigned, gopro) if show.last(one, "camera.inventory").what["manifest"] is None]
    show.expect(len(silent) == 2, f"{' and '.join(silent)} are delivered as well, and marked as unsigned")


def resume(show: Show, studio: Studio) -> None:
    """The camera that was pulled out comes back to another bay."""
    hasty = show.cast[2]
    show.screen.scene("Pulled out too early, and put back", f"{hasty.serial} comes back, in another bay.")
    if not _interrupted(show):
        show.screen.say(
            f"This machine read {size(LONG_CLIP)} before the hand could pull. A longer clip, then.", "faint"
        )
        studio.lengthen(hasty, LONG_CLIP * LONGER)
        hasty.camera.plug()
        _pull_out(show, hasty)
        if not _interrupted(show):
            raise Unmet(f"a clip of {size(LONG_CLIP * LONGER)} cannot be interrupted: it is read too fast here")
    hasty.camera.bay = "bay06"
    hasty.camera.plug()
    show.until(lambda: show.counted(hasty.serial).released, f"{hasty.serial} is released", PATIENCE)
    show.screen.still()
    counted = show.counted(hasty.serial)
    show.expect(
        counted.resumed_at > 0, f"the ledger says that it went on at byte {counted.resumed_at:,}, not at byte 0"
    )
    show.expect(counted.delivered == len(counted.listed), f"all {counted.delivered} files of {hasty.serial} are stored")


def again(show: Show) -> None:
    """The good camera is docked a second time."""
    good = show.cast[0]
    show.screen.scene("The same camera once more", f"{good.serial} is taken out and put back: its clips are known.")
    before, releases = show.counted(good.serial).copied, len(show.about(good, "camera.release"))
    good.camera.unplug()
    show.until(lambda: not show.counted(good.serial).bay, f"{good.serial} is gone", PATIENCE)
    good.camera.plug()
    show.until(lambda: len(show.about(good, "camera.release")) > releases, f"{good.serial} is released again", PATIENCE)
    show.screen.still()
    copied = show.counted(good.serial).copied - before
    show.expect(copied == 0, f"{copied} files were copied: docking again costs a listing")


def vouched(show: Show, custodian: Custodian) -> None:
    """The custodian beside the store has read everything back, and the dock knows it."""
    show.screen.scene(
        "Somebody else reads it all back",
        "A custodian stands beside the store, with keys of its own. It signs a receipt for what it read from storage.",
    )
    delivered = {record.what["clip_id"] for record in show.ledger.of("receipt")}

    def heard() -> set[str]:
        return {record.what["clip_id"] for record in show.ledger.of("custodian.receipt")}

    show.until(lambda: heard() >= delivered or custodian.over(), "the custodian's receipts", PATIENCE)
    show.screen.still()
    show.expect(heard() >= delivered, f"the dock has its receipts for all {len(delivered)} files, and checked each")
    words = [record.what["word"] for record in show.ledger.of("custodian.receipt")]
    seen = [word for word in words if word["ledger_size"]]
    show.expect(len(seen) == len(words), "each says which checkpoint of the dock's published ledger shows the file")


def stop(show: Show) -> None:
    """All cameras leave, and the agent is told to end."""
    show.screen.scene("The agent is stopped", "The cameras are taken out, and the agent gets SIGTERM.")
    for actor in show.cast:
        actor.camera.unplug()
    show.until(lambda: not any(one.bay for one in show.tally.cameras.values()), "the bays are empty", PATIENCE)
    show.screen.still()
    status = show.agent.stop()
    show.ledger.news()
    show.expect(status == 0, "it ended by itself, with exit status 0")
    last = show.ledger.all[-1]
    show.expect(
        last.type == "dock.stop", f"the last of the ledger's {len(show.ledger.all)} records says that it stopped"
    )


def _pull_out(show: Show, hasty: Actor) -> None:
    """Pull a camera out while its long clip is read. No error if the dock was faster.

    Without `cut`, which first copies the card: on a busy machine the dock can read faster than that.
    """
    hasty.camera.unplug_when(lambda: show.place.in_parts() > FIRST_BYTES)
    show.until(lambda: not hasty.camera.plugged, "the long clip is read", PATIENCE)
    show.until(lambda: not show.counted(hasty.serial).bay, f"{hasty.serial} is gone", PATIENCE)


def _interrupted(show: Show) -> bool:
    """Whether what was read of the long clip waits for the rest."""
    return show.place.in_parts() > FIRST_BYTES


def _check_clock(show: Show, good: Actor) -> None:
    read, written = show.last(good, "clock.camera"), show.last(good, "clock.set")
    behind, sets = -read.what["offset_ms"] / 1000, good.console.clock_sets
    show.expect(
        abs(behind - BEHIND) < 1 and len(sets) == 1 and read.index < written.index,
        f"{good.serial} was {behind:.1f} s behind: record {read.index}; it was set only then: record {written.index}",
    )
    good.console.wait_until(lambda console: console.release is not None, 5)
    shown = good.console.releases[-1]
    show.expect(shown.state == "SAFE", f"its display, as the emulated camera got it: {shown.state} “{shown.words}”")


def _check_altered(show: Show, altered: Actor) -> None:
    counted, clip = show.counted(altered.serial), altered.second
    apart = [counted.clips[clip_id] for clip_id in counted.quarantined]
    show.expect(
        apart == [clip] and counted.delivered == len(counted.listed) - 1,
        f"of {altered.serial}, only the altered clip is in quarantine; {counted.delivered} other files are delivered",
    )
