// Checks a published ledger with the transparency-log code of the Go project, and nothing of ours.
//
//	tiles FOLDER VKEY
//
// The tree hash and the proof of every entry's hash come from the tiles; every entry comes from its bundle.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	fmt.Println("accepted")
}

type folder string

func (f folder) Height() int { return 8 }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles finds tiles where the specification puts them; the older library puts the height before.
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		data, err := f.read("tile/" + strings.TrimPrefix(tile.Path(), "tile/8/"))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func (f folder) read(path string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), path))
}

// entries of the bundle that begins at start; a length of 0 stands for an entry that has a file of its own.
func (f folder) entries(start, size int64) ([][]byte, error) {
	tile := tlog.Tile{H: 8, L: 0, N: start / 256, W: 256}
	if size-start < 256 {
		tile.W = int(size - start)
	}
	name := strings.TrimPrefix(tile.Path(), "tile/8/0/")
	data, err := f.read("tile/entries/" + name)
	if os.IsNotExist(err) {
		data, err = f.read("large/entries/" + name)
	}
	if err != nil {
		return nil, err
	}
	var found [][]byte
	for len(data) >= 2 {
		length := int(binary.BigEndian.Uint16(data))
		if data = data[2:]; length > len(data) {
			break
		}
		entry := data[:length]
		if length == 0 {
			own := tlog.Tile{H: 8, L: 0, N: start + int64(len(found)), W: 256}
			if entry, err = f.read("large/" + strings.TrimPrefix(own.Path(), "tile/8/0/")); err != nil {
				return nil, err
			}
		}
		found, data = append(found, entry), data[length:]
	}
	if len(data) != 0 || len(found) != tile.W {
		return nil, fmt.Errorf("bundle at %d has %d entries and %d bytes after", start, len(found), len(data))
	}
	return found, nil
}

func run(root, vkey string) error {
	here := folder(root)
	data, err := here.read("checkpoint")
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return err
	}
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return err
	}
	hash, err := tlog.ParseHash(lines[2])
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: hash}, here)
	computed, err := tlog.TreeHash(size, reader)
	if err != nil {
		return err
	}
	if computed != hash {
		return fmt.Errorf("root %v, checkpoint says %v", computed, hash)
	}
	for start := int64(0); start < size; start += 256 {
		if err := bundle(here, reader, start, size, hash); err != nil {
			return err
		}
	}
	return nil
}

func bundle(here folder, reader tlog.HashReader, start, size int64, root tlog.Hash) error {
	entries, err := here.entries(start, size)
	if err != nil {
		return err
	}
	var indexes []int64
	for i := range entries {
		indexes = append(indexes, tlog.StoredHashIndex(0, start+int64(i)))
	}
	hashes, err := reader.ReadHashes(indexes)
	if err != nil {
		return err
	}
	for i, entry := range entries {
		if tlog.RecordHash(entry) != hashes[i] {
			return fmt.Errorf("entry %d is not the one in the tree", start+int64(i))
		}
	}
	last := start + int64(len(entries)) - 1
	proof, err := tlog.ProveRecord(size, last, reader)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, size, root, last, hashes[len(hashes)-1])
}
