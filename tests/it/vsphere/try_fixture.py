"""VMware's own SDK (pyvmomi) as a client of the fixture before vcsim: what it agrees with is believable.

usage: try_fixture.py URL CA USER PASSWORD FOLDER OVA
Prints what it found as JSON; any disagreement is an exception.
"""
import hashlib
import json
import os
import ssl
import sys
import tarfile
import time
from urllib.parse import urlsplit

import requests
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

URL, CA, USER, PASSWORD, FOLDER, OVA = sys.argv[1:]
HOST = urlsplit(URL).netloc
FOUND = {}


def connect():
    context = ssl.create_default_context(cafile=CA)
    parts = urlsplit(URL)
    return SmartConnect(host=parts.hostname, port=parts.port, user=USER, pwd=PASSWORD, sslContext=context)


def wait(si, task):
    """Waits for a task as clients do: with a filter on its state."""
    while task.info.state not in ("success", "error"):
        time.sleep(0.05)
    if task.info.state == "error":
        raise task.info.error
    return task.info.result


def wait_for_lease(si, lease):
    """Waits with WaitForUpdatesEx, which must see the state change."""
    collector = si.content.propertyCollector
    spec = vmodl.query.PropertyCollector.FilterSpec(
        propSet=[vmodl.query.PropertyCollector.PropertySpec(type=vim.HttpNfcLease, pathSet=["state", "error"])],
        objectSet=[vmodl.query.PropertyCollector.ObjectSpec(obj=lease)],
    )
    watch = collector.CreateFilter(spec, True)
    states, version = [], ""
    options = vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=10)
    try:
        while not states or states[-1] == "initializing":
            update = collector.WaitForUpdatesEx(version, options)
            assert update is not None, f"nothing but {states} in ten seconds"
            version = update.version
            for one in update.filterSet:
                for changed in one.objectSet:
                    states += [str(change.val) for change in changed.changeSet if change.name == "state"]
    finally:
        watch.Destroy()
    return states


def session():
    """A session of requests with the SOAP session's cookie."""
    name, value = SI._stub.cookie.split(";")[0].split("=", 1)
    web = requests.Session()
    web.verify = CA
    web.trust_env = False
    web.cookies.set(name, value.strip('"'))
    return web


def sha(data):
    return hashlib.sha256(data).hexdigest()


try:
    good, PASSWORD = PASSWORD, "wrong"
    connect()
    raise AssertionError("a wrong password was taken")
except vim.fault.InvalidLogin:
    PASSWORD = good

SI = connect()
CONTENT = SI.content
FOUND["about"] = [CONTENT.about.fullName, CONTENT.about.apiVersion]
search = CONTENT.searchIndex
datacenter = search.FindByInventoryPath("/DC0")
pool = search.FindByInventoryPath("/DC0/host/DC0_C0/Resources")
network = search.FindByInventoryPath("/DC0/network/VM Network")
datastore = [one for one in datacenter.datastore if one.name == "LocalDS_0"][0]

# --- the datastore's files ------------------------------------------------------------------------------------------
data = os.urandom(300_000)
address = f"{URL}/folder/iso/seed.iso?dcPath=DC0&dsName=LocalDS_0"
assert requests.put(address, data=data, verify=CA).status_code == 401, "an upload without a session was taken"
web = session()
assert web.put(address, data=data).status_code == 200
assert web.get(address).content == data
FOUND["datastore"] = sha(data)

# --- a machine of our own --------------------------------------------------------------------------------------------
controller = vim.vm.device.ParaVirtualSCSIController(key=-1, busNumber=0, sharedBus="noSharing")
disk = vim.vm.device.VirtualDisk(
    key=-2, controllerKey=-1, unitNumber=0, capacityInKB=1024,
    backing=vim.vm.device.VirtualDisk.FlatVer2BackingInfo(diskMode="persistent", thinProvisioned=True, fileName="[LocalDS_0]"),
)
card = vim.vm.device.VirtualVmxnet3(
    key=-3, backing=vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(network=network, deviceName="VM Network")
)
add = vim.vm.device.VirtualDeviceSpec.Operation.add
create = vim.vm.device.VirtualDeviceSpec.FileOperation.create
config = vim.vm.ConfigSpec(
    name="made", numCPUs=2, memoryMB=512, guestId="debian12_64Guest", version="vmx-19",
    files=vim.vm.FileInfo(vmPathName="[LocalDS_0]"),
    deviceChange=[
        vim.vm.device.VirtualDeviceSpec(operation=add, device=controller),
        vim.vm.device.VirtualDeviceSpec(operation=add, fileOperation=create, device=disk),
        vim.vm.device.VirtualDeviceSpec(operation=add, device=card),
    ],
)
made = wait(SI, datacenter.vmFolder.CreateVM_Task(config=config, pool=pool))


def keys(text):
    events = []
    for letter in text:
        code = ((ord(letter) - ord("a") + 4) << 16) | 7
        events.append(vim.vm.UsbScanCodeSpec.KeyEvent(usbHidCode=code, modifiers=vim.vm.UsbScanCodeSpec.ModifierType(leftShift=True)))
    return vim.vm.UsbScanCodeSpec(keyEvents=events)


