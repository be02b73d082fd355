// Checks an excerpt of a clip with the output of a stock ffmpeg, and with nothing of dockagent.
//
//	ffmpeg -v error -i excerpt.mp4 -map 0 -c copy -f framehash -hash sha256 - >lines
//	go run check-excerpt.go excerpt.json lines [KEY.pem VKEY [RECORD PROOF]]
//
// The film lies beside excerpt.json, as it was handed out. It shows that the samples which ffmpeg reads in it are one stretch of the original's, without a gap, each at
// its place in time, set up for the decoder as there; and that the dock said so in a ledger whose checkpoint it signed.
// KEY.pem is the dock's public record key, VKEY its checkpoint key, from somebody whom you trust. Without them those that
// came with the excerpt are taken, which says nothing about who the signer is. Of a dock that changed its keys in between
// both are needed: more PEM blocks in one file, vkeys with a space between them.
//
// RECORD and PROOF lie beside the excerpt's folder (FOLDER.record.json, FOLDER.tlog-proof). They show that this very
// proof was handed out, with every word in it, also those that nothing else proves: what was asked for, and the digest of
// the whole film, so that nothing that ffmpeg does not print can have been changed.
//
// Needed: Go, and golang.org/x/mod (Debian: golang-golang-x-mod-dev).
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type envelope struct {
	Payload, PayloadType string
	Signatures           []struct{ Keyid, Sig string }
}

type track struct { // what the dock signed about a track of the original
	Track                         int
	Samples                       int64
	Root, Presentation, Time_base string
}

type stretch struct { // where the excerpt's track lies in it
	Track, First, Samples, Shift int64
	Siblings                     []string
}

type proof struct {
	File, Sha256 string
	Bytes        int64
	Tracks       []stretch
	Fields *struct {
		Count int64
		Shown []struct {
			Name, Salt string
			Value      json.RawMessage // canonical as it stands: the file is RFC 8785 JSON
			Index      int64
			Path       []string
		}
	}
	Entry      json.RawMessage
	Tlog_proof string
	Docks      []struct{ Record_key_pem, Log_vkey string }
}

