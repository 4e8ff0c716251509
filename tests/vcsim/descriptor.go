package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// createDescriptor is ours, not VMware's: a plausible OVF of a machine, its hardware from its configuration, its files as the
// client names them.
func (f *fixture) createDescriptor(w http.ResponseWriter, req *types.CreateDescriptor) {
	vm := called(w, req.Obj)
	if vm == nil {
		return
	}
	name := req.Cdp.Name
	if name == "" {
		name = vm.Name
	}
	respond(w, &types.CreateDescriptorResponse{
		Returnval: types.OvfCreateDescriptorResult{OvfDescriptor: descriptor(vm, name, req.Cdp.OvfFiles)},
	})
}

// hardwareItem is one of CIM_ResourceAllocationSettingData; its elements are written in the order of the names, as the schema wants.
type hardwareItem struct {
	address, onParent, units, connection, name, host, parent, subtype string
	kind                                                              int
	quantity                                                          int64
}

func (h hardwareItem) write(out *strings.Builder, id int) {
	out.WriteString("      <Item>")
	element := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "<rasd:%s>%s</rasd:%s>", name, escaped(value), name)
		}
	}
	element("Address", h.address)
	element("AddressOnParent", h.onParent)
	element("AllocationUnits", h.units)
	element("Connection", h.connection)
	element("ElementName", h.name)
	element("HostResource", h.host)
	element("InstanceID", fmt.Sprint(id))
	element("Parent", h.parent)
	element("ResourceSubType", h.subtype)
	element("ResourceType", fmt.Sprint(h.kind))
	if h.quantity != 0 {
		element("VirtualQuantity", fmt.Sprint(h.quantity))
	}
	out.WriteString("</Item>\n")
}

// descriptor writes OVF 1.1, as DSP0243 has it.
func descriptor(vm *simulator.VirtualMachine, name string, files []types.OvfFile) string {
	var references, disks, items strings.Builder
	for i, file := range files {
		fmt.Fprintf(&references, `    <File ovf:href="%s" ovf:id="file%d" ovf:size="%d"/>`+"\n", escaped(file.Path), i+1, file.Size)
	}
	list := object.VirtualDeviceList(vm.Config.Hardware.Device)
	next := 0
	put := func(item hardwareItem) string {
		next++
		item.write(&items, next)
		return fmt.Sprint(next)
	}
	cpus, memory := int64(vm.Config.Hardware.NumCPU), int64(vm.Config.Hardware.MemoryMB)
	put(hardwareItem{kind: 3, units: "hertz * 10^6", name: fmt.Sprintf("%d virtual CPU(s)", cpus), quantity: cpus})
	put(hardwareItem{kind: 4, units: "byte * 2^20", name: fmt.Sprintf("%dMB of memory", memory), quantity: memory})
	controllers := map[int32]string{}
	used := map[int32]bool{}
	for _, disk := range machineDisks(vm) {
		used[disk.ControllerKey] = true
	}
	for _, device := range list {
		controller, ok := device.(types.BaseVirtualController)
		if !ok || !used[device.GetVirtualDevice().Key] {
			continue
		}
		kind, subtype := 6, list.Type(device)
		switch device.(type) {
		case *types.ParaVirtualSCSIController:
			subtype = "VirtualSCSI"
		case *types.VirtualIDEController:
			kind, subtype = 5, ""
		case *types.VirtualAHCIController:
			kind, subtype = 20, "vmware.sata.ahci"
		}
		bus := fmt.Sprint(controller.GetVirtualController().BusNumber)
		controllers[device.GetVirtualDevice().Key] = put(hardwareItem{kind: kind, address: bus, name: "Controller " + bus, subtype: subtype})
	}
	at := 0
	for _, disk := range machineDisks(vm) {
		at++
		reference := ""
		for i, file := range files {
			if file.DeviceId == deviceKey(vm.Self.Value, vm, disk) {
				reference = fmt.Sprintf(` ovf:fileRef="file%d"`, i+1)
			}
		}
		fmt.Fprintf(&disks, `    <Disk ovf:capacity="%d" ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk%d"%s`+
			` ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>`+"\n", capacity(disk), at, reference)
		unit := "0"
		if disk.UnitNumber != nil {
			unit = fmt.Sprint(*disk.UnitNumber)
		}
		put(hardwareItem{
			kind: 17, onParent: unit, name: fmt.Sprintf("Hard disk %d", at), host: fmt.Sprintf("ovf:/disk/vmdisk%d", at),
			parent: controllers[disk.ControllerKey],
		})
	}
	for _, device := range list {
		if _, ok := device.(types.BaseVirtualEthernetCard); ok {
			subtype := "E1000"
			if _, ok := device.(*types.VirtualVmxnet3); ok {
				subtype = "VmxNet3"
			}
			put(hardwareItem{kind: 10, connection: "network", name: "Network adapter", subtype: subtype})
		}
	}
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References>
%s  </References>
  <DiskSection>
    <Info>Virtual disk information</Info>
%s  </DiskSection>
  <NetworkSection>
    <Info>The list of logical networks</Info>
    <Network ovf:name="network"><Description>The network</Description></Network>
  </NetworkSection>
  <VirtualSystem ovf:id="%s">
    <Info>A virtual machine</Info>
    <Name>%s</Name>
    <OperatingSystemSection ovf:id="1" vmw:osType="%s"><Info>The kind of installed guest operating system</Info></OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Virtual hardware requirements</Info>
      <System><vssd:ElementName>Virtual Hardware Family</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID><vssd:VirtualSystemIdentifier>%s</vssd:VirtualSystemIdentifier><vssd:VirtualSystemType>%s</vssd:VirtualSystemType></System>
%s    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
`, references.String(), disks.String(), escaped(name), escaped(name), escaped(vm.Config.GuestId), escaped(name), escaped(vm.Config.Version), items.String())
}

func escaped(text string) string {
	var out bytes.Buffer
	_ = xml.EscapeText(&out, []byte(text))
	return out.String()
}
