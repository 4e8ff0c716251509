"""The trouble that the fixture makes when it is asked to, as VMware's own SDK sees it.

usage: try_faults.py URL CA USER PASSWORD FOLDER OVA ADMIN
The vCenter has one machine in each pool, and leases that last a second. Prints what it found as JSON.
"""
import json
import os
import ssl
import sys
import time
from urllib.parse import urlsplit

import requests
from pyVim.connect import SmartConnect
from pyVmomi import vim

URL, CA, USER, PASSWORD, FOLDER, OVA, ADMIN = sys.argv[1:]
PARTS = urlsplit(URL)
FOUND = {}


def admin(path, body):
    answer = requests.post(f"{ADMIN}/fixture/{path}", json=body, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def raised(kind, action):
    try:
        result = action()
    except kind as error:
        return error
    raise AssertionError(f"no {kind}, but {result}")


def connect():
    return SmartConnect(host=PARTS.hostname, port=PARTS.port, user=USER, pwd=PASSWORD, sslContext=ssl.create_default_context(cafile=CA))


def done(task):
    while task.info.state not in ("success", "error"):
        time.sleep(0.05)
    return task.info


SI = connect()
search = SI.content.searchIndex
vm = search.FindByInventoryPath("/DC0/vm/DC0_C0_RP0_VM0")
if vm.runtime.powerState == "poweredOn":
    assert done(vm.PowerOffVM_Task()).state == "success"

# A fault of a type, with its fields.
admin("faults", {"match": "PowerOnVM_Task", "fault": {
    "type": "NoPermission", "message": "Permission to perform this operation was denied.",
    "fields": {"object": {"type": "VirtualMachine", "value": vm._moId}, "privilegeId": "VirtualMachine.Interact.PowerOn"}}})
fault = raised(vim.fault.NoPermission, vm.PowerOnVM_Task)
assert (fault.object._moId, fault.privilegeId) == (vm._moId, "VirtualMachine.Interact.PowerOn"), fault

# A task that ends in an error, once; the next is as ever.
admin("faults", {"match": "PowerOnVM_Task", "task": {"type": "NoDiskSpace", "message": "Insufficient disk space.", "fields": {"datastore": "LocalDS_0"}}})
info = done(vm.PowerOnVM_Task())
assert info.state == "error" and isinstance(info.error, vim.fault.NoDiskSpace) and info.error.datastore == "LocalDS_0", info
assert info.error.msg == "Insufficient disk space.", info.error
assert vm.runtime.powerState == "poweredOff"
admin("guest", {"vm": "*", "ip": "192.0.2.7", "after_ms": 50})
assert done(vm.PowerOnVM_Task()).state == "success"
for _ in range(100):
    if vm.guest.ipAddress == "192.0.2.7":
        break
    time.sleep(0.05)
assert vm.guest.net[0].ipAddress == ["192.0.2.7"], vm.guest
assert done(vm.PowerOffVM_Task()).state == "success"

# HTTP trouble: a status, a delay, cut connections; only as often as was asked for, and after as many as were let through.
admin("faults", {"match": "/about", "status": 503, "times": 2, "after": 1})
got = [requests.get(f"{URL}/about", verify=CA).status_code for _ in range(4)]
assert got == [200, 503, 503, 200], got
admin("faults", {"match": "/about", "delay_ms": 300})
begun = time.monotonic()
assert requests.get(f"{URL}/about", verify=CA).status_code == 200 and time.monotonic() - begun >= 0.3
admin("faults", {"match": "GET /about", "lose_answer": True})
raised(requests.ConnectionError, lambda: requests.get(f"{URL}/about", verify=CA))

# A disk that is cut in the middle, both ways.
web = requests.Session()
web.verify, web.trust_env = CA, False
web.cookies.set("vmware_soap_session", SI._stub.cookie.split(";")[0].split("=", 1)[1].strip('"'))
address = f"{URL}/folder/cut.bin?dcPath=DC0&dsName=LocalDS_0"
admin("faults", {"match": "PUT /folder/", "cut_after": 100_000})
raised(requests.ConnectionError, lambda: web.put(address, data=os.urandom(3_000_000)))
disk = os.path.join(FOLDER, "some.vmdk")
with open(disk, "wb") as file:
    file.write(os.urandom(500_000))
admin("disk", {"vm": vm.name, "disk": 0, "path": disk})


def lease_of(vm):
    lease = vm.ExportVm()
    while lease.state == "initializing":
        time.sleep(0.02)
    return lease


lease = lease_of(vm)
target = lease.info.deviceUrl[0].url.replace("*", PARTS.netloc)
admin("faults", {"match": "GET /nfc/", "cut_after": 200_000})
answer = requests.get(target, verify=CA, stream=True)
seen = 0


def drain():
    global seen
    for chunk in answer.iter_content(10_000):
        seen += len(chunk)


raised((requests.ConnectionError, requests.exceptions.ChunkedEncodingError), drain)
FOUND["seen before the cut"] = seen
assert 0 < seen <= 200_000, seen
lease.HttpNfcLeaseProgress(1)
assert len(requests.get(target, verify=CA).content) == 500_000

# A lease without progress times out; one that the test ends is in error with its message.
time.sleep(1.5)
assert lease.state == "error" and isinstance(lease.error, vim.fault.Timedout), lease.error
raised(vim.fault.Timedout, lambda: lease.HttpNfcLeaseProgress(2))
lease = lease_of(vm)
assert admin("lease", {"message": "the host went away"})["failed"] == 1
assert lease.state == "error" and lease.error.msg == "the host went away", lease.error

# Sessions that end.
admin("expire", {})
raised(vim.fault.NotAuthenticated, lambda: vm.name)
assert web.get(address).status_code == 401
SI = connect()
assert SI.content.searchIndex.FindByInventoryPath("/DC0/vm/DC0_C0_RP0_VM0").name == "DC0_C0_RP0_VM0"

# What a test gets wrong is told.
assert requests.post(f"{ADMIN}/fixture/faults", json={"match": "x", "fault": {"type": "Bogus"}}).status_code == 400
assert requests.post(f"{ADMIN}/fixture/faults", json={"mach": "x"}).status_code == 400
json.dump(FOUND, sys.stdout)
