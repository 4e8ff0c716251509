package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

const (
	restPrefix  = "/rest/com/vmware/"
	dataPrefix  = "/rest/com/vmware/cis/data/"
	restSession = "/rest/com/vmware/cis/session"
)

// rest passes a call of REST on. Ours, not VMware's: who may log in, sessions that end, the form below /api (api.go), and what
// content libraries check of uploads (library.go).
func (f *fixture) rest(w http.ResponseWriter, r *http.Request, st *state) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		if !f.options.api {
			http.NotFound(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		operation, err := translate(r, body)
		if err != nil {
			restError(w, true, http.StatusBadRequest, "INVALID_ARGUMENT", err.Error())
			return
		}
		if operation == nil {
			restError(w, true, http.StatusNotFound, "NOT_FOUND", "no such operation")
			return
		}
		st.api = operation
	}
	newer := st.api != nil
	switch {
	case r.URL.Path == restSession && r.Method == http.MethodPost && r.URL.Query().Get("~action") == "":
		user, password, ok := r.BasicAuth()
		if !ok || user != f.options.user || password != f.options.password {
			restError(w, newer, http.StatusUnauthorized, "UNAUTHENTICATED", "Authentication required.")
			return
		}
		st.after = func(text []byte) {
			var told struct {
				Value string `json:"value"`
			}
			if json.Unmarshal(text, &told) == nil {
				f.sessions.add(f.sessions.rest, told.Value)
			}
		}
	case !f.sessions.hasRest(r):
		restError(w, newer, http.StatusUnauthorized, "UNAUTHENTICATED", "Authentication required.")
		return
	case r.URL.Path == restSession && r.Method == http.MethodDelete:
		key := f.sessions.restKey(r)
		st.after = func([]byte) { f.sessions.remove(f.sessions.rest, key) }
	}
	f.library(w, r, st)
}

// restError answers with an error of the one form or the other.
func restError(w http.ResponseWriter, newer bool, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(errorBody(newer, kind, message))
}

func errorBody(newer bool, kind, message string) []byte {
	messages := []map[string]interface{}{{"id": "fixture", "default_message": message, "args": []string{}}}
	var body interface{} = map[string]interface{}{"error_type": kind, "messages": messages}
	if !newer {
		body = map[string]interface{}{
			"type":  "com.vmware.vapi.std.errors." + strings.ToLower(kind),
			"value": map[string]interface{}{"error_type": kind, "messages": messages},
		}
	}
	text, _ := json.Marshal(body)
	return text
}

// value is an answer of the older form.
func value(v interface{}) []byte {
	text, _ := json.Marshal(map[string]interface{}{"value": v})
	return text
}

func replaceBody(r *http.Request, body []byte) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
}
