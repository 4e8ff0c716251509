package main

import (
	"fmt"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// leaseFile is one file of a lease.
type leaseFile struct {
	device   int32  // the disk's key in the machine; 0 is no disk
	path     string // where its bytes are, or will be
	key      string // of the device, as the lease names it
	capacity int64
	sha1     string // of what went over the wire, once it is all through
	size     int64
}

// lease is ours, not VMware's: the simulator's own is ready at once, never ends, and forgets what is uploaded. This one goes
// through the states that vCenter's documents tell (HttpNfcLease): initializing, ready, then done or error; it wants progress in
// time; and its properties can be waited for, since it lies in the simulator's inventory.
type lease struct {
	mo.HttpNfcLease

	fixture *fixture
	id      string // in the addresses of its files
	imports bool

	mu    sync.Mutex
	files map[string]*leaseFile // by name in the address
	seen  time.Time             // the last progress
	told  []int32               // what progress was told
	later []types.HttpNfcLeaseDeviceUrl
}

func newLease(f *fixture, vm types.ManagedObjectReference, imports bool) *lease {
	l := &lease{fixture: f, id: uuid.New().String(), imports: imports, files: map[string]*leaseFile{}}
	l.Self = types.ManagedObjectReference{Type: "HttpNfcLease", Value: "session[" + uuid.New().String() + "]" + l.id}
	l.State = types.HttpNfcLeaseStateInitializing
	l.Mode = string(types.HttpNfcLeaseModePushOrGet)
	l.Capabilities.CorsSupported = true
	l.Info = nil
	l.fixture.leases.add(vm, l)
	return l
}

// add puts a file on the lease. Its address is told when the lease is ready.
func (l *lease) add(name string, disk bool, importKey string, file *leaseFile) {
	host := "*"
	if l.fixture.options.leaseHost {
		host = l.fixture.host
	}
	l.files[name] = file
	l.later = append(l.later, types.HttpNfcLeaseDeviceUrl{
		Key:           file.key,
		ImportKey:     importKey,
		Url:           (&url.URL{Scheme: "https", Host: host, Path: "/nfc/" + l.id + "/" + name}).String(),
		SslThumbprint: l.fixture.certificate.sha1,
		Disk:          types.NewBool(disk),
		TargetId:      name,
		DatastoreKey:  l.fixture.host,
	})
}

// start puts the lease into the inventory; it is ready after the time that the fixture was told.
func (l *lease) start(vm types.ManagedObjectReference) types.ManagedObjectReference {
	simulator.Map.Put(l)
	info := types.HttpNfcLeaseInfo{
		Lease:        l.Self,
		Entity:       vm,
		DeviceUrl:    l.later,
		LeaseTimeout: int32(l.fixture.options.leaseTimeout / time.Second),
	}
	for _, file := range l.files {
		info.TotalDiskCapacityInKB += file.capacity / 1024
	}
	time.AfterFunc(l.fixture.options.leaseDelay, func() {
		simulator.Map.WithLock(l, func() {
			if l.State != types.HttpNfcLeaseStateInitializing {
				return
			}
			l.touch()
			l.set("initializeProgress", int32(100))
			l.set("info", info)
			l.set("state", types.HttpNfcLeaseStateReady)
		})
		l.watch()
	})
	return l.Self
}

func (l *lease) set(name string, value types.AnyType) {
	simulator.Map.Update(l, []types.PropertyChange{{Name: name, Val: value}})
}

func (l *lease) touch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = time.Now()
}

// watch ends a lease that nobody tells progress of.
func (l *lease) watch() {
	for {
		time.Sleep(50 * time.Millisecond)
		l.mu.Lock()
		idle := time.Since(l.seen)
		l.mu.Unlock()
		over := false
		simulator.Map.WithLock(l, func() {
			over = l.State != types.HttpNfcLeaseStateReady
			if !over && idle > l.fixture.options.leaseTimeout {
				l.fail(&types.Timedout{}, "The lease timed out.")
				over = true
			}
		})
		if over {
			return
		}
	}
}

// fail brings the lease into its error state. What an import made is gone then, as a real one does away with it.
func (l *lease) fail(fault types.BaseMethodFault, message string) {
	l.set("error", types.LocalizedMethodFault{Fault: fault, LocalizedMessage: message})
	l.set("state", types.HttpNfcLeaseStateError)
	vm := l.fixture.leases.release(l)
	if l.imports {
		go l.fixture.destroy(vm)
	}
}

// wrong is the fault of a call on a lease that is not ready, or nil.
func (l *lease) wrong() *soap.Fault {
	switch l.State {
	case types.HttpNfcLeaseStateReady:
		return nil
	case types.HttpNfcLeaseStateError:
		if _, timed := l.Error.Fault.(*types.Timedout); timed {
			return simulator.Fault("The lease has timed out.", &types.Timedout{})
		}
	}
	return simulator.Fault("The lease is in the state "+string(l.State)+".", &types.InvalidState{})
}

