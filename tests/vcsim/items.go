package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
)

// The files of library items: ours, not VMware's. The simulator tells no digests, never removes a file, and ends the whole update
// session when it is asked to.

// itemFiles is what update sessions did to the files of items.
type itemFiles struct {
	mu      sync.Mutex
	removed map[string][]string            // by update session: what goes when it is complete
	gone    map[string]map[string]bool     // by item
	sums    map[string]map[string]checksum // by item, by name
}

func newItemFiles() *itemFiles {
	return &itemFiles{
		removed: map[string][]string{}, gone: map[string]map[string]bool{}, sums: map[string]map[string]checksum{},
	}
}

// remove answers a call that removes a file.
func (i *itemFiles) remove(w http.ResponseWriter, newer bool, session string, body []byte) {
	var told struct {
		Name string `json:"file_name"`
	}
	if json.Unmarshal(body, &told) != nil || told.Name == "" {
		restError(w, newer, http.StatusBadRequest, "INVALID_ARGUMENT", "file_name is missing")
		return
	}
	i.mu.Lock()
	i.removed[session] = append(i.removed[session], told.Name)
	i.mu.Unlock()
	if newer {
		w.WriteHeader(http.StatusNoContent)
	}
}

// complete makes the changes of an update session visible.
func (i *itemFiles) complete(item, session string, files []updateFile) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.gone[item] == nil {
		i.gone[item], i.sums[item] = map[string]bool{}, map[string]checksum{}
	}
	for _, name := range i.removed[session] {
		i.gone[item][name] = true
	}
	for _, file := range files {
		i.gone[item][file.Name] = false
		if file.Checksum != nil {
			i.sums[item][file.Name] = checksum{Algorithm: file.Checksum.Algorithm, Checksum: file.digest}
		} else {
			delete(i.sums[item], file.Name)
		}
	}
}

// list is what the simulator lists, put right.
func (i *itemFiles) list(item string, text []byte) []byte {
	var told struct {
		Value []map[string]interface{} `json:"value"`
	}
	if json.Unmarshal(text, &told) != nil {
		return text
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	kept := []map[string]interface{}{}
	for _, file := range told.Value {
		name, _ := file["name"].(string)
		if i.gone[item][name] {
			continue
		}
		if sum, known := i.sums[item][name]; known {
			file["checksum_info"] = sum
		}
		kept = append(kept, file)
	}
	return value(kept)
}

// overwritten is the answer to a capture: the simulator says nothing of one that overwrites an item.
func overwritten(asked, text []byte) []byte {
	var request struct {
		Target struct {
			Item string `json:"library_item_id"`
		} `json:"target"`
	}
	if json.Unmarshal(asked, &request) != nil || request.Target.Item == "" {
		return text
	}
	return value(map[string]interface{}{"succeeded": true, "ovf_library_item_id": request.Target.Item})
}

// asPairs turns the maps in a body of the newer form into the older form's lists of pairs.
func asPairs(body []byte, path string) []byte {
	var whole map[string]interface{}
	if json.Unmarshal(body, &whole) != nil {
		return body
	}
	parts := strings.Split(path, ".")
	at := whole
	for _, part := range parts[:len(parts)-1] {
		inner, ok := at[part].(map[string]interface{})
		if !ok {
			return body
		}
		at = inner
	}
	name := parts[len(parts)-1]
	fields, ok := at[name].(map[string]interface{})
	if !ok {
		return body
	}
	pairs := []map[string]interface{}{}
	for key, one := range fields {
		pairs = append(pairs, map[string]interface{}{"key": key, "value": one})
	}
	at[name] = pairs
	body, _ = json.Marshal(whole)
	return body
}
