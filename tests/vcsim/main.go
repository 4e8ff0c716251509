// vcsim plays a vCenter for the tests: govmomi's simulator, with a fixture of ours in front of it.
//
// The simulator (govmomi 0.24.2, as Debian has it) does the inventory, tasks, properties, datastores, tags and content
// libraries. What it lacks or takes lightly is in the fixture's files, each of which says that it is ours and not VMware's.
// It prints one line of JSON when it is ready, and ends when its standard input closes.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator" // tags and content libraries
)

type options struct {
	folder       string
	certificate  string
	key          string
	user         string
	password     string
	machines     int
	pods         int
	version      string
	apiVersion   string
	api          bool
	leaseHost    bool
	leaseDelay   time.Duration
	leaseTimeout time.Duration
}

func read() options {
	var o options
	flag.StringVar(&o.folder, "folder", "", "folder for everything that is written; without it one is made, and removed at the end")
	flag.StringVar(&o.certificate, "certificate", "", "PEM file with the server's certificate; without it one is made")
	flag.StringVar(&o.key, "key", "", "PEM file with its key")
	flag.StringVar(&o.user, "user", "administrator@vsphere.local", "who may log in")
	flag.StringVar(&o.password, "password", "Sup3r!", "with which password")
	flag.IntVar(&o.machines, "vm", 0, "virtual machines to begin with, in each pool")
	flag.IntVar(&o.pods, "pod", 0, "datastore clusters to begin with")
	flag.StringVar(&o.version, "version", "8.0.2", "version of vCenter to tell")
	flag.StringVar(&o.apiVersion, "api-version", "8.0.2.0", "version of its SOAP interface to tell")
	flag.BoolVar(&o.api, "api", false, "serve REST's newer form below /api too; without it that is not found")
	flag.BoolVar(&o.leaseHost, "lease-host", false, "leases name the host instead of an asterisk")
	flag.DurationVar(&o.leaseDelay, "lease-delay", 100*time.Millisecond, "how long leases are initialized")
	flag.DurationVar(&o.leaseTimeout, "lease-timeout", 300*time.Second, "how long leases last without progress; whole seconds")
	flag.Parse()
	return o
}

func main() {
	o := read()
	temporary := o.folder == ""
	if temporary {
		made, err := os.MkdirTemp("", "goldsmith-vcsim-")
		must("make a folder", err)
		o.folder = made
	}
	for _, name := range []string{"tmp", "nfc"} {
		must("make a folder", os.MkdirAll(filepath.Join(o.folder, name), 0o755))
	}
	// The simulator keeps datastores in folders for temporary files: so they end up, and go, with everything else.
	must("set TMPDIR", os.Setenv("TMPDIR", filepath.Join(o.folder, "tmp")))
	file, err := os.Create(filepath.Join(o.folder, "log.txt"))
	must("write the log", err)
	log.SetOutput(file)

	model := simulator.VPX()
	model.Machine = o.machines
	model.Pod = o.pods
	about := &model.ServiceContent.About
	about.Version = o.version
	about.ApiVersion = o.apiVersion
	about.Name = "VMware vCenter Server"
	about.FullName = about.Name + " " + o.version + " build-22617221"
	about.Build = "22617221"
	must("make the inventory", model.Create())
	model.Service.RegisterEndpoints = true
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(o.user, o.password)}
	server := model.Service.NewServer()

	f, err := newFixture(o, server.URL.Host)
	must("start the fixture", err)
	ready := map[string]string{
		"url":               "https://" + f.host,
		"admin":             "http://" + f.admin,
		"ca":                f.certificate.file,
		"thumbprint-sha1":   f.certificate.sha1,
		"thumbprint-sha256": f.certificate.sha256,
		"datastore":         datastoreFolder("LocalDS_0"),
		"trace":             filepath.Join(o.folder, "trace.jsonl"),
		"user":              o.user,
		"password":          o.password,
	}
	must("say that it is ready", json.NewEncoder(os.Stdout).Encode(ready))
	_, _ = io.Copy(io.Discard, os.Stdin)
	model.Remove()
	if temporary {
		_ = os.RemoveAll(o.folder)
	}
}

// datastoreFolder is where the files of a datastore are on this machine.
func datastoreFolder(name string) string {
	for _, entity := range simulator.Map.All("Datastore") {
		store := entity.(*simulator.Datastore)
		if store.Name == name {
			return store.Info.GetDatastoreInfo().Url
		}
	}
	return ""
}

func must(what string, err error) {
	if err != nil {
		log.SetOutput(os.Stderr)
		log.Fatalf("could not %s: %s", what, err)
	}
}
