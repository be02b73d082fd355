"""The pages of a package for people: one for each clip, and one that leads to them. Each is one file that needs no
network, no script and no other file, and that a printer can take."""

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from dockagent.core.model import Clip
from dockagent.core.moment import rfc3339
from dockagent.core.narrate import size
from dockagent.disclosure.checks import Answer, Check, Subject, answers, preparation
from dockagent.disclosure.commands import TRUST_FILE
from dockagent.disclosure.style import STYLE

_CUE = re.compile(r"(\d\d:\d\d:\d\d)\.\d{3} --> .*\n[^\n#]*#xywh=(\d{1,6}),(\d{1,6}),(\d{1,5}),(\d{1,5})")
_ZONE = "All times are UTC, by the clock that is named beside them; the camera's own clock is a different one."


_HOW = f"""<p>The commands believe nothing of what this page or this folder says of itself: every digest is taken out of
what was signed, after the signature was checked with keys that <strong>you</strong> bring. Ask the agency itself for
its trust file and lay it beside this folder as <code>{TRUST_FILE}</code>. Then start <code>bash --norc</code> in this
folder and type the commands in this order. The first that fails says so and ends that shell; what comes after it shows
nothing. Where you have no such file as a command names, leave that command out: it then shows nothing.</p>
<p class="dim">Whoever forges a page can forge its commands. But for the first three lines they are the same for every
package: compare them with those in <code>docs/disclosure.md</code> of the project dockagent.</p>
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a custody timeline: number of the record, its time (RFC 3339), what happened in words, and who."""

    index: int
    utc: str
    words: str
    who: str


@dataclass(frozen=True, slots=True)
class ClipPage:
    """What a clip's page shows. ``sprite``: the storyboard's JPEG and ``cues`` its WebVTT, or empty; ``notes``: things
    that a reader must not overlook."""

    clip: Clip
    subject: Subject
    timeline: Sequence[Line]
    sprite: bytes = b""
    cues: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Cover:
    """What all pages share. ``why``: label and text of the grounds; ``notes``: what is withheld or missing."""

    dock: str
    site: str
    origin: str
    made: str
    asked: int
    why: Sequence[tuple[str, str]]
    notes: Sequence[str] = field(default_factory=tuple)


def clip_page(cover: Cover, page: ClipPage) -> str:
    """One clip's page, whole."""
    return _html(f"{name_of(page.clip)} · disclosed by dock {cover.dock}", _clip(cover, page, back=True))


def index_page(cover: Cover, pages: Sequence[ClipPage]) -> str:
    """The page that leads to the others."""
    return _html(f"Footage disclosed by dock {cover.dock}", _cover(cover, pages, linked=True))


def report(cover: Cover, pages: Sequence[ClipPage]) -> str:
    """All pages in one, for paper."""
    parts = [_cover(cover, pages, linked=False), *(_clip(cover, page, back=False) for page in pages)]
    return _html(f"Footage disclosed by dock {cover.dock}", "".join(parts))


def name_of(clip: Clip) -> str:
    """What the file was called on its card."""
    return clip.path.rpartition("/")[2]


def _html(title: str, body: str) -> str:
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def _cover(cover: Cover, pages: Sequence[ClipPage], *, linked: bool) -> str:
    rows = "".join(_row(page, linked=linked) for page in pages)
    noun = "clip" if len(pages) == 1 else "clips"
    return (
        f'<p class="over">Disclosure package · {escape(cover.dock)}</p>\n<h1>{len(pages)} {noun} of footage</h1>\n'
        f"{_facts(_grounds(cover))}{_notes(cover.notes)}"
        "<h2>Clips</h2>\n<table><thead><tr><th>File on the card</th><th>Camera</th><th>Taken in</th>"
        f'<th class="number">Size</th><th>State</th></tr></thead>\n<tbody>{rows}</tbody></table>\n'
        f"<h2>What this is</h2>\n{_ABOUT}"
    )


_ABOUT = """<p>A copy of footage as the dock took it from the camera, byte for byte, with the signed records of what
happened to it. Each clip's page asks five questions, each answered and checked by itself; there is no single tick that
stands for all of them. Everything can be checked with public tools that the makers of this package did not write: each
clip's page ends with the commands.</p>
<p>The digests in this folder could be made anew by whoever changes it. That the package is as it was handed out is
shown by the dock's ledger: its record lies beside this folder. <strong>Whose</strong> keys are good, only the agency
can tell, not this package.</p>
<p>None of this shows what happened before the dock read the camera, unless the camera itself signed.</p>
"""


def _row(page: ClipPage, *, linked: bool) -> str:
    clip = page.clip
    name = escape(name_of(clip))
    shown = f'<a href="report/{clip.id}.html">{name}</a>' if linked else name
    state = "<strong>QUARANTINED</strong>" if clip.quarantine else "delivered"
    return (
        f'<tr><td>{shown}<br><span class="mono dim">{clip.id}</span></td><td>{escape(clip.camera)}</td>'
        f'<td class="when">{_second(clip.acquired_ms)}</td><td class="number">{size(clip.bytes)}</td>'
        f"<td>{state}</td></tr>"
    )


