// Checks a dock's ledger with the transparency-log code of the Go project, and nothing of ours.
//
//	outside ledger ENTRIES CHECKPOINT VKEY
//	outside inclusion VKEY CHECKPOINT INDEX ENTRY PROOF     (PROOF: base64 hashes, one a line)
//	outside consistency VKEY OLD-CHECKPOINT NEW-CHECKPOINT PROOF
package main

import (
	"bytes"
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