func main() {
	if len(os.Args) != 3 && len(os.Args) != 5 && len(os.Args) != 7 {
		fmt.Fprintln(os.Stderr, "usage: check-excerpt excerpt.json LINES [KEY.pem VKEY [RECORD PROOF]]")
		os.Exit(2)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	if len(open) > 0 {
		fmt.Println("not refuted, but open:", strings.Join(open, "; "))
		os.Exit(3)
	}
	fmt.Println("accepted")
}

// open is what could not be shown with what was given.
var open []string

func run(args []string) error {
	var said proof
	if err := read(args[0], &said); err != nil {
		return err
	}
	lines, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	key, vkey := "", ""
	for _, dock := range said.Docks {
		key, vkey = key+dock.Record_key_pem, vkey+" "+dock.Log_vkey
	}
	if len(args) >= 4 {
		file, err := os.ReadFile(args[2])
		if err != nil {
			return err
		}
		key, vkey = string(file), args[3]
	} else {
		open = append(open, "the keys came along with the excerpt, and anybody can make such: give KEY.pem and VKEY")
	}
	if len(args) == 6 {
		if err := handed(args[0], args[4], args[5], key, vkey); err != nil {
			return err
		}
	} else {
		open = append(open, "nothing shows that it is as it was handed out, nor what was asked for: give RECORD and PROOF")
	}
	root, count, err := signed(said, key, vkey)
	if err != nil {
		return err
	}
	tracks, err := shown(said, root, count)
	if err != nil {
		return err
	}
	if err := samples(said.Tracks, tracks, string(lines)); err != nil {
		return err
	}
	return film(args[0], said)
}

// film compares the film beside the proof with the digest that the proof states.
func film(file string, said proof) error {
	if said.File != filepath.Base(said.File) || strings.HasPrefix(said.File, ".") {
		return fmt.Errorf("the proof names the film %q", said.File)
	}
	source, err := os.Open(filepath.Join(filepath.Dir(file), said.File))
	if err != nil {
		return err
	}
	defer source.Close()
	digest := sha256.New()
	size, err := io.Copy(digest, source)
	if err != nil {
		return err
	}
	if size != said.Bytes || hex.EncodeToString(digest.Sum(nil)) != said.Sha256 {
		return fmt.Errorf("%s is not the film that the proof is of: it has another digest", said.File)
	}
	return nil
}

// handed checks the ledger's record that this very proof was handed out, and the record's place in the ledger.
func handed(file, recordFile, proofFile, keys, vkeys string) error {
	var files [3][]byte
	for at, name := range []string{file, recordFile, proofFile} {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		files[at] = data
	}
	payload, err := opened(files[1], keys)
	if err != nil {
		return err
	}
	var record struct {
		Type  string
		Index int64
		What  struct{ Kind, Package_sha256 string }
		Why   map[string]string
		When  struct{ Utc string }
	}
	if err := json.Unmarshal(payload, &record); err != nil {
		return err
	}
	if record.Type != "disclose" || record.What.Kind != "excerpt" {
		return fmt.Errorf("the record beside is a %q of kind %q, not that of an excerpt", record.Type, record.What.Kind)
	}
	if digest := sha256.Sum256(files[0]); hex.EncodeToString(digest[:]) != record.What.Package_sha256 {
		return fmt.Errorf("it is not the excerpt that was handed out: the record has another digest than %s", file)
	}
	fmt.Printf("handed out: on %s to %q for %q\n", record.When.Utc, record.Why["recipient"], record.Why["purpose"])
	return logged(files[1], string(files[2]), record.Index, vkeys)
}

// opened gives what is in a DSSE envelope that one of the keys signed.
func opened(entry []byte, keys string) ([]byte, error) {
	var sealed envelope
	if err := json.Unmarshal(entry, &sealed); err != nil {
		return nil, err
	}
	payload, err := base64.StdEncoding.DecodeString(sealed.Payload)
	if err != nil || len(sealed.Signatures) != 1 {
		return nil, fmt.Errorf("the ledger's record is no envelope with one signature")
	}
	signature, err := base64.StdEncoding.DecodeString(sealed.Signatures[0].Sig)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(fmt.Sprintf("DSSEv1 %d %s %d %s", len(sealed.PayloadType), sealed.PayloadType, len(payload), payload)))
	for block, rest := pem.Decode([]byte(keys)); block != nil; block, rest = pem.Decode(rest) {
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		if its, ok := public.(*ecdsa.PublicKey); ok && ecdsa.VerifyASN1(its, digest[:], signature) {
			return payload, nil
		}
	}
	return nil, fmt.Errorf("the ledger's record is not signed by this key")
}

// signed checks the dock's signature over the ledger's record, and the record's place in the ledger.
func signed(said proof, keys, vkeys string) (root tlog.Hash, count int64, err error) {
	payload, err := opened(said.Entry, keys)
	if err != nil {
		return root, 0, err
	}
	var record struct {
		Type  string
		Index int64
		What  struct {
			Root  string
			Count int64
		}
	}
	if err := json.Unmarshal(payload, &record); err != nil {
		return root, 0, err
	}
	if record.Type != "clip.fields" {
		return root, 0, fmt.Errorf("the ledger's record is a %q: see docs/excerpt.md for excerpts of older clips", record.Type)
	}
	if root, err = hash(record.What.Root); err != nil {
		return root, 0, err
	}
	if said.Tlog_proof == "" {
		open = append(open, "no checkpoint is over the dock's record, so the ledger may not have it")
		return root, record.What.Count, nil
	}
	return root, record.What.Count, logged(said.Entry, said.Tlog_proof, record.Index, vkeys)
}

