package main

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Uploads to content libraries: ours, not VMware's. The simulator takes any size and digest for true, never says that a file is
// there, keeps the descriptor of an OVA only, and captures machines without their disks.

// checksum is as the bindings have it (ChecksumInfo).
type checksum struct {
	Algorithm string `json:"algorithm,omitempty"`
	Checksum  string `json:"checksum"`
}

// endpoint is as the bindings have it (TransferEndpoint).
type endpoint struct {
	URI string `json:"uri"`
}

// updateFile is a file of an update session (updatesession.File.AddSpec and Info).
type updateFile struct {
	Name             string    `json:"name"`
	SourceType       string    `json:"source_type"`
	Size             *int64    `json:"size,omitempty"`
	Checksum         *checksum `json:"checksum_info,omitempty"`
	BytesTransferred int64     `json:"bytes_transferred"`
	Status           string    `json:"status"`
	UploadEndpoint   *endpoint `json:"upload_endpoint,omitempty"`

	digest string
	wrong  string
	take   func() error // gives the simulator what was put
}

type libraries struct {
	mu       sync.Mutex
	sessions map[string]map[string]*updateFile // by update session, by name
	byID     map[string]*updateFile            // by the id in the address of an upload
	owner    map[string]string                 // the update session of such an id
	items    map[string]string                 // the item of an update session
	versions map[string]int                    // how often an item was updated
}

func newLibraries() *libraries {
	return &libraries{
		sessions: map[string]map[string]*updateFile{}, byID: map[string]*updateFile{}, owner: map[string]string{},
		items: map[string]string{}, versions: map[string]int{},
	}
}

func hasher(algorithm string) hash.Hash {
	switch algorithm {
	case "MD5":
		return md5.New()
	case "SHA256":
		return sha256.New()
	case "SHA512":
		return sha512.New()
	}
	return sha1.New() // the default, as the bindings say
}

