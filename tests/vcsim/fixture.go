package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// fixture is the proxy in front of the simulator: it ends TLS, writes the trace, checks sessions, makes the trouble that a test
// asks for, and does what the simulator does not.
type fixture struct {
	options     options
	certificate certificate
	host        string // where clients reach it
	admin       string // where tests reach its admin door
	upstream    string // where the simulator listens
	proxy       *httputil.ReverseProxy
	trace       *trace
	sessions    *sessions
	leases      *leases
	disks       *disks
	faults      *faults
	libraries   *libraries
	itemFiles   *itemFiles
	guests      *guests
	denied      denied
}

func newFixture(o options, upstream string) (*fixture, error) {
	f := &fixture{
		options: o, upstream: upstream, sessions: newSessions(), leases: newLeases(), disks: newDisks(),
		faults: newFaults(), libraries: newLibraries(), itemFiles: newItemFiles(), guests: &guests{},
	}
	var err error
	if f.certificate, err = loadCertificate(o); err != nil {
		return nil, err
	}
	if f.trace, err = newTrace(o.folder + "/trace.jsonl"); err != nil {
		return nil, err
	}
	f.proxy = &httputil.ReverseProxy{
		Director: func(r *http.Request) {
			r.URL.Scheme, r.URL.Host, r.Host = "http", upstream, upstream
			// Answers are read, so they must not be packed.
			r.Header.Del("Accept-Encoding")
		},
		ModifyResponse: f.modify,
		ErrorHandler:   unanswered,
		FlushInterval:  -1,
		ErrorLog:       log.Default(),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f.host = listener.Addr().String()
	server := &http.Server{
		Handler:  f,
		ErrorLog: log.Default(),
		// Connections are cut for tests, which needs HTTP/1.1.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	config := &tls.Config{Certificates: []tls.Certificate{f.certificate.pair}}
	go func() { log.Print(server.Serve(tls.NewListener(listener, config))) }()
	return f, f.openAdminDoor()
}

// unanswered is for calls that the simulator breaks the connection over. It does so when Fetch, which VMware's SDK for Python
// reads properties by, asks for one that is not set.
func unanswered(w http.ResponseWriter, r *http.Request, err error) {
	log.Printf("%s %s: %s", r.Method, r.URL.Path, err)
	if st, ok := r.Context().Value(call).(*state); ok && st.method != nil && st.method.Name == "Fetch" {
		write(w, http.StatusOK, []byte(`<FetchResponse xmlns="urn:vim25"/>`))
		return
	}
	w.WriteHeader(http.StatusBadGateway)
}

type key int

const call key = 0

// state is what is known of a request on its way.
type state struct {
	exchange *exchange
	method   *simulator.Method                     // a SOAP call
	api      *operation                            // a call below /api, which was translated
	after    func(text []byte)                     // what to do with a good answer
	answer   func(text []byte, status *int) []byte // an answer of ours in place of the simulator's
}

// recorder keeps what is answered, for the trace.
type recorder struct {
	http.ResponseWriter
	status int
	kept   bytes.Buffer
	text   bool
	sent   int64
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(data []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(data)
	r.sent += int64(n)
	if r.text {
		r.kept.Write(data)
	}
	return n, err
}

func (r *recorder) Flush() {
	if flusher, ok := r.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}

// counter counts a body that is not kept.
type counter struct {
	io.ReadCloser
	n int64
}

func (c *counter) Read(data []byte) (int, error) {
	n, err := c.ReadCloser.Read(data)
	c.n += int64(n)
	return n, err
}

// isData says whether a request's or an answer's body is a disk's or a file's.
func isData(path string) bool {
	return strings.HasPrefix(path, "/folder/") || strings.HasPrefix(path, "/nfc/") || strings.HasPrefix(path, dataPrefix)
}

func (f *fixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := f.trace.begin(r)
	data := isData(r.URL.Path)
	rec := &recorder{ResponseWriter: w, text: !data}
	counted := &counter{ReadCloser: r.Body}
	r.Body = counted
	defer func() {
		e.Bytes = counted.n
		e.Status = rec.status
		e.Sent = rec.sent
		e.Answer = rec.kept.String()
		f.trace.end(e)
		// The simulator panics over some calls; that must cost the connection only.
		if problem := recover(); problem != nil {
			log.Printf("%s %s: %v", r.Method, r.URL.Path, problem)
			if problem != http.ErrAbortHandler {
				problem = http.ErrAbortHandler
			}
			panic(problem)
		}
	}()
	st := &state{exchange: e}
	if !data {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(rec, err.Error(), http.StatusBadRequest)
			return
		}
		e.Body = string(body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if strings.HasPrefix(r.URL.Path, "/sdk") && r.Method == http.MethodPost {
			if st.method, err = decode(body); err == nil {
				e.Soap = st.method.Name
				e.Object = st.method.This.Type + ":" + st.method.This.Value
			} else {
				log.Printf("could not read a call: %s", err)
			}
		}
	}
	if e.Soap != "" {
		f.trace.count(e.Soap)
	} else {
		f.trace.count(r.Method + " " + r.URL.Path)
	}
	if f.trouble(rec, r, st) {
		return
	}
	f.dispatch(rec, r, st)
}

// dispatch gives a request to whom it is for.
func (f *fixture) dispatch(w http.ResponseWriter, r *http.Request, st *state) {
	r = r.WithContext(context.WithValue(r.Context(), call, st))
	switch {
	case st.method != nil:
		f.soap(w, r, st)
	case strings.HasPrefix(r.URL.Path, "/nfc/"):
		f.serveNFC(w, r, st.exchange)
	case strings.HasPrefix(r.URL.Path, "/folder/"):
		if !f.sessions.hasFiles(r) {
			w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
			http.Error(w, "401 Unauthorized", http.StatusUnauthorized)
			return
		}
		f.proxy.ServeHTTP(w, r)
	case strings.HasPrefix(r.URL.Path, "/rest/"), strings.HasPrefix(r.URL.Path, "/api/"):
		f.rest(w, r, st)
	default:
		f.proxy.ServeHTTP(w, r)
	}
}

// soap does a call, or passes it on.
func (f *fixture) soap(w http.ResponseWriter, r *http.Request, st *state) {
	alive := f.sessions.hasSoap(r)
	if !alive {
		r.Header.Del("Cookie")
		if !withoutSession(st.method) {
			notAuthenticated(w, st.method.This)
			return
		}
	}
	switch req := st.method.Body.(type) {
	case *types.ExportVm:
		f.exportVM(w, req)
		return
	case *types.ExportSnapshot:
		f.exportSnapshot(w, req)
		return
	case *types.PutUsbScanCodes:
		f.putUsbScanCodes(w, req)
		return
	case *types.CreateScreenshot_Task:
		f.createScreenshot(w, req)
		return
	case *types.ImportVApp:
		f.importVApp(w, req)
		return
	case *types.CreateDescriptor:
		f.createDescriptor(w, req)
		return
	case *types.HasPrivilegeOnEntities:
		f.hasPrivileges(w, req)
		return
	case *types.PowerOnVM_Task:
		if f.blocked(w, req.This) {
			return
		}
		st.after = func([]byte) { f.guests.poweredOn(req.This) }
	case *types.Destroy_Task:
		if f.blocked(w, req.This) {
			return
		}
	case *types.CloneVM_Task:
		st.after = func(text []byte) { f.cloned(req.This, text) }
	case *types.Logout:
		key := f.sessions.soapKey(r)
		st.after = func([]byte) { f.sessions.remove(f.sessions.soap, key) }
	case *types.AcquireGenericServiceTicket:
		st.after = func(text []byte) { f.sessions.add(f.sessions.tickets, between(text, "<id>", "</id>")) }
	}
	f.proxy.ServeHTTP(w, r)
}

// withoutSession says whether vCenter answers a call to a client that has not logged in. The simulator answers more.
func withoutSession(method *simulator.Method) bool {
	public := func(specs []types.PropertyFilterSpec) bool {
		for _, spec := range specs {
			for _, object := range spec.ObjectSet {
				if object.Obj.Type != "ServiceInstance" && object.Obj.Type != "SessionManager" {
					return false
				}
			}
		}
		return true
	}
	switch req := method.Body.(type) {
	case *types.RetrieveServiceContent, *types.Login, *types.LoginByToken, *types.LoginExtensionByCertificate, *types.CloneSession:
		return true
	case *types.RetrieveProperties:
		return public(req.SpecSet)
	case *types.RetrievePropertiesEx:
		return public(req.SpecSet)
	}
	return false
}

// cloned hands the bytes of disks on to a clone. The simulator's tasks are over when they are answered.
func (f *fixture) cloned(source types.ManagedObjectReference, text []byte) {
	ref := types.ManagedObjectReference{Type: "Task", Value: between(text, `type="Task">`, "<")}
	task, ok := simulator.Map.Get(ref).(*simulator.Task)
	if !ok {
		return
	}
	made, ok := task.Info.Result.(types.ManagedObjectReference)
	from, _ := simulator.Map.Get(source).(*simulator.VirtualMachine)
	to, _ := simulator.Map.Get(made).(*simulator.VirtualMachine)
	if ok && from != nil && to != nil {
		f.disks.inherit(from, to)
	}
}

// modify turns the simulator's answers into the fixture's: addresses of the simulator become those of the fixture.
func (f *fixture) modify(answer *http.Response) error {
	st, _ := answer.Request.Context().Value(call).(*state)
	for _, cookie := range answer.Cookies() {
		if cookie.Name == soapCookie && answer.StatusCode == http.StatusOK {
			f.sessions.add(f.sessions.soap, cookie.Value)
		}
	}
	if st == nil || isData(answer.Request.URL.Path) {
		return nil
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return fmt.Errorf("could not read the simulator's answer: %w", err)
	}
	text = bytes.ReplaceAll(text, []byte("http://"+f.upstream), []byte("https://"+f.host))
	text = bytes.ReplaceAll(text, []byte(f.upstream), []byte(f.host))
	text = bytes.ReplaceAll(text, []byte(url.QueryEscape(f.upstream)), []byte(url.QueryEscape(f.host)))
	if st.after != nil && answer.StatusCode < 300 {
		st.after(text)
	}
	if st.answer != nil && answer.StatusCode < 300 {
		text = st.answer(text, &answer.StatusCode)
	}
	if st.api != nil {
		text = st.api.untranslate(answer, text)
	}
	answer.Body = io.NopCloser(bytes.NewReader(text))
	answer.ContentLength = int64(len(text))
	answer.Header.Set("Content-Length", fmt.Sprint(len(text)))
	answer.TransferEncoding = nil
	return nil
}

// between is the text between two marks, or "".
func between(text []byte, begin, end string) string {
	_, rest, found := strings.Cut(string(text), begin)
	if !found {
		return ""
	}
	inner, _, _ := strings.Cut(rest, end)
	return inner
}