// logged checks a c2sp.org/tlog-proof: that the record is in the log under a checkpoint by one of the vkeys.
func logged(entry []byte, proof string, index int64, vkeys string) error {
	parts := strings.SplitN(proof, "\n\n", 2)
	lines := strings.Split(parts[0], "\n")
	if len(parts) != 2 || len(lines) < 2 || lines[1] != fmt.Sprintf("index %d", index) {
		return fmt.Errorf("no tlog-proof of record %d", index)
	}
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		one, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, one)
	}
	var known []note.Verifier
	for _, vkey := range strings.Fields(vkeys) {
		verifier, err := note.NewVerifier(vkey)
		if err != nil {
			return err
		}
		known = append(known, verifier)
	}
	opened, err := note.Open([]byte(parts[1]), note.VerifierList(known...))
	if err != nil {
		return err
	}
	head := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(head[1], 10, 64)
	if err != nil {
		return err
	}
	root, err := tlog.ParseHash(head[2])
	if err != nil {
		return err
	}
	if head[0] != opened.Sigs[0].Name {
		return fmt.Errorf("the checkpoint is of another log, %q", head[0])
	}
	return tlog.CheckRecord(path, size, root, index, tlog.RecordHash(entry))
}

// shown checks each field that is shown against the root that the dock signed, and gives the tracks among them.
func shown(said proof, root tlog.Hash, count int64) (map[int64]track, error) {
	if said.Fields == nil || said.Fields.Count != count {
		return nil, fmt.Errorf("the fields are not those that the dock signed")
	}
	tracks := map[int64]track{}
	for _, field := range said.Fields.Shown {
		text := fmt.Sprintf("dockagent/field/v1\n%s %s\n%s\n", field.Salt, field.Name, field.Value)
		path, err := hashes(field.Path)
		if err != nil {
			return nil, err
		}
		if err := tlog.CheckRecord(path, count, root, field.Index, tlog.RecordHash([]byte(text))); err != nil {
			return nil, fmt.Errorf("field %s: %v", field.Name, err)
		}
		if strings.HasPrefix(field.Name, "samples.") {
			var one track
			if err := json.Unmarshal(field.Value, &one); err != nil {
				return nil, err
			}
			tracks[int64(one.Track)] = one
		} else {
			fmt.Printf("shown: %s %s\n", field.Name, field.Value)
		}
	}
	return tracks, nil
}

// samples checks ffmpeg's lines: for each track the very samples, and all tracks shifted by one time.
func samples(stretches []stretch, tracks map[int64]track, lines string) error {
	units := make([]int64, len(stretches))
	for place, one := range stretches {
		its, ok := tracks[one.Track]
		if !ok {
			return fmt.Errorf("the dock said nothing about track %d", one.Track)
		}
		units[place], _ = strconv.ParseInt(strings.TrimPrefix(its.Time_base, "1/"), 10, 64)
		if err := head(place, its, lines); err != nil {
			return err
		}
		leaves, err := leaves(place, one, lines)
		if err != nil {
			return err
		}
		if err := stretchOf(leaves, one, its); err != nil {
			return fmt.Errorf("track %d: %v", place, err)
		}
		fmt.Printf("track %d is samples %d to %d of %d of the original's track %d\n", place, one.First, one.First+one.Samples-1, its.Samples, one.Track)
	}
	for a := range stretches {
		for b := range stretches[:a] {
			apart := stretches[a].Shift*units[b] - stretches[b].Shift*units[a]
			if 2*apart > units[a]+units[b] || -2*apart > units[a]+units[b] {
				return fmt.Errorf("tracks %d and %d are not as far apart as in the original", a, b)
			}
		}
	}
	for _, line := range strings.Split(lines, "\n") {
		if word := strings.SplitN(line, ",", 2); len(word) == 2 && !strings.HasPrefix(line, "#") {
			if number, err := strconv.Atoi(strings.TrimSpace(word[0])); err != nil || number >= len(stretches) {
				return fmt.Errorf("there is a track %s that the proof does not speak of", word[0])
			}
		}
	}
	return nil
}