def _grounds(cover: Cover) -> Iterator[tuple[str, str]]:
    yield from cover.why
    yield "Made", f"{cover.made[:19].replace('T', ' ')} UTC"
    yield "By dock", f"{cover.dock}{', ' + cover.site if cover.site else ''}"
    yield "Ledger", f"{cover.origin}; record {cover.asked} of it asked for this package"


def _clip(cover: Cover, page: ClipPage, *, back: bool) -> str:
    clip, subject = page.clip, page.subject
    link = '<p><a href="../index.html">← all clips</a></p>\n' if back else ""
    return (
        f'<article class="clip">{link}<p class="over">Disclosed footage · dock {escape(cover.dock)}</p>\n'
        f"<h1>{escape(name_of(clip))}</h1>\n"
        f"{_quarantine(clip)}{_facts(_about(clip))}{_film(subject, back=back)}{_notes(page.notes)}{_board(page)}"
        f"<h2>Five questions</h2>\n{''.join(_verdict(one) for one in answers(subject))}"
        f'<h2>Custody</h2>\n<p class="dim">{_ZONE}</p>\n{_timeline(page.timeline)}'
        f"<h2>Handed out</h2>\n{_facts(_grounds(cover))}"
        f"<h2>Check it yourself</h2>\n{_HOW}{''.join(map(_check, preparation(subject)))}"
        f"{''.join(map(_checks, answers(subject)))}</article>\n"
    )


def _quarantine(clip: Clip) -> str:
    if not clip.quarantine:
        return ""
    return f'<p class="warn">In quarantine: the dock doubts this file. {escape(clip.quarantine)}</p>\n'


def _film(subject: Subject, *, back: bool) -> str:
    """Where the film is: a link on a page that lies in the package, else its path."""
    path = f"{subject.folder}/{subject.master}"
    where = f'<a href="../{escape(path.removeprefix("data/"))}">{escape(path)}</a>' if back else escape(path)
    return f"<p>The footage itself: {where}</p>\n"


def _about(clip: Clip) -> Iterator[tuple[str, str]]:
    yield "Camera", clip.camera
    yield "Path on its card", clip.path
    if clip.aliases:
        yield "Also there as", ", ".join(clip.aliases)
    yield "File's own time", f"{_second(clip.mtime_ms)} (the camera's clock)"
    yield "Taken in", f"{_second(clip.acquired_ms)} (the dock's clock)"
    yield "Size", f"{clip.bytes:,} bytes ({size(clip.bytes)})"
    yield "SHA-256", clip.sha256
    yield "Clip", clip.id


def _board(page: ClipPage) -> str:
    """The storyboard: one picture, with the time of each of its tiles laid over it."""
    cues = [(clock, *map(int, rest)) for clock, *rest in _CUE.findall(page.cues)]
    if not page.sprite or not cues:
        return ""
    width, height = max(x + w for _, x, _, w, _ in cues), max(y + h for _, _, y, _, h in cues)
    times = "".join(
        f'<span style="left:{100 * x / width:.3f}%;top:{100 * y / height:.3f}%">{clock}</span>'
        for clock, x, y, _, _ in cues
    )
    data = base64.b64encode(page.sprite).decode()
    wide = min(100, -(-100 * width // 1600) * 2) if width < 800 else 100
    return (
        f'<h2>What is to be seen</h2>\n<div class="board" style="max-width:{wide}%">'
        f'<img alt="{len(cues)} pictures from the clip" src="data:image/jpeg;base64,{data}">{times}</div>\n'
        '<p class="dim">Small pictures made by the dock, with the time from the start of the clip. They help to find '
        "a place; only the footage itself is evidence.</p>\n"
    )


def _verdict(one: Answer) -> str:
    reason = f'<br><span class="dim">{escape(_sentence(one.reason))}</span>' if one.reason else ""
    return (
        f'<section class="verdict {one.camera}"><header><h3>{escape(one.question)}</h3>'
        f'<span class="word">camera&#8217;s word: {one.camera}</span></header>\n<p>{escape(one.said)}{reason}</p>\n'
        "</section>\n"
    )


def _checks(one: Answer) -> str:
    return f"<h3>{escape(one.question)}</h3>\n{''.join(map(_check, one.checks))}"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith('.') else '.'}"


def _check(check: Check) -> str:
    commands = f"<pre>{escape(check.commands)}</pre>" if check.commands else ""
    prints = f'<p class="prints">must print: <code>{escape(check.prints)}</code></p>' if check.prints else ""
    return f'<div class="check"><p>{escape(check.words)}</p>{commands}{prints}</div>\n'


def _timeline(lines: Sequence[Line]) -> str:
    rows = "".join(
        f'<tr><td class="number dim">{one.index}</td><td class="when">{escape(one.utc[:19].replace("T", " "))}</td>'
        f"<td>{escape(one.words)}</td><td>{escape(one.who)}</td></tr>\n"
        for one in lines
    )
    head = '<tr><th class="number">Record</th><th class="when">When</th><th>What</th><th class="who">Who</th></tr>'
    return f'<table class="timeline"><thead>{head}</thead>\n<tbody>{rows}</tbody></table>\n'


def _facts(pairs: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in pairs) + "</dl>\n"


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return "<h2>To be noted</h2>\n<ul>" + "".join(f"<li>{escape(one)}</li>" for one in notes) + "</ul>\n"


def _second(ms: int) -> str:
    return f"{rfc3339(ms)[:19].replace('T', ' ')} UTC"
