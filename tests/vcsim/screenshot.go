package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// createScreenshot writes a picture among the machine's files, as a host does. Ours, not VMware's: nothing runs in the machines, so
// that it is always the same picture.
func (f *fixture) createScreenshot(w http.ResponseWriter, req *types.CreateScreenshot_Task) {
	vm := called(w, req.This)
	if vm == nil || !powered(w, vm, types.VirtualMachinePowerStatePoweredOn) {
		return
	}
	task := simulator.CreateTask(vm, "createScreenshot", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		path, err := picture(vm)
		if err != nil {
			return nil, &types.GenericVmConfigFault{Reason: err.Error()}
		}
		return path, nil
	})
	respond(w, &types.CreateScreenshot_TaskResponse{Returnval: task.Run()})
}

// picture is `[datastore] machine/machine-1.png`.
func picture(vm *simulator.VirtualMachine) (string, error) {
	var file object.DatastorePath
	if !file.FromString(vm.Config.Files.VmPathName) {
		return "", fmt.Errorf("%q is no path", vm.Config.Files.VmPathName)
	}
	file.Path = filepath.Join(filepath.Dir(file.Path), vm.Name+"-1.png")
	out, err := os.Create(filepath.Join(datastoreFolder(file.Datastore), file.Path))
	if err != nil {
		return "", err
	}
	defer out.Close()
	screen := image.NewGray(image.Rect(0, 0, 8, 4))
	screen.SetGray(1, 1, color.Gray{Y: 255})
	return file.String(), png.Encode(out, screen)
}
