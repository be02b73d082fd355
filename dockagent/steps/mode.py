"""A USB device that shows no card: what it is, and whether it can be asked to show one.

A camera in its boot loader, its flash mode or its webcam mode looks like an empty bay to a dock that only waits for
disks. Here it is reported, with what to do. A camera whose maker's dialogue can make it a disk is asked to become one;
it then leaves its port and comes back as another device.

1. is it a mode in which no camera can be read? Then say so;
2. is there a profile that knows its USB id and a dialogue that opens its card? Ask who it is (each dialogue begins with
   a question that does no harm to a stranger: the same id belongs to other devices as well), then ask for the card;
3. otherwise it is something that no profile knows.
"""

from collections.abc import Mapping

from dockagent.core import events as ev
from dockagent.core.camera import recognise
from dockagent.core.camera.profile import Profile
from dockagent.core.model import Camera
from dockagent.errors import DockError, Gone, Permanent, Retryable
from dockagent.steps.world import World
from dockagent.transports import ModeSwitch

ASKED = "asked to show its card; it leaves and comes back as a disk"
_STORAGE = "08"
_KEYBOARD = "03"


def ask_for_card(world: World, session: str, bay: str, facts: Mapping[str, str]) -> tuple[ev.Event, ...]:
    """Raises Permanent for a device that cannot be asked, with what a person can do; Retryable where it may yet
    answer."""
    usb = f"{facts.get('vendor_id', '')}:{facts.get('product_id', '')}".lower()
    stuck = recognise.recovery(world.profiles, usb)
    if stuck is not None:
        raise Permanent(f"this is {stuck.what} ({usb}): its footage cannot be read now", stuck.todo)
    refusals = []
    for profile in recognise.dialogues(world.profiles, usb):
        if not profile.control.storage:
            continue
        try:
            return (_ask(world, session, bay, profile),)
        except Gone:
            raise
        except DockError as err:
            refusals.append(err)
    if not refusals:
        raise Permanent(_stranger(usb, facts), "see `dockagent profile match`, or put in a camera")
    kind = Retryable if any(isinstance(err, Retryable) for err in refusals) else Permanent
    raise kind("; ".join(err.what for err in refusals), refusals[0].hint) from refusals[0]


def is_keyboard_too(facts: Mapping[str, str]) -> bool:
    """Whether a device with a disk is a keyboard or mouse as well (USB class 3), which no camera is."""
    return any(one.startswith(_KEYBOARD) for one in facts.get("interfaces", "").split())


def _ask(world: World, session: str, bay: str, profile: Profile) -> ev.ModeAsked:
    control = world.bays.control(bay, profile.control, world.console_wait_ms)
    if control is None:
        raise Retryable(f"nothing answers for profile {profile.name}", "see [bays] lines in the configuration")
    said = control.identity()
    camera = Camera(
        id=said.get("serial") or "unidentified",
        serial=said.get("serial", ""),
        maker=said.get("maker", ""),
        model=said.get("model", ""),
        firmware=said.get("firmware", ""),
        known_by="console",
        officer=world.officers.known_as(said.get("officer", "")),
    )
    if not isinstance(control, ModeSwitch):
        raise Permanent(f"the dialogue of profile {profile.name} cannot open a card", "correct [control] storage in it")
    control.to_storage()
    world.bays.asked(bay, profile.name)
    return ev.ModeAsked(session, camera, profile.name, ASKED)


def _stranger(usb: str, facts: Mapping[str, str]) -> str:
    name = " ".join(facts[key] for key in ("manufacturer", "product", "serial") if facts.get(key))
    what = f"{usb} {name}".strip()
    if any(one.startswith(_STORAGE) for one in facts.get("interfaces", "").split()):
        return f"the device {what} is a disk without a medium: no card, or a card that it cannot read"
    return f"the device {what} shows no card, and no profile knows how to ask for it"