// library does what is ours, and passes the rest on.
func (f *fixture) library(w http.ResponseWriter, r *http.Request, st *state) {
	id := strings.TrimPrefix(path.Base(r.URL.Path), "id:")
	action := r.URL.Query().Get("~action")
	parent := path.Dir(r.URL.Path)
	switch {
	case strings.HasPrefix(r.URL.Path, dataPrefix) && r.Method == http.MethodPut:
		f.libraryData(w, r)
		return
	case parent == item+"/updatesession/file":
		body, _ := io.ReadAll(r.Body)
		replaceBody(r, body)
		if action == "remove" {
			f.itemFiles.remove(w, st.api != nil, id, body)
			return
		}
		f.updateFile(st, id, action, body)
	case parent == item+"/update-session" && action == "complete":
		if wrong := f.libraries.wrong(id); wrong != "" {
			newer := st.api != nil
			restError(w, newer, http.StatusBadRequest, "NOT_ALLOWED_IN_CURRENT_STATE", wrong)
			return
		}
		files := f.libraries.files(id)
		for _, file := range files {
			if file.take == nil {
				continue
			}
			if err := file.take(); err != nil {
				restError(w, st.api != nil, http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", err.Error())
				return
			}
		}
		st.after = func([]byte) {
			f.itemFiles.complete(f.libraries.completed(id), id, files)
		}
	case r.URL.Path == item+"/update-session" && r.Method == http.MethodPost:
		body, _ := io.ReadAll(r.Body)
		replaceBody(r, body)
		st.after = func(text []byte) { f.libraries.begun(body, text) }
	case parent == item && r.Method == http.MethodGet && id != "file":
		st.answer = func(text []byte, _ *int) []byte { return f.libraries.withVersion(id, text) }
	case r.URL.Path == item+"/file" && r.Method == http.MethodGet:
		asked := r.URL.Query().Get("library_item_id")
		st.answer = func(text []byte, _ *int) []byte { return f.itemFiles.list(asked, latest(text)) }
	case strings.HasPrefix(r.URL.Path, "/rest/vcenter/vm-template/library-items/") && r.Method == http.MethodGet:
		// The simulator wants a body even here.
		replaceBody(r, []byte("{}"))
	case parent == restPrefix+"vcenter/ovf/library-item" && action == "deploy":
		st.after = func(text []byte) {
			if vm := machine(between(text, `"id":"`, `"`)); vm != nil {
				f.giveLibraryDisks(vm, id)
			}
		}
	case r.URL.Path == restPrefix+"vcenter/ovf/library-item" && r.Method == http.MethodPost:
		body, _ := io.ReadAll(r.Body)
		replaceBody(r, body)
		session := f.sessions.restKey(r)
		st.after = func(text []byte) { f.captured(session, body, overwritten(body, text)) }
		st.answer = func(text []byte, _ *int) []byte { return overwritten(body, text) }
	}
	f.proxy.ServeHTTP(w, r)
}

// updateFile does the calls about a session's files.
func (f *fixture) updateFile(st *state, session, action string, body []byte) {
	l := f.libraries
	switch action {
	case "add":
		var told struct {
			File updateFile `json:"file_spec"`
		}
		_ = json.Unmarshal(body, &told)
		st.answer = func([]byte, *int) []byte { return value(told.File) }
		st.after = func(text []byte) {
			var theirs struct {
				Value updateFile `json:"value"`
			}
			_ = json.Unmarshal(text, &theirs)
			told.File.Status = "WAITING_FOR_TRANSFER"
			told.File.UploadEndpoint = theirs.Value.UploadEndpoint
			if told.File.UploadEndpoint != nil {
				l.add(session, path.Base(path.Dir(told.File.UploadEndpoint.URI)), &told.File)
			}
		}
	case "list":
		st.answer = func([]byte, *int) []byte { return value(l.files(session)) }
	case "get":
		var told struct {
			Name string `json:"file_name"`
		}
		_ = json.Unmarshal(body, &told)
		st.answer = func(_ []byte, status *int) []byte {
			for _, file := range l.files(session) {
				if file.Name == told.Name {
					return value(file)
				}
			}
			*status = http.StatusNotFound
			return errorBody(false, "NOT_FOUND", "no such file: "+told.Name)
		}
	case "validate":
		st.answer = func([]byte, *int) []byte {
			invalid := []map[string]interface{}{}
			for _, file := range l.files(session) {
				if why := file.problem(); why != "" {
					message := map[string]interface{}{"id": "fixture", "default_message": why, "args": []string{}}
					invalid = append(invalid, map[string]interface{}{"name": file.Name, "error_message": message})
				}
			}
			return value(map[string]interface{}{"has_errors": len(invalid) != 0, "missing_files": []string{}, "invalid_files": invalid})
		}
	}
}

func (l *libraries) add(session, id string, file *updateFile) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions[session] == nil {
		l.sessions[session] = map[string]*updateFile{}
	}
	l.sessions[session][file.Name] = file
	l.byID[id] = file
	l.owner[id] = session
}

// begun remembers which item an update session is of.
func (l *libraries) begun(asked, text []byte) {
	var request struct {
		Spec struct {
			Item string `json:"library_item_id"`
		} `json:"create_spec"`
	}
	var told struct {
		Value string `json:"value"`
	}
	_ = json.Unmarshal(asked, &request)
	_ = json.Unmarshal(text, &told)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items[told.Value] = request.Spec.Item
}

// completed counts an update, and says which item it is of.
func (l *libraries) completed(session string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.versions[l.items[session]]++
	return l.items[session]
}

