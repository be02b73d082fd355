"""Print what the C2PA library says about one file, as JSON. Run as a program by :mod:`in_stream`, through the launcher,
never imported:

    python -I -S -B c2pa_child.py PATHS SIZE [ROOT.pem…]

The file is its standard input. It has no network: manifests that lie elsewhere are not fetched, and nobody is asked
about revocation.
"""

import json
import os
import sys
from pathlib import Path

_MOST = 32  # codes of one kind that are told


def main(paths: str, roots: list[str]) -> None:
    """Validate the file, believing ``roots``."""
    sys.path += paths.split(os.pathsep)
    import c2pa  # found only now

    settings: dict[str, dict[str, object]] = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
    if roots:
        settings["trust"] = {"user_anchors": "".join(Path(root).read_text() for root in roots)}
    context = c2pa.Context(c2pa.Settings.from_dict(settings))
    try:
        with os.fdopen(sys.stdin.fileno(), "rb") as source:
            source.seek(0)
            told = _told(json.loads(c2pa.Reader("video/mp4", source, context=context).json()))
    except (c2pa.C2paError, ValueError, KeyError, TypeError, AttributeError) as err:
        told = {"error": str(err)[:200]}
    sys.stdout.write(json.dumps({"tool": f"c2pa {c2pa.sdk_version()}", **told}))


def _told(report: dict[str, "object"]) -> dict[str, object]:
    from typing import Any, cast

    said = cast("dict[str, Any]", report)
    results = said.get("validation_results", {}).get("activeManifest", {})
    signature = said["manifests"][said["active_manifest"]].get("signature_info") or {}
    names = {"issuer": "issuer", "common_name": "common_name", "algorithm": "alg", "time": "time"}
    return {
        "state": str(said.get("validation_state", "")),
        **{ours: str(signature.get(theirs) or "")[:200] for ours, theirs in names.items()},
        **{
            kind: [[str(one.get("code"))[:100], str(one.get("explanation") or "")[:200]] for one in found[:_MOST]]
            for kind in ("success", "informational", "failure")
            if isinstance(found := results.get(kind, []), list)
        },
    }


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[3:])