// The methods below are called by the simulator, which finds them by their names; it holds the lease's lock.

// HttpNfcLeaseProgress keeps the lease alive.
func (l *lease) HttpNfcLeaseProgress(_ *simulator.Context, req *types.HttpNfcLeaseProgress) soap.HasFault {
	body := new(methods.HttpNfcLeaseProgressBody)
	if body.Fault_ = l.wrong(); body.Fault_ == nil {
		l.touch()
		l.mu.Lock()
		l.told = append(l.told, req.Percent)
		l.mu.Unlock()
		l.set("transferProgress", req.Percent)
		body.Res = new(types.HttpNfcLeaseProgressResponse)
	}
	return body
}

// HttpNfcLeaseGetManifest tells the digests of what went over the wire.
func (l *lease) HttpNfcLeaseGetManifest(*simulator.Context, *types.HttpNfcLeaseGetManifest) soap.HasFault {
	body := new(methods.HttpNfcLeaseGetManifestBody)
	if body.Fault_ = l.wrong(); body.Fault_ != nil {
		return body
	}
	body.Res = new(types.HttpNfcLeaseGetManifestResponse)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, told := range l.later {
		file := l.files[told.TargetId]
		if file.sha1 == "" {
			continue
		}
		body.Res.Returnval = append(body.Res.Returnval, types.HttpNfcLeaseManifestEntry{
			Key: told.Key, Sha1: file.sha1, Size: file.size, Disk: file.device != 0,
			Capacity: file.capacity, PopulatedSize: file.size,
		})
	}
	return body
}

// HttpNfcLeaseComplete ends it well.
func (l *lease) HttpNfcLeaseComplete(*simulator.Context, *types.HttpNfcLeaseComplete) soap.HasFault {
	body := new(methods.HttpNfcLeaseCompleteBody)
	if body.Fault_ = l.wrong(); body.Fault_ == nil {
		l.set("state", types.HttpNfcLeaseStateDone)
		l.fixture.leases.release(l)
		body.Res = new(types.HttpNfcLeaseCompleteResponse)
	}
	return body
}

// HttpNfcLeaseAbort ends it.
func (l *lease) HttpNfcLeaseAbort(_ *simulator.Context, req *types.HttpNfcLeaseAbort) soap.HasFault {
	body := new(methods.HttpNfcLeaseAbortBody)
	if l.State != types.HttpNfcLeaseStateInitializing {
		if body.Fault_ = l.wrong(); body.Fault_ != nil {
			return body
		}
	}
	fault, message := types.BaseMethodFault(&types.RequestCanceled{}), "The lease was aborted."
	if req.Fault != nil && req.Fault.Fault != nil {
		fault, message = req.Fault.Fault, req.Fault.LocalizedMessage
	}
	l.fail(fault, message)
	body.Res = new(types.HttpNfcLeaseAbortResponse)
	return body
}

// leases are those that are held, and which machine each is of.
type leases struct {
	mu  sync.Mutex
	all map[*lease]types.ManagedObjectReference
	vms map[types.ManagedObjectReference]*lease // held ones
}

func newLeases() *leases {
	return &leases{all: map[*lease]types.ManagedObjectReference{}, vms: map[types.ManagedObjectReference]*lease{}}
}

func (s *leases) add(vm types.ManagedObjectReference, l *lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[l] = vm
	s.vms[vm] = l
}

func (s *leases) release(l *lease) types.ManagedObjectReference {
	s.mu.Lock()
	defer s.mu.Unlock()
	vm := s.all[l]
	if s.vms[vm] == l {
		delete(s.vms, vm)
	}
	return vm
}

// held is the lease that a machine is blocked by, or nil.
func (s *leases) held(vm types.ManagedObjectReference) *lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.vms[vm]
}

func (s *leases) byID(id string) *lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.all {
		if l.id == id {
			return l
		}
	}
	return nil
}

func (s *leases) list() []*lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*lease
	for l := range s.all {
		list = append(list, l)
	}
	return list
}

// deviceKey is as vCenter writes it: /vm-12/ParaVirtualSCSIController0:0.
func deviceKey(entity string, vm *simulator.VirtualMachine, disk *types.VirtualDisk) string {
	kind, bus, unit := "VirtualController", int32(0), int32(0)
	if disk.UnitNumber != nil {
		unit = *disk.UnitNumber
	}
	for _, device := range vm.Config.Hardware.Device {
		controller, ok := device.(types.BaseVirtualController)
		if ok && device.GetVirtualDevice().Key == disk.ControllerKey {
			kind, bus = fmt.Sprintf("%T", device)[len("*types."):], controller.GetVirtualController().BusNumber
		}
	}
	return fmt.Sprintf("/%s/%s%d:%d", entity, kind, bus, unit)
}

// exists says whether a file has bytes.
func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() > 0
}
