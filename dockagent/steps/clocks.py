"""The camera's clock: measured and recorded first, set afterwards, and measured again."""

from dockagent.core import events as ev
from dockagent.errors import Gone
from dockagent.steps.world import World
from dockagent.transports import ClockNotSet, Control


def read_clock(world: World, session: str, bay: str, profile: str) -> tuple[ev.Event, ...]:
    """Measure how far the camera's clock is from ours. Changes nothing."""
    try:
        reading = _console(world, bay, profile).clock()
    except ClockNotSet as err:
        return (ev.ClockUnset(session, str(err)),)
    return (
        ev.ClockMeasured(
            session=session,
            camera_ms=reading.camera_ms,
            dock_ms=reading.camera_ms - reading.offset_ms,
            offset_ms=reading.offset_ms,
            uncertainty_ms=reading.uncertainty_ms,
            zone=reading.zone,
        ),
    )


def set_clock(world: World, session: str, bay: str, profile: str, offset_ms: int | None) -> tuple[ev.Event, ...]:
    """Set the camera's clock to ours when it is off by more than the tolerance. ``offset_ms`` is in the ledger; None
    when the camera's clock had no time."""
    if offset_ms is not None and abs(offset_ms) <= world.clock_tolerance_ms:
        return (ev.ClockSet(session, False, offset_ms, offset_ms, -1),)
    control = _console(world, bay, profile)
    control.set_clock(world.clock.now().utc_ms)
    after = control.clock()
    return (ev.ClockSet(session, True, offset_ms, after.offset_ms, after.uncertainty_ms),)


def _console(world: World, bay: str, profile: str) -> Control:
    control = world.bays.control(bay, world.profile(profile).control, 0)
    if control is None:
        raise Gone("the camera's console is gone")
    return control
