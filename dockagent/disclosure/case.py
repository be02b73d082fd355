"""The records of a package as CASE/UCO JSON-LD (caseontology.org 1.x): what other forensic tools read.

A rendering, not evidence: the signed records are. ``case_validate`` looks at the shape only; it takes a time without
a zone and an end before its start. So those are refused here:
:func:`dockagent.core.disclosure.package_form.check_times`.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dockagent.core.disclosure.package_form import END, START, check_times
from dockagent.core.model import Clip
from dockagent.core.moment import parse_rfc3339, rfc3339
from dockagent.disclosure.records import Told

CONTEXT = {
    "case-investigation": "https://ontology.caseontology.org/case/investigation/",
    "kb": "urn:dockagent:case:",
    "uco-action": "https://ontology.unifiedcyberontology.org/uco/action/",
    "uco-core": "https://ontology.unifiedcyberontology.org/uco/core/",
    "uco-identity": "https://ontology.unifiedcyberontology.org/uco/identity/",
    "uco-location": "https://ontology.unifiedcyberontology.org/uco/location/",
    "uco-observable": "https://ontology.unifiedcyberontology.org/uco/observable/",
    "uco-tool": "https://ontology.unifiedcyberontology.org/uco/tool/",
    "uco-types": "https://ontology.unifiedcyberontology.org/uco/types/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
Node = dict[str, Any]


def render(clips: Sequence[Clip], told: Iterable[Told], origin: str) -> bytes:
    """The graph's bytes. ``told``: the records that are shown, in order. Raises Refused as :func:`check_times`."""
    graph = _Graph(origin, {one.id: one for one in clips})
    for clip in clips:
        graph.clip(clip)
    for one in told:
        graph.action(one)
    check_times(graph.nodes.values())
    whole = {"@context": CONTEXT, "@graph": list(graph.nodes.values())}
    return json.dumps(whole, ensure_ascii=True, indent=1, sort_keys=True).encode() + b"\n"


class _Graph:
    """Nodes by id. The same thing has the same id in every package of one ledger."""

    def __init__(self, origin: str, clips: Mapping[str, Clip]) -> None:
        self.nodes: dict[str, Node] = {}
        self._origin, self._clips, self._last = origin, clips, ""

    def clip(self, clip: Clip) -> None:
        """The file, and the exhibit that it is."""
        content = {
            "@type": "uco-observable:ContentDataFacet",
            "uco-observable:sizeInBytes": clip.bytes,
            "uco-observable:hash": self._hash(clip.sha256),
        }
        named = {
            "@type": "uco-observable:FileFacet",
            "uco-observable:fileName": clip.path.rpartition("/")[2],
            "uco-observable:filePath": clip.path,
            "uco-observable:sizeInBytes": clip.bytes,
        }
        file = self._add("uco-observable:File", f"file/{clip.id}", {"uco-core:hasFacet": [content, named]})
        self._facets(file)
        exhibit = {"uco-core:object": [{"@id": file}], "case-investigation:exhibitNumber": clip.id}
        self._add("case-investigation:ProvenanceRecord", f"exhibit/{clip.id}", exhibit)
        camera = {"@type": "uco-observable:DeviceFacet", "uco-observable:serialNumber": clip.camera}
        self._facets(self._add("uco-observable:Device", f"camera/{clip.camera}", {"uco-core:hasFacet": [camera]}))

    def action(self, told: Told) -> None:
        """One record: who did what to what, when, where and with which tool."""
        record = told.record
        end_ms = parse_rfc3339(record["when"]["utc"])
        start_ms = end_ms - int(record["what"].get("read_ms", 0))
        clips = [one for one in self._named(record) if one in self._clips]
        things = [self._id(f"file/{one}") for one in clips]
        node = {
            "uco-core:name": record["type"],
            "uco-core:description": f"record {told.index} of the custody ledger {self._origin}",
            START: {"@type": "xsd:dateTime", "@value": rfc3339(start_ms)},
            END: {"@type": "xsd:dateTime", "@value": rfc3339(end_ms)},
            "uco-action:actionStatus": "Fail" if record["outcome"] == "failure" else "Success",
            "uco-action:performer": {"@id": self._performer(record["who"])},
            "uco-action:instrument": [{"@id": self._tool(record["how"])}],
            "uco-action:object": [{"@id": one} for one in things or self._cameras(record)],
            "uco-action:result": [{"@id": self._id(f"exhibit/{one}")} for one in clips],
            "uco-action:location": [{"@id": self._place(record["where"])}],
            "case-investigation:wasInformedBy": [{"@id": self._last}] if self._last else [],
        }
        self._last = self._add("case-investigation:InvestigativeAction", f"record/{told.index}", node)

    def _named(self, record: Mapping[str, Any]) -> list[str]:
        own = record["links"].get("clip")
        return [own] if own else list(record["what"].get("clips", ()))

    def _cameras(self, record: Mapping[str, Any]) -> Iterator[str]:
        camera = record["item"].get("camera")
        if camera and self._id(f"camera/{camera}") in self.nodes:
            yield self._id(f"camera/{camera}")

    def _performer(self, who: Mapping[str, Any]) -> str:
        kind = "uco-identity:Person" if who["actor"] == "person" else "uco-identity:Identity"
        name = f"{who['id']} ({who['actor']}, known by {who['known_by']})"
        return self._add(kind, f"performer/{name}", {"uco-core:name": name})

    def _tool(self, how: Mapping[str, Any]) -> str:
        about = {"uco-core:name": how["tool"], "uco-tool:version": how["version"]}
        return self._add("uco-tool:Tool", f"tool/{how['tool']}/{how['version']}", about)

    def _place(self, where: Mapping[str, Any]) -> str:
        said = ", ".join(f"{name} {text}" for name, text in where.items() if text)
        return self._add("uco-location:Location", f"place/{said}", {"uco-core:name": said})

    def _hash(self, sha256: str) -> list[Node]:
        value = {"@type": "xsd:hexBinary", "@value": sha256}
        method = "uco-types:hashMethod"
        return [{"@type": "uco-types:Hash", method: "SHA256", "uco-types:hashValue": value}]

    def _id(self, about: str) -> str:
        return f"kb:{uuid.uuid5(uuid.NAMESPACE_URL, f'{self._origin}/{about}')}"

    def _facets(self, owner: str) -> None:
        """Give the nodes that lie in others ids of their own, as the ontology asks."""
        for number, facet in enumerate(self.nodes[owner]["uco-core:hasFacet"]):
            facet["@id"] = self._id(f"{owner}/facet/{number}")
            for one in facet.get("uco-observable:hash", ()):
                one["@id"] = self._id(f"{owner}/hash/{number}")

    def _add(self, kind: str, about: str, members: Node) -> str:
        name = self._id(about)
        told = {key: value for key, value in members.items() if value not in ([], "")}
        self.nodes[name] = {"@id": name, "@type": kind, **told}
        return name
