"""The story, scene by scene. Each scene shows something, then says what it claims and checks that it is so."""

from __future__ import annotations

from hil.demo import cast
from hil.demo.cast import BEHIND, LONG_CLIP, Actor, Studio
from hil.demo.show import Show, Unmet
from hil.demo.telling import size

FIRST_BYTES = 16 << 20
"""How much of the long clip is read before the camera is pulled out."""
LONGER = 4
"""So many times as long is the next long clip, should the dock have been faster than the hand that pulls."""
PATIENCE = 90.0


def film(show: Show) -> Studio:
    """Make the cameras and what they have filmed."""
    show.screen.scene("Five cameras come back from a shift", "Their footage is encoded now, and signed by those who sign.")
    studio = cast.studio(show.place)
    for actor in cast.film_all(studio):
        show.cast.append(actor)
        show.screen.say(f"  {actor.serial:<9} {actor.about}")
    return studio


def dock(show: Show) -> None:
    """All cameras come at once, and all but the hasty one stay until they are released."""
    show.screen.scene("All five at once", "The agent runs. Every camera is put into its bay; one will not stay.")
    good, altered, hasty, unsigned, gopro = show.cast
    show.agent.start()
    show.until(lambda: show.ledger.all != [], "the agent starts", 20)
    for actor in show.cast:
        actor.camera.plug()
    hasty.camera.unplug_when(lambda: show.place.in_parts() > FIRST_BYTES, cut=True)
    staying = [show.counted] * 0 or [good, altered, unsigned, gopro]
    show.until(lambda: all(show.counted(one.serial).released for one in staying), "four cameras are released", PATIENCE)
    show.until(lambda: not hasty.camera.plugged, "the long clip is interrupted", PATIENCE)
    show.screen.still()
    _check_good(show, good)
    _check_altered(show, altered)
    show.expect(
        all(show.last(one, "camera.inventory").what["manifest"] is None for one in (unsigned, gopro)),
        f"{unsigned.serial} and {gopro.serial} are delivered, and said to be unsigned",
    )


def resume(show: Show, studio: Studio) -> None:
    """The camera that was pulled out comes back, in another bay."""
    hasty = show.cast[2]
    show.screen.scene("Pulled out in the middle, put back elsewhere", f"{hasty.serial} comes back, in another bay.")
    for long_clip in (LONG_CLIP, LONG_CLIP * LONGER):
        if show.counted(hasty.serial).copied < len(_clips(show, hasty)) or long_clip > LONG_CLIP:
            break
        show.screen.say(f"This machine read {size(long_clip)} before the hand could pull: a longer clip, then.", "faint")
        _interrupt_again(show, studio, hasty, long_clip * LONGER)
    hasty.camera.bay = "bay06"
    hasty.camera.plug()
    show.until(lambda: show.counted(hasty.serial).released, f"{hasty.serial} is released", PATIENCE)
    show.screen.still()
    kept, counted = show.last(hasty, "acquire.failed").what, show.counted(hasty.serial)
    show.expect(
        0 < counted.resumed_at, f"the ledger has it: pulling went on at byte {counted.resumed_at:,}, not at byte 0"
    )
    show.expect(counted.delivered == len(counted.listed), f"all {counted.delivered} files of it are in the store")
