package main

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// importVApp lets the simulator make the machine, and hands out a lease of ours for its files.
func (f *fixture) importVApp(w http.ResponseWriter, req *types.ImportVApp) {
	pool, ok := simulator.Map.Get(req.This).(interface {
		ImportVApp(*simulator.Context, *types.ImportVApp) soap.HasFault
	})
	if !ok {
		refuse(w, "no such pool", &types.ManagedObjectNotFound{Obj: req.This})
		return
	}
	ctx := f.context(req.This)
	var answer soap.HasFault
	simulator.Map.WithLock(req.This, func() { answer = pool.ImportVApp(ctx, req) })
	if fault := answer.Fault(); fault != nil {
		detail, ok := fault.Detail.Fault.(types.BaseMethodFault)
		if !ok {
			detail = &types.InvalidArgument{}
		}
		refuse(w, fault.String, detail)
		return
	}
	ref := answer.(*methods.ImportVAppBody).Res.Returnval
	theirs := ctx.Session.Registry.Get(ref).(*simulator.HttpNfcLease)
	vm := simulator.Map.Get(theirs.Info.Entity).(*simulator.VirtualMachine)
	l := newLease(f, vm.Self, true)
	byName := map[string]*types.VirtualDisk{}
	for _, disk := range machineDisks(vm) {
		if backing, ok := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
			byName[path.Base(backing.GetVirtualDeviceFileBackingInfo().FileName)] = disk
		}
	}
	// Only what the client was told to upload is on the lease: the simulator lists any device with a file.
	for _, device := range theirs.Info.DeviceUrl {
		file := &leaseFile{key: device.Key, path: filepath.Join(f.options.folder, "nfc", vm.Self.Value+"-"+device.TargetId)}
		if disk := byName[device.TargetId]; disk != nil {
			file.device, file.capacity = disk.Key, capacity(disk)
		}
		l.add(device.TargetId, file.device != 0, device.ImportKey, file)
	}
	respond(w, &types.ImportVAppResponse{Returnval: l.start(vm.Self)})
}

// serveNFC moves the bytes of leases' files. They need no session: the address is the secret.
func (f *fixture) serveNFC(w http.ResponseWriter, r *http.Request, e *exchange) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/nfc/"), "/")
	l := f.leases.byID(parts[0])
	if l == nil || len(parts) != 2 || l.files[parts[1]] == nil {
		http.Error(w, "no such lease or file", http.StatusNotFound)
		return
	}
	ready := false
	simulator.Map.WithLock(l, func() { ready = l.State == types.HttpNfcLeaseStateReady })
	if !ready {
		http.Error(w, "the lease is not ready", http.StatusNotFound)
		return
	}
	file := l.files[parts[1]]
	var err error
	digest := sha1.New()
	switch {
	case l.imports && (r.Method == http.MethodPut || r.Method == http.MethodPost):
		err = f.receive(r, l, file, digest, e)
	case !l.imports && r.Method == http.MethodGet:
		if !exists(file.path) {
			http.Error(w, "the fixture has no bytes of this disk: see disks.go", http.StatusNotFound)
			return
		}
		err = send(w, file, digest, e)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if err != nil {
		e.Fault = err.Error()
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	l.mu.Lock()
	file.sha1 = hex.EncodeToString(digest.Sum(nil))
	l.mu.Unlock()
	if l.imports {
		w.WriteHeader(http.StatusCreated)
	}
}

func (f *fixture) receive(r *http.Request, l *lease, file *leaseFile, digest hash.Hash, e *exchange) error {
	out, err := os.Create(file.path)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.MultiWriter(out, digest), r.Body)
	e.Bytes = n
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err == nil && r.ContentLength >= 0 && n != r.ContentLength {
		err = fmt.Errorf("%d bytes came, %d were told", n, r.ContentLength)
	}
	if err != nil {
		return err
	}
	file.size = n
	if file.device != 0 {
		f.disks.put(f.leases.machine(l), file.device, file.path)
	}
	return nil
}

// send answers without a length, as ESXi does: it compresses while it sends.
func send(w http.ResponseWriter, file *leaseFile, digest hash.Hash, e *exchange) error {
	in, err := os.Open(file.path)
	if err != nil {
		return err
	}
	defer in.Close()
	w.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	w.WriteHeader(http.StatusOK)
	if flusher, ok := w.(http.Flusher); ok {
		flusher.Flush()
	}
	file.size, err = io.Copy(io.MultiWriter(w, digest), in)
	e.Sent = file.size
	return err
}

func (s *leases) machine(l *lease) types.ManagedObjectReference {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[l]
}