try:
    made.PutUsbScanCodes(keys("abc"))
    raise AssertionError("keys were taken by a machine that is off")
except vim.fault.InvalidPowerState as fault:
    assert fault.existingState == "poweredOff", fault
wait(SI, made.PowerOnVM_Task())
FOUND["keys"] = made.PutUsbScanCodes(keys("abc"))
try:
    made.ExportVm()
    raise AssertionError("a machine that is on was exported")
except vim.fault.InvalidPowerState as fault:
    assert fault.existingState == "poweredOn", fault
wait(SI, made.PowerOffVM_Task())

# --- import ------------------------------------------------------------------------------------------------------------
with tarfile.open(OVA) as archive:
    members = {one.name: archive.extractfile(one).read() for one in archive.getmembers()}
descriptor = [text for name, text in members.items() if name.endswith(".ovf")][0].decode()
params = vim.OvfManager.CreateImportSpecParams(entityName="imported", diskProvisioning="thin", locale="", deploymentOption="")
spec = CONTENT.ovfManager.CreateImportSpec(descriptor, pool, datastore, params)
assert not spec.error, spec.error
lease = pool.ImportVApp(spec.importSpec, datacenter.vmFolder)
assert lease.state == "initializing", lease.state
assert lease.info is None
FOUND["import states"] = wait_for_lease(SI, lease)
info = lease.info
assert info.leaseTimeout > 0 and info.totalDiskCapacityInKB > 0, info
uploaded = []
for item in spec.fileItem:
    device = [one for one in info.deviceUrl if one.importKey == item.deviceId][0]
    assert device.url.startswith("https://*/nfc/"), device.url
    body = members[item.path]
    answer = requests.post(
        device.url.replace("*", HOST), data=body, verify=CA,
        headers={"Content-Type": "application/x-vnd.vmware-streamVmdk", "Overwrite": "t"},
    )
    assert answer.status_code in (200, 201), answer.text
    uploaded.append(sha(body))
    lease.HttpNfcLeaseProgress(50)
imported = info.entity
try:
    imported.PowerOnVM_Task()
    raise AssertionError("a machine with a lease was powered on")
except vim.fault.InvalidState:
    pass
manifest = lease.HttpNfcLeaseGetManifest()
assert [one.size for one in manifest] == [len(members[item.path]) for item in spec.fileItem], manifest
lease.HttpNfcLeaseComplete()
assert lease.state == "done", lease.state
FOUND["uploaded"] = uploaded

# --- export, of the machine and of a clone of it ----------------------------------------------------------------------
place = vim.vm.RelocateSpec(datastore=datastore, pool=pool)
clone = wait(SI, imported.CloneVM_Task(folder=datacenter.vmFolder, name="clone", spec=vim.vm.CloneSpec(location=place, powerOn=False, template=False)))


def export(vm):
    lease = vm.ExportVm()
    FOUND["export states"] = wait_for_lease(SI, lease)
    files, digests = [], []
    for device in lease.info.deviceUrl:
        assert device.disk and device.sslThumbprint, device
        answer = requests.get(device.url.replace("*", HOST), verify=CA)
        assert answer.status_code == 200, answer.text
        body = answer.content
        with open(os.path.join(FOLDER, f"{vm.name}-{device.targetId}"), "wb") as out:
            out.write(body)
        digests.append(sha(body))
        files.append(vim.OvfManager.OvfFile(deviceId=device.key, path=device.targetId, size=len(body)))
        lease.HttpNfcLeaseProgress(100)
        entry = [one for one in lease.HttpNfcLeaseGetManifest() if one.key == device.key][0]
        assert (entry.sha1, entry.size, entry.disk) == (hashlib.sha1(body).hexdigest(), len(body), True), entry
    made = CONTENT.ovfManager.CreateDescriptor(vm, vim.OvfManager.CreateDescriptorParams(ovfFiles=files, name=vm.name))
    assert not made.error, made.error
    lease.HttpNfcLeaseComplete()
    return digests, made.ovfDescriptor


FOUND["exported"], descriptor = export(imported)
FOUND["clone exported"], _ = export(clone)
# The descriptor is one that can be imported again.
params.entityName = "again"
again = CONTENT.ovfManager.CreateImportSpec(descriptor, pool, datastore, params)
assert not again.error and len(again.fileItem) == len(uploaded), again

# --- a lease that is aborted takes its machine with it -----------------------------------------------------------------
lease = pool.ImportVApp(again.importSpec, datacenter.vmFolder)
wait_for_lease(SI, lease)
assert search.FindByInventoryPath("/DC0/vm/again")
lease.HttpNfcLeaseAbort(vmodl.fault.SystemError(reason="a test"))
assert lease.state == "error", lease.state
FOUND["aborted with"] = type(lease.error).__name__
for _ in range(100):
    if search.FindByInventoryPath("/DC0/vm/again") is None:
        break
    time.sleep(0.05)
else:
    raise AssertionError("the machine of an import that was aborted is still there")

Disconnect(SI)
try:
    datacenter.name
    raise AssertionError("a session that was ended is still good")
except vim.fault.NotAuthenticated:
    pass
json.dump(FOUND, sys.stdout)
