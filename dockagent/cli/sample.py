"""``dockagent clips --sample``: ask for a sample by lot, and draw it once outsiders have signed behind the request."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from dockagent import config
from dockagent.cli import grounds
from dockagent.core import events as ev
from dockagent.core.acts import Grounds, Recorded
from dockagent.core.model import Question, Review, ReviewFilter, State
from dockagent.core.moment import rfc3339
from dockagent.core.proof import merkle, note
from dockagent.core.review import review
from dockagent.desk import Desk, desk
from dockagent.desk_rules import LEDGER, NOTHING, court
from dockagent.durable import RealDisk
from dockagent.errors import Missing, Refused, UsageError
from dockagent.ledger.leaves import Leaves
from dockagent.ledger.seed_notes import Court, SeedNote, first_behind, joined, seed_note

NEWEST = "newest"
TRIES = 3  # a busy dock takes in footage between our look and the record


def ask(args: argparse.Namespace, wanted: ReviewFilter) -> int:
    """Fix the question. Exit 0: it is on record, and what to do next is said."""
    found = config.of(args)
    _need_witnesses(found)
    done, question, ids = _asked(args, found, wanted, grounds.asked(args, "basis", "authority"))
    row = {
        "request": done.index,
        "sample": args.sample,
        "candidates": len(ids),
        "candidates_sha256": question.candidates_sha256,
        "filter": review.words(wanted),
        "asked": rfc3339(done.at_ms),
        "clip_ids": ids,
    }
    says = f"request {done.index} is on record: {args.sample} of {len(ids)} clips, list {question.candidates_sha256}\n"
    says += "witnesses have to cosign a checkpoint behind it; a running dock asks them by itself. Then draw:\n"
    where = [word for name in ("config", "home") if (given := getattr(args, name)) for word in (f"--{name}", given)]
    draw = ["dockagent", "clips", *where, "--sample", args.sample, "--request", done.index, "--seed-from", NEWEST]
    says += f"  {shlex.join(map(str, draw))}"
    print(json.dumps(row, indent=2) if args.json else says)
    return 0


def draw(args: argparse.Namespace, wanted: ReviewFilter) -> int:
    """Draw the lot. Exit 0: it is on record. 1: the checkpoint is not the one to draw from; 4: there is none yet."""
    found, home = config.of(args), config.home(args)
    _need_witnesses(found)
    with desk(found, home) as at:
        request = _request(at.state, args, wanted)
        asked = at.state.reviews[request]
        try:
            lines = _checkpoint(args, RealDisk(home), request, asked, court(found, home))
        except Refused as err:
            _failed_try(at, args, f"request {request}: {err.what}")
            raise
        seed = review.seed(request, asked.asked, lines)
        clips = review.draw(seed, asked.candidates, asked.asked.sample)
        done = at.record(ev.SampleDrawn(request, lines, seed, tuple(clips), grounds=grounds.asked(args)))
    row = {"request": request, "draw": done.index, "seed": seed, "checkpoint": list(lines), "clip_ids": clips}
    text = "\n".join([f"request {request}, drawn by record {done.index}, seed {seed}", *clips])
    print(json.dumps(row, indent=2) if args.json else text)
    return 0


def _asked(
    args: argparse.Namespace, found: config.Config, wanted: ReviewFilter, why: Grounds
) -> tuple[Recorded, Question, list[str]]:
    """The request's record. Where the dock took in footage between our look and the record, the list is another."""
    before, refusal = None, Refused("the dock takes in footage faster than it can be asked", "try again")
    for _ in range(TRIES):
        with desk(found, config.home(args)) as at:
            ids = review.candidates(at.state.clips.values(), wanted)
            if before is None:
                _warn(args.sample, ids)
            if ids == before:
                raise refusal  # it was not for the list
            question = Question(wanted, args.sample, len(ids), review.list_sha256(ids))
            try:
                return at.record(ev.SampleAsked(question, grounds=why)), question, ids
            except Refused as err:
                before, refusal = ids, err
    raise refusal


