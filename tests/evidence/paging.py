"""A package's page as a reader uses it: the commands copied out of it, and run by a real bash."""

import base64
import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of commands: the exit code, and which of the things that they must print they did print."""

    code: int
    printed: list[str]
    out: str
    err: str


def page_of(package: Path) -> str:
    """The page of the package's first clip."""
    return min((package / "data" / "report").iterdir()).read_text()


def commands(page: str) -> list[tuple[str, str]]:
    """The commands of a page in their order, each with what it must print (empty: nothing)."""
    shown = re.findall(r"<pre>(.*?)</pre>(?:<p class=\"prints\">must print: <code>(.*?)</code>)?", page, re.DOTALL)
    return [(html.unescape(text), html.unescape(prints)) for text, prints in shown]


def without(steps: Sequence[tuple[str, str]], *words: str) -> list[tuple[str, str]]:
    """The commands but for those in which one of these words is: whoever has no such file leaves them out."""
    return [one for one in steps if not any(word in one[0] for word in words)]


def run(package: Path, steps: Sequence[tuple[str, str]], *, shell: Sequence[str] = ("bash", "-e")) -> Ran:
    """One shell runs them all, in the package's folder. ``TMPDIR`` is a folder beside the package."""
    place = package.with_name(f"{package.name}.tmp")
    place.mkdir(exist_ok=True)
    script = "\n".join(text for text, _ in steps) + "\n"
    done = subprocess.run(
        [*shell, "/dev/stdin"] if shell[-1] == "-e" else shell,
        cwd=package,
        input=script,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "TMPDIR": str(place)},
    )
    printed = [prints for _, prints in steps if prints and prints in done.stdout]
    return Ran(done.returncode, printed, done.stdout, done.stderr)


def bring(package: Path, **files: Path) -> None:
    """Lay what the reader got from others beside the package: ``trust``, ``maker``, ``tsa``, ``ca``."""
    names = {"trust": "agency.trust", "ca": "agency.pem", "maker": "maker.pem", "tsa": "tsa.pem"}
    for kind, file in files.items():
        shutil.copy(file, package.with_name(names[kind]))


def swap_payload(envelope: Path, old: bytes, new: bytes) -> None:
    """Change what is in an envelope, and leave its signature."""
    said = json.loads(envelope.read_bytes())
    before = base64.b64decode(said["payload"])
    after = before.replace(old, new)
    assert after != before
    said["payload"] = base64.b64encode(after).decode()
    envelope.write_text(json.dumps(said))


def clip_of(package: Path) -> Path:
    """The folder of the package's first clip."""
    return min((package / "data" / "clips").iterdir())
