package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// disks keeps the bytes of machines' disks: ours, not VMware's, since the simulator has none. They are whatever was uploaded
// (streamOptimized VMDKs, as clients send them), and are served as they are.
type disks struct {
	mu    sync.Mutex
	paths map[types.ManagedObjectReference]map[int32]string // by the disk's device key
}

func newDisks() *disks {
	return &disks{paths: map[types.ManagedObjectReference]map[int32]string{}}
}

func (d *disks) put(vm types.ManagedObjectReference, key int32, path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.paths[vm] == nil {
		d.paths[vm] = map[int32]string{}
	}
	d.paths[vm][key] = path
}

// inherit gives a clone the disks of what it is a clone of: a clone's devices have the same order.
func (d *disks) inherit(from, to *simulator.VirtualMachine) {
	source, target := machineDisks(from), machineDisks(to)
	for i := range source {
		if path := d.find(from, i); path != "" && i < len(target) {
			d.put(to.Self, target[i].Key, path)
		}
	}
}

// find is the file of a machine's disk, counted from 0, or "": what was uploaded; what the machine's extraConfig tells
// (fixture.disk, fixture.disk.1); or the file in the datastore that backs it, if somebody put one there.
func (d *disks) find(vm *simulator.VirtualMachine, index int) string {
	all := machineDisks(vm)
	if index >= len(all) {
		return ""
	}
	d.mu.Lock()
	path := d.paths[vm.Self][all[index].Key]
	d.mu.Unlock()
	if path != "" {
		return path
	}
	name := "fixture.disk"
	if index > 0 {
		name = fmt.Sprintf("%s.%d", name, index)
	}
	for _, option := range vm.Config.ExtraConfig {
		value := option.GetOptionValue()
		if text, ok := value.Value.(string); ok && value.Key == name {
			return text
		}
	}
	if backing, ok := all[index].Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
		var file object.DatastorePath
		if file.FromString(backing.GetVirtualDeviceFileBackingInfo().FileName) {
			path := filepath.Join(datastoreFolder(file.Datastore), file.Path)
			if exists(path) {
				return path
			}
		}
	}
	return ""
}

// machineDisks are a machine's disks, in the order of its devices.
func machineDisks(vm *simulator.VirtualMachine) []*types.VirtualDisk {
	var all []*types.VirtualDisk
	for _, device := range vm.Config.Hardware.Device {
		if disk, ok := device.(*types.VirtualDisk); ok {
			all = append(all, disk)
		}
	}
	return all
}

// machine finds one by its name or its id.
func machine(name string) *simulator.VirtualMachine {
	for _, entity := range simulator.Map.All("VirtualMachine") {
		vm := entity.(*simulator.VirtualMachine)
		if vm.Name == name || vm.Self.Value == name {
			return vm
		}
	}
	return nil
}

// giveLibraryDisks gives a machine that was deployed from a library item the VMDKs of that item.
func (f *fixture) giveLibraryDisks(vm *simulator.VirtualMachine, item string) {
	found, _ := filepath.Glob(filepath.Join(f.options.folder, "tmp", "*", "contentlib-*", item, "*.vmdk"))
	for i, disk := range machineDisks(vm) {
		if i < len(found) {
			f.disks.put(vm.Self, disk.Key, found[i])
		}
	}
}

// spool writes a body to a file of its own below nfc.
func (f *fixture) spool(name string, from io.Reader) (string, int64, error) {
	path := filepath.Join(f.options.folder, "nfc", strings.ReplaceAll(name, "/", "_"))
	file, err := os.Create(path)
	if err != nil {
		return path, 0, err
	}
	n, err := io.Copy(file, from)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return path, n, err
}
