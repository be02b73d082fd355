"""Identify: which camera stands in the bay, which profile speaks for it, and how far its identity is proved.

1. list the card, and read the heads of the few files that profiles ask for;
2. match profiles, best first;
3. where the profile has a console, ask it who it is and how full its battery is;
4. have it sign a nonce with the key of the certificate on its card.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from dockagent.core import events as ev
from dockagent.core.camera import recognise
from dockagent.core.camera.inventory import Finding
from dockagent.core.camera.profile import Profile
from dockagent.core.model import Camera
from dockagent.core.officers import Officers
from dockagent.core.paths import to_text
from dockagent.core.proof import certificates
from dockagent.errors import DockError, Permanent
from dockagent.steps import mode
from dockagent.steps.listing import list_card, read_file
from dockagent.steps.world import World
from dockagent.transports import Control, Footage, NoCard

UNIDENTIFIED = "unidentified"
CHAIN_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class _Answers:
    """What a console said. ``identity`` is empty where there is none."""

    identity: dict[str, str]
    battery: int
    charging: bool
    proved: bool
    findings: tuple[Finding, ...]


_SILENT = _Answers({}, -1, False, False, ())


def card_facts(profiles: tuple[Profile, ...], footage: Footage) -> recognise.CardFacts:
    """What profiles are matched against: the listing, what the medium says of itself, and the heads of probe files."""
    files, trouble = list_card(footage)
    listing = tuple(to_text(fact.path) for fact in files if not fact.special)
    heads = {}
    for path, most in recognise.wanted_files(profiles, listing).items():
        try:
            heads[path] = read_file(footage, path, most)
        except DockError:  # then it tells nothing, and the match says that it was not read
            footage.facts()  # raises Gone when the whole camera is away
    facts = footage.facts()
    strings = tuple(facts[key] for key in ("vendor", "product", "serial") if facts.get(key))
    return recognise.CardFacts(
        usb=facts.get("usb", ""),
        strings=strings,
        label=facts.get("label", ""),
        paths=listing,
        files=heads,
        before=tuple(facts.get("before", "").split()),
        answered=facts.get("answered", ""),
        whole=not trouble,
    )


def identify(world: World, session: str, bay: str) -> tuple[ev.Event, ...]:
    """Raises Permanent when no profile fits: the camera is then shown as not recognised, never as empty. A device that
    shows no card is asked for it (``mode``)."""
    try:
        footage = world.bays.footage(bay)
    except NoCard as bare:
        return mode.ask_for_card(world, session, bay, bare.facts)
    card = card_facts(world.profiles, footage)
    matches = recognise.match(world.profiles, card)
    best = recognise.best(matches) if world.any_profile else matches[0]
    if best is None:
        empty = "its card holds no file, so nothing on it tells whose it is; " if card.whole and not card.paths else ""
        why = empty + recognise.nearest_miss(matches)
        raise Permanent(f"this camera is not recognised: {why}", "see `dockagent profile match`")
    profile = world.profile(best.profile)
    control = _open_console(world, bay, profile)
    answers = _ask(world, control, footage, profile) if control else _SILENT
    findings = [*answers.findings]
    if profile.control.required and control is None and world.console_wait_ms:
        findings.append(Finding("console", "this camera has a console, but none answered in its bay", "warning"))
    if mode.is_keyboard_too(footage.facts()):
        text = "this device is a keyboard or mouse as well, which no camera is: do not trust it"
        findings.append(Finding("keyboard", text, "warning"))
    camera, doubt = _camera(best.identity, answers, world.officers)
    return (
        ev.CameraIdentified(
            session=session,
            camera=camera,
            profile=profile.name,
            profile_sha256=hashlib.sha256(msgspec.json.encode(profile, order="sorted")).hexdigest(),
            has_console=bool(answers.identity),
            sets_clock=world.set_clocks and profile.clock.set,
            battery=answers.battery,
            charging=answers.charging,
            findings=(*findings, *doubt),
        ),
    )


def _open_console(world: World, bay: str, profile: Profile) -> Control | None:
    if profile.control.kind == "none":
        return None
    return world.bays.control(bay, profile.control, world.console_wait_ms)


def _ask(world: World, control: Control, footage: Footage, profile: Profile) -> _Answers:
    try:
        identity = dict(control.identity())
        percent, charging = control.battery()
    except DockError as err:
        return _Answers({}, -1, False, False, (Finding("console", f"the camera's console: {err}", "warning"),))
    proved, findings = _prove(world, control, footage, profile, identity.get("serial", ""))
    return _Answers(identity, percent, charging, proved, findings)


def _prove(
    world: World, control: Control, footage: Footage, profile: Profile, serial: str
) -> tuple[bool, tuple[Finding, ...]]:
    """Whether the console holds the key of the card's certificate, for which a maker vouches
    (docs/reference-camera.md, section 2, PROVE)."""
    if profile.manifest is None:
        return False, ()
    nonce = secrets.token_bytes(32)
    try:
        chain = certificates.parse_chain(read_file(footage, profile.manifest.chain, CHAIN_LIMIT))
        leaf = chain[0]
        if certificates.device_serial(leaf) != serial:
            raise Permanent("the certificate on the card is not this camera's")
        signed = f"dockagent-camera-proof/1\n{serial}\n{nonce.hex()}\n".encode()
        certificates.signing_key(leaf).verify(control.prove(nonce), signed, ec.ECDSA(hashes.SHA256()))
        certificates.trust(chain, world.camera_roots, world.clock.now().utc_ms)
    except InvalidSignature:
        text = "the camera could not prove its identity: its signature is not by the key of its certificate"
        return False, (Finding("identity-proof", text, "warning"),)
    except DockError as err:
        return False, (Finding("identity-proof", f"the camera's identity is not proved: {err}", "warning"),)
    return True, ()


def _camera(card: Mapping[str, str], answers: _Answers, officers: Officers) -> tuple[Camera, tuple[Finding, ...]]:
    said = answers.identity or card
    doubt = []
    if answers.identity and card.get("serial", said["serial"]) != said["serial"]:
        text = f"the console says that this is camera {said['serial']}, its card says {card['serial']}: swapped cards?"
        doubt.append(Finding("identity-differs", text, "warning"))
    if not said.get("serial"):
        text = "nothing tells which camera this is; its clips are kept under 'unidentified'"
        doubt.append(Finding("unidentified", text, "notice"))
    known_by = (
        "proof" if answers.proved else "console" if answers.identity else "card" if card.get("serial") else "nothing"
    )
    camera = Camera(
        id=said.get("serial") or UNIDENTIFIED,
        serial=said.get("serial", ""),
        maker=said.get("maker", card.get("maker", "")),
        model=said.get("model", ""),
        firmware=said.get("firmware", ""),
        known_by=known_by,
        officer=officers.known_as(answers.identity.get("officer", "")),
    )
    return camera, tuple(doubt)
