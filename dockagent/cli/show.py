"""``dockagent show CLIP``: everything the ledger says about one clip."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

import msgspec

from dockagent import config
from dockagent.cli import handed_out, history
from dockagent.cli.handed_out import HandedOut
from dockagent.clock import SystemClock, zone
from dockagent.core import custody, strict_json, summary
from dockagent.core.central import custodian_table, hold_words
from dockagent.core.model import Clip, State
from dockagent.core.narrate import tell
from dockagent.core.permits import permit_waits, permit_words
from dockagent.core.plain import plain
from dockagent.core.session import advance
from dockagent.core.stream.in_stream import NAMES
from dockagent.core.uplink.words import clip_waits

HELP = "everything that is known about one clip: verdicts, place, custody timeline"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("show", parents=[parent], help=HELP, description=HELP)
    parser.add_argument("clip", metavar="CLIP", help="a clip id, or enough of its first digits")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one clip. Raises Missing where there is none, UsageError where there are several."""
    clip, timeline, state, handed = _find(args)
    row = summary.clip_row(clip)
    waits = clip_waits(clip, state, SystemClock().now().utc_ms, config.terms_of(config.of(args), zone))
    row["reason"] = summary.with_wait(row["reason"], clip, waits)
    row["samples"] = msgspec.to_builtins(clip.measure)
    row["in_stream"] = msgspec.to_builtins(clip.in_stream)
    row["preview"] = [thing.name for thing in clip.preview]
    row["findings"] = [summary.finding_row(one) for one in clip.findings]
    row["receipt"] = msgspec.to_builtins(clip.receipt)
    way = history.way_of_holds(args)
    for said, hold in zip(row["holds"], clip.holds, strict=True):
        said["in_store"] = hold_words.row(state, clip, hold, way)
    row["custodian"] = custodian_table.row(state, clip.id)
    row["custodian_says"] = custodian_table.words(state, clip.id)
    row["permit"] = permit_words.row(state, clip.id)
    erases = config.of(args).erase.when == "permit"
    row["no_permit"] = permit_waits.none_comes(state, clip) if erases else ""
    row["handed_out"] = handed.rows(clip.id)
    row["timeline"] = timeline
    print(json.dumps(row, indent=2) if args.json else _text(row))
    return 0


def _find(args: argparse.Namespace) -> tuple[Clip, list[dict[str, Any]], State, HandedOut]:
    state, told, handed = State(), [], HandedOut(args.clip)
    for index, payload in enumerate(history.payloads(args)):
        event, at_ms = custody.event_of(payload, index)
        raw = strict_json.parse(payload)
        handed.take(event, index, raw["when"]["utc"])
        about = raw["links"].get("clip", "")
        if about.startswith(args.clip):
            told.append({"record": index, "utc": raw["when"]["utc"], "what": tell(event, state), "clip": about})
        advance(state, event, at_ms)
    state.running = state.running and history.in_use(args)
    return history.one_clip(state, args), told, state, handed


def _samples(found: dict[str, Any] | None) -> Iterator[str]:
    """A line for each track: what it is, and its tree or why it has none."""
    if not found or not found["tracks"]:
        yield found["why"] if found else "byte tree only: nobody looked for samples in it"
        return
    for one in found["tracks"]:
        left_out = f", {one['left_out']} hidden by its edit list" if one["left_out"] else ""
        tree = f"{one['samples']} samples{left_out}, root {one['root']}" if one["root"] else f"no tree: {one['why']}"
        yield f"track {one['track']} {one['handler']} {one['codec']} {one['time_base']}: {tree}"


def _in_stream(found: dict[str, Any] | None) -> Iterator[str]:
    """For each format its verdicts, what is not as it was signed, and what the format does not cover."""
    if not found or not (found["signatures"] or found["why"]):
        yield "none found" if found else "nobody looked for any"
        return
    if found["why"]:
        yield found["why"]
    for one in found["signatures"]:
        says = one["verdicts"]
        covered = f", {one['covered']} of {one['pictures']} pictures as signed" if one["pictures"] else ""
        yield f"{NAMES.get(one['format'], one['format'])}{covered}"
        yield from (f"  {name:<10} {says[name]:<9} {why}" for name, why in says["reasons"].items())
        yield from (f"  noticed: {line}" for line in one["noticed"])
        yield from (f"  not covered: {line}" for line in one["outside"])


def _text(row: dict[str, Any]) -> str:
    lines = [
        f"{key + ':':<12} {row[key]}" for key in ("clip_id", "camera", "path", "state", "bytes", "sha256", "stored")
    ]
    lines += [f"{'sealed to:':<12} {', '.join(row['sealed_to'])}"] if row["sealed_to"] else []
    lines += [f"{'reason:':<12} {row['reason']}"] if row["reason"] else []
    for one in row["holds"]:
        lines.append(
            plain(f"ON HOLD by record {one['record']} since {one['since']}: {one['basis']}, {one['authority']}")
        )
        lines.append(plain(f"  its legal hold in the store: {one['in_store']['text']}"))
    lines += [f"{'custodian:':<12} {plain(row['custodian_says'])}"] if row["custodian_says"] else []
    lines += [f"{'camera copy:':<12} {plain(one)}" for one in permit_words.lines(row["permit"])]
    lines += [f"{'camera copy:':<12} {plain(row['no_permit'])}"] if row["no_permit"] else []
    lines += ["Verdicts"]
    lines += [f"  {name:<10} {says:<9} {row['reasons'].get(name, '')}" for name, says in row["verdicts"].items()]
    lines += ["Samples", *(f"  {line}" for line in _samples(row["samples"]))]
    lines += ["Signatures in its stream", *(f"  {line}" for line in _in_stream(row["in_stream"]))]
    lines += [f"Previews: {', '.join(row['preview']) or 'none'}", *(f"  {one['text']}" for one in row["findings"])]
    lines += ["Handed out", *(f"  {line}" for line in handed_out.lines(row["handed_out"]))]
    lines += ["Custody", *(f"  {one['utc']}  #{one['record']:<6} {one['what']}" for one in row["timeline"])]
    return "\n".join(lines)
