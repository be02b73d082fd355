"""How anybody checks a package with public tools: texts for bash, in the order in which they are run.

They are the same for every package. Only :func:`begin` names a clip; every digest comes out of what was signed, after
its signature was checked with a key that the reader brings. So a reader can compare them with ``docs/disclosure.md``,
where they stand too: a forged page could hold forged commands. They need bash, coreutils, findutils, jq, openssl and
python3, and leave nothing in the package.
"""

TRUST_FILE, CA_FILE, MAKER_FILE, TSA_FILE = "agency.trust", "agency.pem", "maker.pem", "tsa.pem"
"""What the reader brings, and lays beside the package."""


def begin(clip: str, film: str, ledger: str) -> str:
    """The first lines: which ``clip``, the path of its ``film`` in the package, and the ``ledger``'s origin."""
    return f"clip={clip}\nfilm={film}\nledger={ledger}\n{TOOLS}"


TOOLS = """\
trust=../agency.trust
set -Eeo pipefail; trap 'echo "FAILED: $BASH_COMMAND" >&2' ERR
d=$(mktemp -d)
opened() {  # ENVELOPE KEY...: prints what is in it, if one of the keys signed it
  jq -er .payload "$1" | base64 -d > "$d/body"
  jq -er '.signatures[0].sig' "$1" | base64 -d > "$d/sig"
  type=$(jq -er .payloadType "$1")
  { printf 'DSSEv1 %d %s %d ' "${#type}" "$type" "$(wc -c < "$d/body")"; cat "$d/body"; } > "$d/signed"
  for key in "${@:2}"; do
    if openssl dgst -sha256 -verify "$key" -signature "$d/sig" "$d/signed" > "$d/said" 2>&1
    then cat "$d/body"; return; fi
  done
  echo "$1: signed by no key that you brought" >&2; return 1
}
checked() {  # CHECKPOINT: keeps its text by its size, if one of the ledger's keys signed it
  head -n 3 "$1" > "$d/text"; head -n 1 "$1" | grep -Fxq "$ledger"
  sed -n 5p "$1" | cut -d ' ' -f 3 | base64 -d | tail -c 64 > "$d/sig"
  for key in "$d"/log-*.pem; do
    if openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$d/text" -sigfile "$d/sig" > "$d/said" 2>&1
    then cp "$d/text" "$d/head-$(sed -n 2p "$d/text")"; return; fi
  done
  echo "$1: signed by no key that you brought" >&2; return 1
}
proved() {  # ENTRY PROOF: whether it is in the ledger, under a checkpoint that was checked
  python3 - "$1" "$2" "$d" << 'END'
import base64, hashlib, os, sys
H = lambda data: hashlib.sha256(data).digest()
entry, proof, d = sys.argv[1:]
said, note = open(proof).read().split("\\n\\n", 1)
_, index, *path = said.split("\\n")
head = f"{d}/head-{int(note.split()[1])}"
text = open(head).read() if os.path.exists(head) else sys.exit(f"{proof}: under no checkpoint that was checked")
_, size, root = text.split()
node, at, last = H(b"\\0" + open(entry, "rb").read()), int(index.removeprefix("index ")), int(size) - 1
good = note.startswith(text) and 0 <= at <= last
for one in map(base64.b64decode, path):
    if at & 1 or at == last:
        node = H(b"\\1" + one + node)
        while at and not at & 1:
            at, last = at >> 1, last >> 1
    else:
        node = H(b"\\1" + node + one)
    at, last = at >> 1, last >> 1
if not good or last or node != base64.b64decode(root):
    sys.exit(f"{entry}: not in the ledger by {proof}")
END
}"""

FROM_CA = """\
jq -c '.docks[] | select(.chain_pem)' data/keys/trust.json | while read -r one; do
  jq -r .chain_pem <<< "$one" > "$d/chain"
  openssl verify -x509_strict -CAfile ../agency.pem -untrusted "$d/chain" "$d/chain" >&2
  openssl x509 -in "$d/chain" -noout -pubkey > "$d/identity"
  jq .statement <<< "$one" > "$d/statement"
  name=$(openssl x509 -in "$d/chain" -noout -subject -nameopt multiline | sed -n 's/^ *serialNumber *= //p')
  opened "$d/statement" "$d/identity" | jq -e --arg name "$name" 'select(.dock == $name)'
done | jq -es '{docks: .}' > "$d/trust"
trust=$d/trust
echo "keys by the agency's CA\""""