// head compares what ffmpeg prints before its lines with the original's presentation.
func head(place int, its track, lines string) error {
	said := map[string]string{}
	for _, line := range strings.Split(its.Presentation, "\n") {
		word := strings.SplitN(line, " ", 2)
		said[word[0]] = strings.Join(word[1:], "")
	}
	wanted := map[string]string{fmt.Sprintf("#tb %d: ", place): said["tb"]}
	if !strings.Contains(its.Presentation, "dimensions 0x0") {
		wanted[fmt.Sprintf("#dimensions %d: ", place)] = said["dimensions"]
	}
	for begin, value := range wanted {
		if !strings.Contains(lines, begin+value+"\n") {
			return fmt.Errorf("ffmpeg does not print %s%s", begin, value)
		}
	}
	word := strings.Fields(said["extradata"]) // bytes and SHA-256; one word where there is none, or none that is known
	for _, line := range strings.Split(lines, "\n") {
		column := strings.Split(strings.ReplaceAll(line, " ", ""), ",")
		if len(word) == 2 && len(column) == 3 && column[0] == fmt.Sprintf("#extradata%d", place) {
			if column[1] != word[0] || column[2] != word[1] {
				return fmt.Errorf("track %d: another decoder set-up", place)
			}
			word = nil
		}
	}
	if len(word) == 2 {
		return fmt.Errorf("track %d: ffmpeg prints no decoder set-up", place)
	}
	return nil
}

// leaves makes the original's leaves from ffmpeg's lines: stream, dts, pts, duration, size, hash.
func leaves(place int, one stretch, lines string) (found []tlog.Hash, err error) {
	for _, line := range strings.Split(lines, "\n") {
		word := strings.Split(strings.ReplaceAll(line, " ", ""), ",")
		if len(word) < 6 || word[0] != strconv.Itoa(place) {
			continue
		}
		dts, err := strconv.ParseInt(word[1], 10, 64)
		if err != nil {
			return nil, err
		}
		pts, err := strconv.ParseInt(word[2], 10, 64)
		if err != nil {
			return nil, err
		}
		text := fmt.Sprintf("dockagent/sample/v1\n%d %d %d %d %s %s\n",
			one.First+int64(len(found)), one.Track, dts+one.Shift, pts+one.Shift, word[4], word[5])
		found = append(found, tlog.RecordHash([]byte(text)))
	}
	return found, nil
}

// stretchOf folds the leaves and the proof's hashes into the root of the whole track (RFC 6962 section 2.1).
func stretchOf(leaves []tlog.Hash, one stretch, its track) error {
	if int64(len(leaves)) != one.Samples || one.Samples == 0 {
		return fmt.Errorf("ffmpeg prints %d samples, the proof is for %d", len(leaves), one.Samples)
	}
	siblings, err := hashes(one.Siblings)
	if err != nil {
		return err
	}
	var fold func(low, high int64) tlog.Hash
	fold = func(low, high int64) (made tlog.Hash) {
		if high <= one.First || low >= one.First+one.Samples {
			if len(siblings) > 0 {
				made, siblings = siblings[0], siblings[1:]
			}
			return made
		}
		if high-low == 1 {
			return leaves[low-one.First]
		}
		split := int64(1)
		for split*2 < high-low {
			split *= 2
		}
		left := fold(low, low+split)
		return tlog.NodeHash(left, fold(low+split, high))
	}
	root, err := hash(its.Root)
	if err != nil {
		return err
	}
	if one.First < 0 || one.First+one.Samples > its.Samples || fold(0, its.Samples) != root || len(siblings) > 0 {
		return fmt.Errorf("these samples are not number %d to %d of the original", one.First, one.First+one.Samples-1)
	}
	return nil
}

func hashes(words []string) (found []tlog.Hash, err error) {
	for _, word := range words {
		one, err := hash(word)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, nil
}

func hash(text string) (one tlog.Hash, err error) {
	data, err := hex.DecodeString(text)
	if err != nil || len(data) != len(one) {
		return one, fmt.Errorf("not a hash: %q", text)
	}
	copy(one[:], data)
	return one, nil
}

func read(file string, into any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	return decoder.Decode(into)
}
