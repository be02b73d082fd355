"""What can be wrong with a profile whose keys and types are right: one line for each mistake, with its key, what is
wrong, and what is allowed."""

import re
import string
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the page of types imports this one, to check what it has read
    from dockagent.core.camera.profile import CardIdentity, Console, Hints, Probe, Profile

SCHEMA = 1
IDENTITY = frozenset({"serial", "maker", "model", "firmware"})
BUILT_IN = frozenset({"dir", "stem"})  # what every template knows: the file's folder, its name without extension

OF_A_FILE = frozenset({"path", "sha256", "bytes"})  # what a request about a file can name
_TAKEN = frozenset({"ID", "BATTERY", "CLOCK", "SETCLOCK", "PROVE", "RELEASE"})

_USB = re.compile(r"[0-9a-f]{4}:([0-9a-f]{4}|[0-9a-f]{0,3}\*)")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}|")
_OVER_USB = frozenset({"amba-bulk", "e12-tcp", "zzx-tcp"})  # spoken to a USB id, not on a serial line
_TELLS_NO_TIME = frozenset({"amba-bulk"})  # can be set, not read


def mistakes_of(profile: "Profile") -> Iterator[str]:
    """Every mistake in ``profile``, in the order of the README's sections."""
    if profile.schema != SCHEMA:
        yield f"schema: {profile.schema} is not known; this dockagent reads schema {SCHEMA}"
    if not any(one.counts != "hint" for one in profile.probe) and "control" not in profile.match.needs:
        yield (
            'probe: none counts as "must" or "either"; USB ids and labels alone never tell who a camera is '
            '(only match.needs = ["control"] does without)'
        )
    yield from _hint_mistakes(profile.match)
    yield from _need_mistakes(profile)
    yield from _identity_mistakes(profile.identity)
    for count, probe in enumerate(profile.probe, 1):
        yield from _probe_mistakes(probe, f"probe[{count}]")
    yield from _layout_mistakes(profile)
    yield from _place_mistakes(profile)
    yield from _control_mistakes(profile.control)
    yield from _request_mistakes(profile.control)
    yield from _clock_mistakes(profile)


def _hint_mistakes(hints: "Hints") -> Iterator[str]:
    yield from _usb_mistakes("match.usb", hints.usb)
    for count, impostor in enumerate(hints.impostors, 1):
        yield from _usb_mistakes(f"match.impostors[{count}].usb", filter(None, (impostor.usb,)))
        if not (impostor.usb or impostor.strings or impostor.label or impostor.path):
            yield f"match.impostors[{count}]: says nothing to know it by; give usb, strings, label or path"
    for count, recovery in enumerate(hints.recovery, 1):
        yield from _usb_mistakes(f"match.recovery[{count}].usb", (recovery.usb,))
        if recovery.usb in hints.usb:
            yield f"match.recovery[{count}].usb: {recovery.usb} is in match.usb too; it shows a card, or it does not"
    texts = (one for impostor in hints.impostors for one in (impostor.label, impostor.strings))
    for text in (*hints.label, *hints.strings, *texts):
        yield from _regex_mistakes("match", text)


def _need_mistakes(profile: "Profile") -> Iterator[str]:
    given = {
        "usb": profile.match.usb,
        "strings": profile.match.strings,
        "label": profile.match.label,
        "control": profile.control.usb,
    }
    for need in profile.match.needs:
        if not given[need]:
            where = "control.usb" if need == "control" else f"match.{need}"
            yield f"match.needs: names {need}, but {where} is empty, so that no camera would ever fit; fill it"
    for hint in profile.match.emptied:
        if not given[hint]:
            yield f"match.emptied: names {hint}, but match.{hint} is empty, so that no card would ever fit; fill it"


def _identity_mistakes(identity: "CardIdentity") -> Iterator[str]:
    for key, text in (("label", identity.label), ("path", identity.path)):
        wrong = list(_regex_mistakes(f"identity.{key}", text))
        yield from wrong
        if text and not wrong:
            yield from _group_mistakes(f"identity.{key}", re.compile(text).groupindex)
            if not re.compile(text).groupindex:
                yield f"identity.{key}: {text!r} names nothing; put what it tells into a group like (?P<serial>…)"


def _probe_mistakes(probe: "Probe", at: str) -> Iterator[str]:
    if not probe.path or not all(probe.path):
        yield f"{at}.path: is empty; give at least one path or glob"
    for text in probe.identity:
        wrong = list(_regex_mistakes(f"{at}.identity", text))
        yield from wrong or _group_mistakes(f"{at}.identity", re.compile(text.encode()).groupindex)


def _group_mistakes(at: str, groups: Iterable[str]) -> Iterator[str]:
    unknown = set(groups) - IDENTITY
    if unknown:
        yield f"{at}: group {_list(unknown)} is not known; allowed: {_list(IDENTITY)}"


