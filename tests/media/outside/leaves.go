// Checks a sample tree with the transparency-log code of the Go project and the lines that a stock ffmpeg printed, and
// nothing of ours.
//
//	leaves tree FRAMEHASH TRACK ROOT                    (FRAMEHASH: a file; ROOT: hex)
//	leaves sample FRAMEHASH TRACK ROOT INDEX PROOF      (PROOF: hex hashes, one a line)
package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

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
	leaves, err := leaves(args[0], args[1])
	if err != nil {
		return err
	}
	root, err := hash(args[2])
	if err != nil {
		return err
	}
	if command == "tree" {
		return tree(leaves, root)
	}
	index, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(args[4])
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, word := range strings.Fields(string(data)) {
		one, err := hash(word)
		if err != nil {
			return err
		}
		proof = append(proof, one)
	}
	return tlog.CheckRecord(proof, int64(len(leaves)), root, index, tlog.RecordHash(leaves[index]))
}

// leaves builds the leaves of one track from the lines of `ffmpeg -f framehash`: stream, dts, pts, duration, size, hash.
func leaves(file, track string) (found [][]byte, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Split(string(data), "\n") {
		word := strings.Split(strings.ReplaceAll(line, " ", ""), ",")
		if len(word) >= 6 && word[0] == track {
			leaf := fmt.Sprintf("dockagent/sample/v1\n%d %s %s %s %s %s\n", len(found), track, word[1], word[2], word[4], word[5])
			found = append(found, []byte(leaf))
		}
	}
	return found, nil
}

func tree(leaves [][]byte, root tlog.Hash) error {
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
	computed, err := tlog.TreeHash(int64(len(leaves)), reader)
	if err != nil {
		return err
	}
	if computed != root {
		return fmt.Errorf("root %v, the record says %v", computed, root)
	}
	return nil
}

func hash(text string) (one tlog.Hash, err error) {
	data, err := hex.DecodeString(text)
	if err != nil || len(data) != len(one) {
		return one, fmt.Errorf("not a hash: %q", text)
	}
	copy(one[:], data)
	return one, nil
}
