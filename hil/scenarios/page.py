"""The report of a run as one page: no script, nothing from elsewhere; for phone, desk and paper, light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

_STYLE = """
:root{color-scheme:light dark;--ink:#17202a;--faint:#566573;--line:#d5dbdf;--ground:#fff;--soft:#f3f5f6;--good:#1d7044;
--bad:#a8231c;--mark:#1f5fa8}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaed;--faint:#9fb0bd;--line:#36424c;--ground:#12181d;--soft:#1b242b;
--good:#63c88f;--bad:#ff8a80;--mark:#86b9f5}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:62rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);
background:var(--ground);overflow-wrap:anywhere}
h1{font-size:1.4rem;line-height:1.25;margin:.2rem 0}h2{font-size:1.05rem;margin:1.8rem 0 .5rem}
p{margin:.3rem 0}.faint{color:var(--faint)}.good{color:var(--good)}.bad{color:var(--bad)}
.verdict{display:inline-block;padding:.1rem .6rem;border:2px solid currentColor;border-radius:.3rem;font-weight:700}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.8rem 0}dt{color:var(--faint)}dd{margin:0}
ul.claims{list-style:none;padding:0;margin:0}ul.claims li{display:grid;grid-template-columns:1.6rem 1fr;padding:.3rem 0;
border-top:1px solid var(--line)}ul.claims small{display:block;color:var(--bad)}
ol.time{list-style:none;padding:0;margin:0}ol.time li{display:grid;grid-template-columns:4.2rem 1fr;gap:.2rem .6rem;
padding:.25rem 0 .25rem .6rem;border-left:3px solid var(--line)}
ol.time li.script{border-color:var(--mark)}ol.time li.rig,ol.time li.odd{border-color:var(--bad)}
ol.time li.fine{border-color:var(--good)}
ol.time time{font-variant-numeric:tabular-nums;color:var(--faint);text-align:right}
ol.time .kind{font-size:.8rem;color:var(--faint)}
h3{font-size:.95rem;margin:1.1rem 0 .3rem}
pre{background:var(--soft);padding:.7rem;border-radius:.3rem;overflow-x:auto;font-size:.82rem;line-height:1.4;
white-space:pre-wrap}
@media(min-width:40rem){ol.time li{grid-template-columns:4.6rem 8.5rem 1fr}}
@media(max-width:39.99rem){ol.time .kind{grid-column:2}ol.time .words{grid-column:2}}
@media print{:root{color-scheme:light;--ink:#000;--faint:#444;--line:#bbb;--ground:#fff;--soft:#fff;--good:#000;
--bad:#000;--mark:#000}body{max-width:none;font-size:10pt;padding:0}li{break-inside:avoid}h2,h3{break-after:avoid}
pre{border:1px solid var(--line)}}
"""
_ODD = {"acquire.failed", "session.failed", "clip.failed", "quarantine", "clock.unset"}
_FINE = {"receipt", "camera.release"}


def page(data: dict[str, Any], source: str, log: Sequence[str]) -> str:
    """The whole page. ``data``: as report.json has it; ``source``: the scenario's file; ``log``: the end of the
    dock's log."""
    verdict = "passed" if data["good"] else "FAILED"
    title = f"{data['scenario']} on {data['rig']}: {verdict}"
    parts = [
        f"<h1>{_(data['about'])}</h1>",
        f'<p class="faint">{_(data["why"])}</p>',
        f'<p><span class="verdict {"good" if data["good"] else "bad"}">{verdict}</span></p>',
        _facts(data),
        "<h2>What was expected</h2>",
        _claims(data),
        "<h2>What happened</h2>",
        *_timelines(data["timeline"]),
        "<h2>The scenario</h2>",
        f"<pre>{_(source)}</pre>",
        "<h2>The end of the dock’s log</h2>",
        f"<pre>{_(chr(10).join(log)) or 'It said nothing.'}</pre>",
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    head += f"<title>{_(title)}</title>"
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )


def _(text: object) -> str:
    return escape(str(text), quote=True)


def _facts(data: dict[str, Any]) -> str:
    rows = {
        "scenario": data["scenario"],
        "rig": data["rig"],
        "seed": data["seed"],
        "faults": ", ".join(f"{name} {letters}" for name, letters in data["faults"].items()),
        "took": f"{data['seconds']:.1f} s",
        "agent": data["agent"],
        "kernel": data["kernel"],
        "play it again": data["replay"],
        "the script ended early": data["stopped"],
    }
    shown = "".join(f"<dt>{_(key)}</dt><dd>{_(value)}</dd>" for key, value in rows.items() if value not in (None, ""))
    return f"<dl>{shown}</dl>"


def _claims(data: dict[str, Any]) -> str:
    rows = []
    for one in data["expectations"]:
        mark = '<span class="good">✓</span>' if one["holds"] else '<b class="bad">✗</b>'
        always = "" if one["line"] else ' <span class="faint">(always)</span>'
        why = "" if one["holds"] else f"<small>{_(one['why'])}</small>"
        rows.append(f"<li>{mark}<span>{_(one['text'])}{always}{why}</span></li>")
    return f'<ul class="claims">{"".join(rows)}</ul>'


def _timelines(moments: list[dict[str, Any]]) -> Iterator[str]:
    """One timeline for each bay, and one for what belongs to none."""
    for bay in sorted({one["bay"] for one in moments}, key=lambda name: (name == "", name)):
        rows = "".join(_row(one) for one in moments if one["bay"] == bay)
        yield f'<h3>{_(bay) or "The dock"}</h3><ol class="time">{rows}</ol>'


def _row(one: dict[str, Any]) -> str:
    kind = one["kind"]
    tone = kind if kind in ("script", "rig") else "odd" if kind in _ODD else "fine" if kind in _FINE else ""
    who = f" · {_(one['camera'])}" if one["camera"] else ""
    return (
        f'<li class="{tone}"><time>{one["seconds"]:.2f} s</time><span class="kind">{_(kind)}{who}</span>'
        f'<span class="words">{_(one["words"])}</span></li>'
    )