def _layout_mistakes(profile: "Profile") -> Iterator[str]:
    for count, skip in enumerate(profile.layout.skip, 1):
        yield from _rule_mistakes(f"layout.skip[{count}]", skip.path, {})
    for count, sidecar in enumerate(profile.sidecars, 1):
        templates = {f"clip[{index}]": one for index, one in enumerate(sidecar.clip, 1)}
        yield from _rule_mistakes(f"sidecars[{count}]", sidecar.path, templates | {"recording": sidecar.recording})
    for count, rule in enumerate(profile.layout.file, 1):
        templates = {key: getattr(rule, key) for key in ("recording", "key", "chapter", "counter", "counts_in")}
        yield from _rule_mistakes(f"layout.file[{count}]", rule.path, templates)


def _rule_mistakes(at: str, path: str, templates: dict[str, str]) -> Iterator[str]:
    wrong = list(_regex_mistakes(f"{at}.path", path))
    if wrong:
        yield from wrong
        return
    known = set(re.compile(path).groupindex) | BUILT_IN
    for key, template in templates.items():
        try:
            names = set(_names(template))
        except ValueError as err:
            yield f"{at}.{key}: {template!r} is not a template: {err}; write text with {{group}} in it"
            continue
        if names - known:
            yield f"{at}.{key}: names the unknown group {_list(names - known)}; its path has: {_list(known)}"


def _place_mistakes(profile: "Profile") -> Iterator[str]:
    for key in ("path", "chain"):
        where = getattr(profile.manifest, key, "ok")
        if not where or where.startswith("/") or {"", ".", ".."} & set(where.split("/")):
            yield f"manifest.{key}: {where!r} is not a path below the card's root, like MISC/manifest.dsse.json"


def _control_mistakes(control: "Console") -> Iterator[str]:
    kind = control.kind
    yield from _usb_mistakes("control.usb", control.usb)
    if kind in _OVER_USB and not control.usb:
        yield f"control.usb: is empty; {kind} is spoken over USB, and nothing is sent to an id that is not named here"
    if kind in _OVER_USB and any("*" in one for one in control.usb):
        yield "control.usb: has a *; name each id in full: a command must not reach another maker's device"
    if kind not in _OVER_USB:
        for key in ("usb", "storage", "needs_password"):
            if getattr(control, key):
                yield f"control.{key}: given, but kind {kind} knows nothing of it; only {_list(_OVER_USB)} do"


def _request_mistakes(control: "Console") -> Iterator[str]:
    if control.unprotect is None:
        return
    if control.kind != "reference-console":
        yield f"control.unprotect: given, but kind {control.kind} knows no such request; only reference-console does"
    if control.unprotect.verb in _TAKEN:
        yield f"control.unprotect.verb: {control.unprotect.verb} means something else (docs/reference-camera.md)"
    for count, template in enumerate(control.unprotect.arguments, 1):
        try:
            names = set(_names(template))
        except ValueError as err:
            yield f"control.unprotect.arguments[{count}]: {template!r} is not a template: {err}"
            continue
        if not template or names - OF_A_FILE:
            yield f"control.unprotect.arguments[{count}]: {template!r} must be text with any of {_list(OF_A_FILE)}"


def _clock_mistakes(profile: "Profile") -> Iterator[str]:
    kind, clock = profile.control.kind, profile.clock
    if clock.source == "console" and kind == "none":
        yield "clock.source: console, but [control] names no console; give control.kind or say none"
    if clock.source == "console" and kind in _TELLS_NO_TIME:
        yield f"clock.source: console, but a camera that speaks {kind} cannot be asked the time; say none"
    if clock.set and clock.source == "none":
        yield "clock.set: true, but clock.source is none; a clock that cannot be read first is never set"
    if not _ZONE.fullmatch(clock.zone):
        yield f"clock.zone: {clock.zone!r} is not a time zone name like Europe/London"


def _usb_mistakes(at: str, ids: Iterable[str]) -> Iterator[str]:
    for text in ids:
        if not _USB.fullmatch(text):
            yield f"{at}: {text!r} is not vvvv:pppp, vvvv:* or vvvv:p* in lower-case hex"


def _regex_mistakes(at: str, text: str) -> Iterator[str]:
    try:
        re.compile(text)
        re.compile(text.encode())
    except (re.error, OverflowError, RecursionError) as err:
        yield f"{at}: {text!r} is not a regular expression: {err}"


def _names(template: str) -> Iterator[str]:
    """The groups that a template names. Raises ValueError for anything but text and ``{group}``."""
    for _, name, spec, conversion in string.Formatter().parse(template):
        if spec or conversion or (name is not None and not name.isidentifier()):
            raise ValueError("only {group} is allowed in braces")
        if name is not None:
            yield name


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
