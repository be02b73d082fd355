// Checks a dock's ledger with the transparency-log code of the Go project, and nothing of ours.
//
//	outside ledger ENTRIES CHECKPOINT VKEY
//	outside inclusion VKEY CHECKPOINT INDEX ENTRY PROOF     (PROOF: base64 hashes, one a line)
//	outside consistency VKEY OLD-CHECKPOINT NEW-CHECKPOINT PROOF
//	outside cosigned VKEY CHECKPOINT WITNESS-VKEY     (C2SP tlog-cosignature, over crypto/ed25519)
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	fmt.Println("accepted")
}

func run(command string, args []string) error {
	switch command {
	case "ledger":
		return ledger(args[0], args[1], args[2])
	case "inclusion":
		return inclusion(args[0], args[1], args[2], args[3], args[4])
	case "consistency":
		return consistency(args[0], args[1], args[2], args[3])
	case "cosigned":
		return cosigned(args[0], args[1], args[2])
	}
	return fmt.Errorf("unknown command %q", command)
}

// head opens a checkpoint: a note signed by vkey whose three lines are origin, size and root.
func head(file, vkey string) (size int64, root tlog.Hash, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, root, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return 0, root, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return 0, root, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return 0, root, fmt.Errorf("not a checkpoint of %s: %q", verifier.Name(), opened.Text)
	}
	if size, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return 0, root, err
	}
	root, err = tlog.ParseHash(lines[2])
	return size, root, err
}

func ledger(entries, checkpoint, vkey string) error {
	size, root, err := head(checkpoint, vkey)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(entries)
	if err != nil {
		return err
	}
	leaves := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	if int64(len(leaves)) != size {
		return fmt.Errorf("%d entries, checkpoint over %d", len(leaves), size)
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			found[i] = stored[index]
		}
		return found, nil
	})
	for n, leaf := range leaves {
		more, err := tlog.StoredHashes(int64(n), leaf, reader)
		if err != nil {
			return err
		}
		stored = append(stored, more...)
	}
	computed, err := tlog.TreeHash(size, reader)
	if err != nil {
		return err
	}
	if computed != root {
		return fmt.Errorf("root %v, checkpoint says %v", computed, root)
	}
	return nil
}

func hashes(file string) ([]tlog.Hash, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var found []tlog.Hash
	for _, line := range strings.Fields(string(data)) {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		found = append(found, hash)
	}
	return found, nil
}

func inclusion(vkey, checkpoint, index, entry, proof string) error {
	size, root, err := head(checkpoint, vkey)
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(index, 10, 64)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(entry)
	if err != nil {
		return err
	}
	path, err := hashes(proof)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, size, root, n, tlog.RecordHash(data))
}

func consistency(vkey, older, newer, proof string) error {
	oldSize, oldRoot, err := head(older, vkey)
	if err != nil {
		return err
	}
	newSize, newRoot, err := head(newer, vkey)
	if err != nil {
		return err
	}
	path, err := hashes(proof)
	if err != nil {
		return err
	}
	return tlog.CheckTree(path, newSize, newRoot, oldSize, oldRoot)
}

// witness is a note.Verifier for timestamped Ed25519 cosignatures, signature type 4. The package itself knows only type 1.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }

func (w witness) Verify(body, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(sig[:8]))
	return ed25519.Verify(w.key, append([]byte(head), body...), sig[8:])
}

func newWitness(vkey string) (w witness, err error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return w, fmt.Errorf("not a vkey: %q", vkey)
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		return w, fmt.Errorf("not the vkey of a witness: %q", vkey)
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	if hex.EncodeToString(sum[:4]) != parts[1] {
		return w, fmt.Errorf("key hash of %q is %x", vkey, sum[:4])
	}
	return witness{parts[0], binary.BigEndian.Uint32(sum[:4]), key[1:]}, nil
}

func cosigned(vkey, checkpoint, witnessKey string) error {
	if _, _, err := head(checkpoint, vkey); err != nil { // with the log's key alone: the cosignature is left alone
		return err
	}
	data, err := os.ReadFile(checkpoint)
	if err != nil {
		return err
	}
	by, err := newWitness(witnessKey)
	if err != nil {
		return err
	}
	opened, err := note.Open(data, note.VerifierList(by))
	if err != nil {
		return err
	}
	if len(opened.Sigs) != 1 || opened.Sigs[0].Name != by.name {
		return fmt.Errorf("%d cosignatures by %s", len(opened.Sigs), by.name)
	}
	return nil
}
