// Checks a tlog-proof@v1 with the transparency-log code of the Go project, and nothing of ours.
//
//	proof VKEY PROOF ENTRY      (ENTRY: a file, or the leaf hash in hex)
package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	fmt.Println("accepted")
}

func run(vkey, proof, entry string) error {
	data, err := os.ReadFile(proof)
	if err != nil {
		return err
	}
	head, checkpoint, found := strings.Cut(string(data), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return fmt.Errorf("not a tlog-proof: %q", lines[0])
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	var path []tlog.Hash
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(vkey))
	if err != nil {
		return err
	}
	opened, err := note.Open([]byte(checkpoint), note.VerifierList(verifier))
	if err != nil {
		return err
	}
	said := strings.Split(opened.Text, "\n")
	if len(said) != 4 || said[0] != verifier.Name() {
		return fmt.Errorf("not a checkpoint of %s: %q", verifier.Name(), opened.Text)
	}
	size, err := strconv.ParseInt(said[1], 10, 64)
	if err != nil {
		return err
	}
	root, err := tlog.ParseHash(said[2])
	if err != nil {
		return err
	}
	leaf, err := leafHash(entry)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, size, root, index, leaf)
}

func leafHash(entry string) (hash tlog.Hash, err error) {
	if data, err := os.ReadFile(entry); err == nil {
		return tlog.RecordHash(data), nil
	}
	raw, err := hex.DecodeString(entry)
	if err == nil && len(raw) != len(hash) {
		err = fmt.Errorf("%d bytes are no hash", len(raw))
	}
	copy(hash[:], raw)
	return hash, err
}
