package main

import (
	"encoding/json"
	"net/http"
	"os"
	"sync"
)

// exchange is one request with its answer, as the trace has it. The bytes of disks and uploads are counted, not kept.
type exchange struct {
	Number  int               `json:"number"`
	Method  string            `json:"method"`
	Path    string            `json:"path"` // with its query
	Soap    string            `json:"soap,omitempty"`
	Object  string            `json:"object,omitempty"` // the managed object that was called: Type:value
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body,omitempty"`
	Bytes   int64             `json:"bytes"`
	Status  int               `json:"status"`
	Answer  string            `json:"answer,omitempty"`
	Sent    int64             `json:"sent"` // bytes of the answer
	Fault   string            `json:"fault,omitempty"`
}

// Headers that checkers look at.
var traced = []string{
	"Content-Type", "Content-Length", "Transfer-Encoding", "Soapaction", "Cookie", "Authorization", "Vmware-Api-Session-Id",
	"Overwrite", "User-Agent", "Accept",
}

type trace struct {
	mu       sync.Mutex
	file     *os.File
	next     int
	counters map[string]int
}

func newTrace(path string) (*trace, error) {
	file, err := os.Create(path)
	return &trace{file: file, counters: map[string]int{}}, err
}

// begin gives a request its number.
func (t *trace) begin(r *http.Request) *exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := &exchange{Number: t.next, Method: r.Method, Path: r.URL.RequestURI(), Headers: map[string]string{}}
	t.next++
	for _, name := range traced {
		if value := r.Header.Get(name); value != "" {
			e.Headers[name] = value
		}
	}
	return e
}

// count is called once it is known what a request is.
func (t *trace) count(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counters[name]++
}

// end writes it down.
func (t *trace) end(e *exchange) {
	line, err := json.Marshal(e)
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = t.file.Write(append(line, '\n'))
}