def _warn(sample: int, ids: Sequence[str]) -> None:
    """Say what is no lot, before it is on record. Raises Refused where there is nothing to draw from."""
    if not ids:
        raise Refused(NOTHING, "see which do with `dockagent clips`")
    if sample >= len(ids):
        print(
            f"dockagent: only {len(ids)} clips fit, so all of them will be drawn: that leaves nothing to the lot",
            file=sys.stderr,
        )


def _need_witnesses(found: config.Config) -> None:
    if not found.witnesses.ask:
        raise Missing(
            "no witness is named, and a seed that nobody else signed proves nothing",
            "name witnesses in [witnesses]: docs/witnesses.md",
        )


def _request(state: State, args: argparse.Namespace, wanted: ReviewFilter) -> int:
    """Which request is drawn: the one that is named, else the only open one for just this filter and number. Raises
    UsageError where that is none or several."""
    if args.request is not None and args.request not in state.reviews:
        raise UsageError(f"record {args.request} asks for no sample", _ASK)
    fits = [
        index
        for index, one in state.reviews.items()
        if index == args.request
        or (
            args.request is None and one.drawn is None and (one.asked.filter, one.asked.sample) == (wanted, args.sample)
        )
    ]
    if not fits:
        raise UsageError(f"no open request asks for {args.sample} clips with this filter", _ASK)
    if len(fits) > 1:
        raise UsageError(f"the requests {', '.join(map(str, fits))} ask for the same", "say which: --request RECORD")
    asked = state.reviews[fits[0]].asked
    if asked.sample != args.sample or (wanted != ReviewFilter() and wanted != asked.filter):
        was = json.dumps(review.words(asked.filter))
        raise UsageError(
            f"record {fits[0]} asks for {asked.sample} clips with the filter {was}, and for nothing else", ""
        )
    return fits[0]


_ASK = "ask first: `dockagent clips --sample N --basis … --authority …`"


def _checkpoint(args: argparse.Namespace, home: RealDisk, request: int, asked: Review, bench: Court) -> tuple[str, ...]:
    """The lines of the checkpoint that the seed is made of: of all that are known, the smallest behind the request."""
    chosen = first_behind(home, LEDGER, request, bench)
    sizes = [size for size in (chosen.head.size if chosen else 0, asked.size) if size]
    if args.seed_from != NEWEST:
        chosen = joined(_given(Path(args.seed_from), bench), chosen, bench)
        size = chosen.head.size
        if size <= request:
            raise Refused(f"the checkpoint is over {size} records: it was there before record {request} asked")
        if sizes and min(sizes) < size:
            raise Refused(
                f"the checkpoint over {size} records is not the first behind the request: "
                f"witnesses cosigned {min(sizes)} records before",
                f"draw with --seed-from {NEWEST}",
            )
    if chosen is None:
        raise Missing(
            f"no checkpoint behind record {request} is cosigned by {bench.quorum} witnesses yet",
            "leave the agent running until `dockagent status` says so, or look there why they do not sign",
        )
    leaves = Leaves(home, LEDGER).hashes(chosen.head.size)
    if merkle.root(leaves) != chosen.head.root:
        raise Refused(f"the checkpoint is of another history of this ledger: a fork below {chosen.head.size} records")
    return chosen.as_lines(asked.cosigners if chosen.head.size == asked.size else ())


def _given(file: Path, bench: Court) -> SeedNote:
    try:
        with file.open("rb") as opened:
            data = opened.read(note.MOST + 1)  # whatever it is, it may have no end
    except OSError as err:
        raise UsageError(f"cannot read the checkpoint {file}: {err.strerror}", "check --seed-from") from err
    return seed_note(data, bench)


def _failed_try(at: Desk, args: argparse.Namespace, why: str) -> None:
    at.record(ev.Accessed("review.draw", outcome="refused", reason=why[:200], grounds=grounds.asked(args)))
