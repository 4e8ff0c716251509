package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// rule is trouble that a test asks for. Ours: the simulator makes none.
type rule struct {
	// The name of a SOAP method, or the beginning of a path ("/folder/"), maybe after an HTTP method ("PUT /nfc/").
	Match string `json:"match"`
	// How many requests get it: 1 if not told.
	Times int `json:"times"`
	// How many requests that match are let through before.
	After int `json:"after"`
	// Waits so long; then what the other fields say, or nothing else.
	DelayMS int `json:"delay_ms"`
	// The call (ShutdownGuest) is answered at once, and its machine is off when this file is there. The file with `.asked` after its
	// name says which machine: whoever plays the host does what takes time meanwhile.
	OffWhen string `json:"off_when"`
	// An HTTP status, with a body.
	Status int    `json:"status"`
	Body   string `json:"body"`
	// A fault in place of the answer.
	Fault *faultSpec `json:"fault"`
	// A task, in place of what the call does, that ends with this fault.
	Task *faultSpec `json:"task"`
	// The connection is reset after so many bytes of the body, which is the request's if it has one, else the answer's.
	CutAfter *int64 `json:"cut_after"`
	// The simulator does what it was asked to, and the connection is reset in place of the answer.
	LoseAnswer bool `json:"lose_answer"`
}

type faults struct {
	mu    sync.Mutex
	rules []*rule
}

func newFaults() *faults { return &faults{} }

func (f *faults) add(r *rule) {
	if r.Times == 0 {
		r.Times = 1
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, r)
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// left is how many requests are still to get trouble.
func (f *faults) left() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.rules {
		n += r.Times
	}
	return n
}

// take is what a request gets, or nil.
func (f *faults) take(method, path, soap string) *rule {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, r := range f.rules {
		if !r.matches(method, path, soap) {
			continue
		}
		if r.After > 0 {
			r.After--
			continue
		}
		if r.Times--; r.Times == 0 {
			f.rules = append(f.rules[:i:i], f.rules[i+1:]...)
		}
		return r
	}
	return nil
}

func (r *rule) matches(method, path, soap string) bool {
	if soap != "" && r.Match == soap {
		return true
	}
	want := r.Match
	if verb, rest, found := strings.Cut(want, " "); found {
		if verb != method {
			return false
		}
		want = rest
	}
	return strings.HasPrefix(want, "/") && strings.HasPrefix(path, want)
}

// trouble gives a request what a test asked for; false if it goes on.
func (f *fixture) trouble(w *recorder, r *http.Request, st *state) bool {
	rule := f.faults.take(r.Method, r.URL.RequestURI(), st.exchange.Soap)
	if rule == nil {
		return false
	}
	st.exchange.Fault = "as a test asked for: " + rule.Match
	time.Sleep(time.Duration(rule.DelayMS) * time.Millisecond)
	switch {
	case rule.Status != 0:
		w.WriteHeader(rule.Status)
		_, _ = io.WriteString(w, rule.Body)
	case rule.Fault != nil:
		fault, err := rule.Fault.fault()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			break
		}
		refuse(w, rule.Fault.Message, fault)
	case rule.OffWhen != "" && st.method != nil:
		go rule.switchOff(st.method.This)
		write(w, http.StatusOK, []byte(fmt.Sprintf(`<%sResponse xmlns="urn:vim25"/>`, st.method.Name)))
	case rule.Task != nil && st.method != nil:
		f.failingTask(w, st.method, rule.Task)
	case rule.LoseAnswer:
		f.dispatch(&void{header: http.Header{}}, r, st)
		cut(w)
	case rule.CutAfter != nil:
		if r.Method == http.MethodGet {
			w.ResponseWriter = &scissors{ResponseWriter: w.ResponseWriter, left: *rule.CutAfter}
			return false
		}
		_, _ = io.CopyN(io.Discard, r.Body, *rule.CutAfter)
		cut(w)
	default:
		return false
	}
	return true
}

// switchOff waits for whoever plays the host, but not for ever.
func (r *rule) switchOff(ref types.ManagedObjectReference) {
	if err := os.WriteFile(r.OffWhen+".asked", []byte(ref.String()), 0o600); err != nil {
		log.Print(err)
	}
	for begun := time.Now(); !exists(r.OffWhen); {
		if time.Since(begun) > 5*time.Minute {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	if vm, ok := simulator.Map.Get(ref).(*simulator.VirtualMachine); ok {
		simulator.Map.WithLock(vm, func() {
			off := types.VirtualMachinePowerStatePoweredOff
			simulator.Map.Update(vm, []types.PropertyChange{
				{Name: "runtime.powerState", Val: off},
				{Name: "summary.runtime.powerState", Val: off},
			})
		})
	}
}

// failingTask answers as if the call had been begun, with a task that has failed.
func (f *fixture) failingTask(w http.ResponseWriter, method *simulator.Method, spec *faultSpec) {
	fault, err := spec.fault()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	name := strings.TrimSuffix(method.Name, "_Task")
	name = strings.ToLower(name[:1]) + name[1:] + "Task"
	task := simulator.CreateTask(method.This, name, func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		return nil, fault
	})
	ref := task.Run()
	if spec.Message != "" {
		// The simulator writes the fault's Go type there.
		simulator.Map.Update(task, []types.PropertyChange{{
			Name: "info.error", Val: types.LocalizedMethodFault{Fault: fault, LocalizedMessage: spec.Message},
		}})
	}
	inner := fmt.Sprintf(`<%[1]sResponse xmlns="urn:vim25"><returnval type="Task">%[2]s</returnval></%[1]sResponse>`, method.Name, ref.Value)
	write(w, http.StatusOK, []byte(inner))
}

// scissors is an answer that ends in the middle.
type scissors struct {
	http.ResponseWriter
	left int64
}

func (s *scissors) Write(data []byte) (int, error) {
	if int64(len(data)) <= s.left {
		s.left -= int64(len(data))
		return s.ResponseWriter.Write(data)
	}
	_, _ = s.ResponseWriter.Write(data[:s.left])
	s.Flush()
	cut(s.ResponseWriter)
	return 0, io.ErrClosedPipe
}

func (s *scissors) Flush() {
	if flusher, ok := s.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}

// void takes an answer that nobody gets.
type void struct{ header http.Header }

func (v *void) Header() http.Header            { return v.header }
func (v *void) Write(data []byte) (int, error) { return len(data), nil }
func (v *void) WriteHeader(int)                {}

// cut resets a connection: the client gets no proper end.
func cut(w http.ResponseWriter) {
	if rec, ok := w.(*recorder); ok {
		w = rec.ResponseWriter
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	connection, _, err := hijacker.Hijack()
	if err != nil {
		log.Printf("could not take a connection to cut it: %s", err)
		panic(http.ErrAbortHandler)
	}
	raw := connection
	if secure, ok := connection.(*tls.Conn); ok {
		raw = secure.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = raw.Close()
}
