package main

import (
	"encoding/json"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// The admin door is for tests only: plain HTTP on a port of its own. Bodies and answers are JSON.
//
//	POST   /fixture/faults    a rule (faults.go)
//	GET    /fixture/faults    {"left": how many requests are still to get trouble}
//	DELETE /fixture/faults    forget the rules
//	POST   /fixture/expire    end all sessions, of SOAP and of REST
//	POST   /fixture/lease     {"message": why} brings the leases that are held into their error state
//	GET    /fixture/leases    the leases so far: state, machine, progress told
//	POST   /fixture/disk      {"vm": name or id, "disk": 0, "path": file} what exports of a machine serve
//	POST   /fixture/guest     {"vm": name or id, or "*" for all that are powered on from now, "ip": address, "after_ms": 0}
//	POST   /fixture/deny      {"Folder": ["VirtualMachine.Inventory.Create"]} what the user may not do, by the type of object
//	GET    /fixture/counters  {"CreateVM_Task": 1, "PUT /folder/x.iso": 2, ...}
func (f *fixture) openAdminDoor() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f.admin = listener.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("/fixture/faults", f.adminFaults)
	mux.HandleFunc("/fixture/expire", func(w http.ResponseWriter, _ *http.Request) {
		f.sessions.expire()
		reply(w, nil)
	})
	mux.HandleFunc("/fixture/lease", f.adminLease)
	mux.HandleFunc("/fixture/leases", f.adminLeases)
	mux.HandleFunc("/fixture/disk", f.adminDisk)
	mux.HandleFunc("/fixture/guest", f.adminGuest)
	mux.HandleFunc("/fixture/deny", f.adminDeny)
	mux.HandleFunc("/fixture/counters", func(w http.ResponseWriter, _ *http.Request) {
		f.trace.mu.Lock()
		defer f.trace.mu.Unlock()
		reply(w, f.trace.counters)
	})
	go func() { log.Print(http.Serve(listener, mux)) }()
	return nil
}

func reply(w http.ResponseWriter, value interface{}) {
	if value == nil {
		value = map[string]string{}
	}
	_ = json.NewEncoder(w).Encode(value)
}

// take reads what a test sent. Unknown fields are mistakes of the test.
func take(w http.ResponseWriter, r *http.Request, into interface{}) bool {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func (f *fixture) adminFaults(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		reply(w, map[string]int{"left": f.faults.left()})
	case http.MethodDelete:
		f.faults.clear()
		reply(w, nil)
	default:
		var one rule
		if !take(w, r, &one) {
			return
		}
		for _, spec := range []*faultSpec{one.Fault, one.Task} {
			if spec == nil {
				continue
			}
			if _, err := spec.fault(); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		f.faults.add(&one)
		reply(w, nil)
	}
}

func (f *fixture) adminLease(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Message string `json:"message"`
	}
	if !take(w, r, &body) {
		return
	}
	failed := 0
	for _, l := range f.leases.list() {
		if f.leases.held(f.leases.machine(l)) != l {
			continue
		}
		failed++
		l := l
		simulator.Map.WithLock(l, func() { l.fail(&types.HttpFault{StatusCode: 500, StatusMessage: body.Message}, body.Message) })
	}
	reply(w, map[string]int{"failed": failed})
}

func (f *fixture) adminLeases(w http.ResponseWriter, _ *http.Request) {
	type told struct {
		Lease    string  `json:"lease"`
		VM       string  `json:"vm"`
		State    string  `json:"state"`
		Imports  bool    `json:"imports"`
		Progress []int32 `json:"progress"`
	}
	list := []told{}
	for _, l := range f.leases.list() {
		one := told{Lease: l.Self.Value, VM: f.leases.machine(l).Value, Imports: l.imports}
		simulator.Map.WithLock(l, func() { one.State = string(l.State) })
		l.mu.Lock()
		one.Progress = append([]int32{}, l.told...)
		l.mu.Unlock()
		list = append(list, one)
	}
	reply(w, list)
}

func (f *fixture) adminDisk(w http.ResponseWriter, r *http.Request) {
	var body struct {
		VM   string `json:"vm"`
		Disk int    `json:"disk"`
		Path string `json:"path"`
	}
	if !take(w, r, &body) {
		return
	}
	vm := machine(body.VM)
	if vm == nil || body.Disk >= len(machineDisks(vm)) || !exists(body.Path) {
		http.Error(w, "no such machine, disk or file", http.StatusNotFound)
		return
	}
	f.disks.put(vm.Self, machineDisks(vm)[body.Disk].Key, body.Path)
	reply(w, nil)
}

func (f *fixture) adminGuest(w http.ResponseWriter, r *http.Request) {
	var body struct {
		VM      string `json:"vm"`
		IP      string `json:"ip"`
		AfterMS int    `json:"after_ms"`
	}
	if !take(w, r, &body) {
		return
	}
	after := time.Duration(body.AfterMS) * time.Millisecond
	if body.VM == "*" {
		f.guests.mu.Lock()
		f.guests.ip, f.guests.after = body.IP, after
		f.guests.mu.Unlock()
	} else if vm := machine(body.VM); vm != nil {
		time.AfterFunc(after, func() { setAddress(vm.Self, body.IP) })
	} else {
		http.Error(w, "no such machine", http.StatusNotFound)
		return
	}
	reply(w, nil)
}

// guests gives machines that are powered on an address: nothing runs in them.
type guests struct {
	mu    sync.Mutex
	ip    string
	after time.Duration
}

func (g *guests) poweredOn(ref types.ManagedObjectReference) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ip := g.ip; ip != "" {
		time.AfterFunc(g.after, func() { setAddress(ref, ip) })
	}
}

// setAddress makes a machine's guest tell an address, as VMware Tools do.
func setAddress(ref types.ManagedObjectReference, ip string) {
	vm, ok := simulator.Map.Get(ref).(*simulator.VirtualMachine)
	if !ok || vm.Guest == nil {
		return
	}
	simulator.Map.WithLock(vm, func() {
		var nics []types.GuestNicInfo
		for _, device := range vm.Config.Hardware.Device {
			card, ok := device.(types.BaseVirtualEthernetCard)
			if !ok {
				continue
			}
			one := types.GuestNicInfo{
				MacAddress: card.GetVirtualEthernetCard().MacAddress, Connected: true,
				DeviceConfigId: device.GetVirtualDevice().Key,
			}
			if len(nics) == 0 && ip != "" {
				one.IpAddress = []string{ip}
			}
			nics = append(nics, one)
		}
		running := string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
		simulator.Map.Update(vm, []types.PropertyChange{
			{Name: "guest.ipAddress", Val: ip},
			{Name: "summary.guest.ipAddress", Val: ip},
			{Name: "guest.net", Val: nics},
			{Name: "guest.toolsRunningStatus", Val: running},
		})
	})
}