KEYS = """\
for n in $(jq -er '.docks | keys[]' "$trust"); do
  one=$(jq -e --arg l "$ledger" ".docks[$n] | select(.origin == \\$l)" "$trust") || continue
  jq -er .record_key_pem <<< "$one" > "$d/record-$n.pem"
  { echo MCowBQYDK2VwAyEA | base64 -d; jq -er .log_vkey <<< "$one" | cut -d + -f 3- | base64 -d | tail -c 32; } |
    openssl pkey -pubin -inform DER > "$d/log-$n.pem"
done
ls "$d"/log-*.pem > "$d/said"
echo "keys of $ledger: $(wc -l < "$d/said")\""""

FOOTAGE = """\
opened "data/clips/$clip/record.json" "$d"/record-*.pem > "$d/clip"
jq -er --arg clip "$clip" --arg film "$film" 'select(.predicate.clip_id == $clip) | .subject[]
  | select(.name == "master") | .digest.sha256 + "  " + $film' "$d/clip" | sha256sum -c
echo "the footage is as the dock signed it\""""

RECORDS = """\
for head in data/ledger/*[0-9]; do checked "$head"; done
for one in data/records/*.dsse.json; do
  opened "$one" "$d"/record-*.pem; echo
  proved "$one" "${one%.dsse.json}.tlog-proof"
done > "$d/records"
sum=$(sha256sum < "data/clips/$clip/record.json")
jq -es --arg clip "$clip" --arg sum "${sum%% *}" 'map(select(.what.clip_id == $clip and
  (.type | IN("admit", "quarantine")))) | last | .what.record_sha256 == $sum' "$d/records"
echo "$(wc -l < "$d/records") records are good\""""

CAMERA = """\
chain=data/clips/$clip/chain.pem
openssl verify -x509_strict -CAfile ../maker.pem -untrusted "$chain" "$chain"
openssl x509 -in "$chain" -noout -pubkey > "$d/camera"
opened "data/clips/$clip/manifest.dsse.json" "$d/camera" > "$d/manifest"
openssl x509 -in "$chain" -noout -subject -nameopt multiline | sed -n 's/^ *serialNumber *= //p' |
  grep -Fx "$(jq -er .predicate.camera.serial "$d/manifest")"
jq -er --arg film "$film" --slurpfile clip "$d/clip" '.subject[]
  | select(.name == $clip[0].predicate.path) | .digest.sha256 + "  " + $film' "$d/manifest" | sha256sum -c
echo "the camera signed this footage\""""

TIME = """\
for one in data/ledger/*.tsr; do
  openssl ts -verify -in "$one" -CAfile ../tsa.pem -data <(head -n 5 "${one%.tsr}")
  openssl ts -reply -in "$one" -text | grep 'Time stamp'
done
echo "the time stamps are good\""""

WHOLE = """\
beside=../${PWD##*/}
opened "$beside.record.json" "$d"/record-*.pem > "$d/handed"
sum=$(sha256sum < tagmanifest-sha256.txt)
jq -e --arg clip "$clip" --arg sum "${sum%% *}" '.type == "disclose" and .what.kind == "package"
  and .what.package_sha256 == $sum and (.what.clips | index($clip) != null)' "$d/handed"
sed '1,/^$/d' "$beside.tlog-proof" > "$d/note"
checked "$d/note"
proved "$beside.record.json" "$beside.tlog-proof"
sha256sum --quiet -c tagmanifest-sha256.txt manifest-sha256.txt
sha512sum --quiet -c tagmanifest-sha512.txt
diff <(cut -c 67- tagmanifest-sha256.txt | sort) <(cut -c 131- tagmanifest-sha512.txt | sort)
diff <(cut -c 67- tagmanifest-sha256.txt manifest-sha256.txt | sort) \\
  <(find . ! -type d | grep -Ev '^\\./tagmanifest-sha(256|512)\\.txt$' | cut -c 3- | sort)
test -z "$(find . ! -type f ! -type d)"
echo "the package is whole\""""


def of_sealed(commands: str) -> str:
    """The same where the film is sealed: its ciphertext is an object of the record, and what the camera signed is the
    digest of what is in it, which the record has as well."""
    if commands == CAMERA:
        return CAMERA.rpartition("jq -er")[0] + _SEALED_CAMERA
    return commands.replace('select(.name == "master")', 'select(.name == "master.age")')


_SEALED_CAMERA = """\
jq -e --slurpfile clip "$d/clip" '[.subject[] | select(.name == $clip[0].predicate.path) | .digest.sha256]
  == [$clip[0].subject[] | select(.name == "master") | .digest.sha256]' "$d/manifest"
echo "the camera signed what is in this footage\""""