// withVersion tells an item's content_version, which rises with every update; the simulator's does not.
func (l *libraries) withVersion(id string, text []byte) []byte {
	var told struct {
		Value map[string]interface{} `json:"value"`
	}
	if json.Unmarshal(text, &told) != nil || told.Value == nil {
		return text
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	told.Value["content_version"] = fmt.Sprint(1 + l.versions[id])
	return value(told.Value)
}

// latest leaves one file of each name: an update replaces files, and the simulator lists them all.
func latest(text []byte) []byte {
	var told struct {
		Value []map[string]interface{} `json:"value"`
	}
	if json.Unmarshal(text, &told) != nil {
		return text
	}
	list, times := []map[string]interface{}{}, map[interface{}]int{}
	for i := len(told.Value) - 1; i >= 0; i-- {
		name := told.Value[i]["name"]
		if times[name]++; times[name] == 1 {
			list = append([]map[string]interface{}{told.Value[i]}, list...)
		}
	}
	for _, one := range list {
		one["version"] = fmt.Sprint(times[one["name"]])
	}
	return value(list)
}

// files are copies of a session's files.
func (l *libraries) files(session string) []updateFile {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := []updateFile{}
	for _, file := range l.sessions[session] {
		all = append(all, *file)
	}
	return all
}

// problem says what is wrong with a file, or "".
func (u *updateFile) problem() string {
	switch {
	case u.SourceType != "PUSH":
		return ""
	case u.Status == "WAITING_FOR_TRANSFER":
		return u.Name + " was not uploaded"
	}
	return u.wrong
}

func (l *libraries) wrong(session string) string {
	for _, file := range l.files(session) {
		if why := file.problem(); why != "" {
			return why
		}
	}
	return ""
}

// libraryData takes the bytes of a file, and compares them with what was told of them.
func (f *fixture) libraryData(w http.ResponseWriter, r *http.Request) {
	id, name := path.Base(path.Dir(r.URL.Path)), path.Base(r.URL.Path)
	l := f.libraries
	l.mu.Lock()
	file, session := l.byID[id], l.owner[id]
	l.mu.Unlock()
	if file == nil {
		http.NotFound(w, r)
		return
	}
	algorithm := ""
	if file.Checksum != nil {
		algorithm = file.Checksum.Algorithm
	}
	digest := hasher(algorithm)
	spooled, n, err := f.spool(id+"-"+name, io.TeeReader(r.Body, digest))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	l.mu.Lock()
	file.BytesTransferred, file.Status, file.wrong = n, "READY", ""
	file.digest = hex.EncodeToString(digest.Sum(nil))
	switch {
	case file.Size != nil && *file.Size != n:
		file.wrong = fmt.Sprintf("%s: %d bytes were put, %d were told", name, n, *file.Size)
	case file.Checksum != nil && !strings.EqualFold(file.Checksum.Checksum, file.digest):
		file.wrong = fmt.Sprintf("%s: the digest of what was put is %s, %s was told", name, file.digest, file.Checksum.Checksum)
	}
	if file.wrong != "" {
		file.Status = "ERROR"
	}
	// Nothing of an update is seen before it is complete; the simulator would put it into the item at once.
	key, target := f.sessions.restKey(r), r.URL.Path
	file.take = func() error {
		defer os.Remove(spooled)
		if path.Ext(name) == ".ova" {
			return f.unpack(key, session, spooled)
		}
		return f.pass(key, target, spooled)
	}
	l.mu.Unlock()
}

// captured gives the item that a machine was captured to its descriptor and disks.
func (f *fixture) captured(key string, asked, text []byte) {
	var request struct {
		Source struct {
			ID string `json:"id"`
		} `json:"source"`
	}
	var told struct {
		Value struct {
			Item string `json:"ovf_library_item_id"`
		} `json:"value"`
	}
	_ = json.Unmarshal(asked, &request)
	_ = json.Unmarshal(text, &told)
	vm, _ := simulator.Map.Get(types.ManagedObjectReference{Type: "VirtualMachine", Value: request.Source.ID}).(*simulator.VirtualMachine)
	if vm == nil || told.Value.Item == "" {
		return
	}
	var session struct {
		Value string `json:"value"`
	}
	spec := map[string]interface{}{"create_spec": map[string]string{"library_item_id": told.Value.Item}}
	if f.ask(key, item+"/update-session", spec, &session) != nil {
		return
	}
	var files []types.OvfFile
	for i, disk := range machineDisks(vm) {
		file := f.disks.find(vm, i)
		in, err := os.Open(file)
		if err != nil {
			continue
		}
		name := fmt.Sprintf("%s-%d.vmdk", vm.Name, i+1)
		info, _ := in.Stat()
		files = append(files, types.OvfFile{
			DeviceId: deviceKey(vm.Self.Value, vm, disk), Path: name, Size: info.Size(), Capacity: capacity(disk),
		})
		_ = f.push(key, session.Value, name, in)
		_ = in.Close()
	}
	_ = f.push(key, session.Value, vm.Name+".ovf", strings.NewReader(descriptor(vm, vm.Name, files)))
	_ = f.ask(key, item+"/update-session/id:"+session.Value+"?~action=complete", map[string]string{}, nil)
}
