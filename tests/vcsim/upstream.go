package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// What the fixture itself asks the simulator for, when it puts files into libraries.

// unpack gives the simulator the files in an OVA, as a real library keeps them.
func (f *fixture) unpack(key, session, ova string) error {
	in, err := os.Open(ova)
	if err != nil {
		return err
	}
	defer in.Close()
	for archive := tar.NewReader(in); ; {
		entry, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("could not read the OVA: %w", err)
		}
		if err := f.push(key, session, entry.Name, archive); err != nil {
			return err
		}
	}
}

// push adds a file to an update session of the simulator's.
func (f *fixture) push(key, session, name string, from io.Reader) error {
	spooled, _, err := f.spool(session+"-"+name, from)
	if err != nil {
		return err
	}
	defer os.Remove(spooled)
	spec := map[string]interface{}{"file_spec": map[string]string{"name": name, "source_type": "PUSH"}}
	var told struct {
		Value updateFile `json:"value"`
	}
	if err := f.ask(key, item+"/updatesession/file/id:"+session+"?~action=add", spec, &told); err != nil {
		return err
	}
	_, target, _ := strings.Cut(told.Value.UploadEndpoint.URI, f.upstream)
	return f.pass(key, target, spooled)
}

// pass puts a file to the simulator.
func (f *fixture) pass(key, target, file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	return f.send(key, http.MethodPut, target, in, nil)
}

// ask makes a call of REST to the simulator.
func (f *fixture) ask(key, target string, body, answer interface{}) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return f.send(key, http.MethodPost, target, bytes.NewReader(text), answer)
}

func (f *fixture) send(key, method, target string, body io.Reader, answer interface{}) error {
	request, err := http.NewRequest(method, "http://"+f.upstream+target, body)
	if err != nil {
		return err
	}
	request.Header.Set(restHeader, key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return fmt.Errorf("the simulator answered %s to %s %s", response.Status, method, target)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
