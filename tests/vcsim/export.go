package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Ours, not VMware's: the simulator has no ExportVm, ExportSnapshot and PutUsbScanCodes.

// called is the machine that a call is about; it has answered with a fault if that is nil.
func called(w http.ResponseWriter, ref types.ManagedObjectReference) *simulator.VirtualMachine {
	if snapshot, ok := simulator.Map.Get(ref).(*simulator.VirtualMachineSnapshot); ok {
		ref = snapshot.Vm
	}
	vm, ok := simulator.Map.Get(ref).(*simulator.VirtualMachine)
	if !ok {
		refuse(w, fmt.Sprintf("The object '%s:%s' has already been deleted or has not been completely created", ref.Type, ref.Value), &types.ManagedObjectNotFound{Obj: ref})
		return nil
	}
	return vm
}

// powered answers with InvalidPowerState unless the machine is in that state.
func powered(w http.ResponseWriter, vm *simulator.VirtualMachine, wanted types.VirtualMachinePowerState) bool {
	is := vm.Runtime.PowerState
	if is == wanted {
		return true
	}
	message := fmt.Sprintf("The attempted operation cannot be performed in the current state (%s).", is)
	refuse(w, message, &types.InvalidPowerState{RequestedState: wanted, ExistingState: is})
	return false
}

func (f *fixture) exportVM(w http.ResponseWriter, req *types.ExportVm) {
	if vm := called(w, req.This); vm != nil && powered(w, vm, types.VirtualMachinePowerStatePoweredOff) {
		if ref, ok := f.export(w, vm); ok {
			respond(w, &types.ExportVmResponse{Returnval: ref})
		}
	}
}

func (f *fixture) exportSnapshot(w http.ResponseWriter, req *types.ExportSnapshot) {
	if vm := called(w, req.This); vm != nil {
		if ref, ok := f.export(w, vm); ok {
			respond(w, &types.ExportSnapshotResponse{Returnval: ref})
		}
	}
}

func (f *fixture) export(w http.ResponseWriter, vm *simulator.VirtualMachine) (types.ManagedObjectReference, bool) {
	if f.blocked(w, vm.Self) {
		return types.ManagedObjectReference{}, false
	}
	l := newLease(f, vm.Self, false)
	for i, disk := range machineDisks(vm) {
		l.add(fmt.Sprintf("disk-%d.vmdk", i), true, deviceKey(vm.Name, vm, disk), &leaseFile{
			device:   disk.Key,
			path:     f.disks.find(vm, i),
			key:      deviceKey(vm.Self.Value, vm, disk),
			capacity: capacity(disk),
		})
	}
	return l.start(vm.Self), true
}

// blocked refuses what must not happen to a machine while a lease on it is held.
func (f *fixture) blocked(w http.ResponseWriter, vm types.ManagedObjectReference) bool {
	if f.leases.held(vm) == nil {
		return false
	}
	refuse(w, "The operation is not allowed in the current state: a lease on the virtual machine is held.", &types.InvalidState{})
	return true
}

func capacity(disk *types.VirtualDisk) int64 {
	if disk.CapacityInBytes != 0 {
		return disk.CapacityInBytes
	}
	return disk.CapacityInKB * 1024
}

// putUsbScanCodes says how many of the keys it took: all. The trace has them.
func (f *fixture) putUsbScanCodes(w http.ResponseWriter, req *types.PutUsbScanCodes) {
	if vm := called(w, req.This); vm != nil && powered(w, vm, types.VirtualMachinePowerStatePoweredOn) {
		respond(w, &types.PutUsbScanCodesResponse{Returnval: int32(len(req.Spec.KeyEvents))})
	}
}

// context is that of a session of the fixture's own, for a call of the simulator inside the process; the caller holds the lock of
// the object that is called.
func (f *fixture) context(called types.ManagedObjectReference) *simulator.Context {
	return &simulator.Context{
		Context: context.Background(),
		Caller:  &called,
		Map:     simulator.Map,
		Session: &simulator.Session{
			UserSession: types.UserSession{Key: "fixture", UserName: f.options.user},
			Registry:    simulator.NewRegistry(),
		},
	}
}

// destroy removes a machine that an import did not finish.
func (f *fixture) destroy(ref types.ManagedObjectReference) {
	if vm, ok := simulator.Map.Get(ref).(*simulator.VirtualMachine); ok {
		simulator.Map.WithLock(vm, func() { vm.DestroyTask(f.context(ref), &types.Destroy_Task{This: ref}) })
	}
}
