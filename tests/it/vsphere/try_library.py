"""Content libraries, tags and sessions over REST, in both forms: what the fixture adds to the simulator.

usage: try_library.py URL CA USER PASSWORD FOLDER OVA api|rest
Prints what it found as JSON; any disagreement is an exception.
"""
import hashlib
import json
import sys
import tarfile

import requests

URL, CA, USER, PASSWORD, FOLDER, OVA, FORM = sys.argv[1:]
NEW = FORM == "api"
WEB = requests.Session()
WEB.verify, WEB.trust_env = CA, False
FOUND = {}


def call(method, path, body=None, status=None, **more):
    answer = WEB.request(method, URL + path, json=body, **more)
    if status is not None:
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.text and answer.json()
    assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
    if not answer.text:
        return None
    return answer.json() if NEW else answer.json().get("value")


def path(kind, one=None, action=None):
    """An address in the form that is tried."""
    base = f"/api/{kind}" if NEW else f"/rest/com/vmware/{kind}"
    if one is not None:
        base += f"/{one}" if NEW else f"/id:{one}"
    if action is not None:
        base += f"?action={action}" if NEW else f"?~action={action}"
    return base


def wrap(name, value):
    return value if NEW else {name: value}


LOGIN = "/api/session" if NEW else "/rest/com/vmware/cis/session"
if not NEW:
    assert WEB.post(URL + "/api/session", auth=(USER, PASSWORD)).status_code == 404, "/api is there"
call("POST", LOGIN, auth=(USER, "wrong"), status=401)
call("GET", path("cis/tagging/tag"), status=401)
WEB.headers["vmware-api-session-id"] = call("POST", LOGIN, auth=(USER, PASSWORD))

# --- tags --------------------------------------------------------------------------------------------------------------
spec = {"name": f"os-{FORM}", "description": "", "cardinality": "MULTIPLE", "associable_types": []}
category = call("POST", path("cis/tagging/category"), wrap("create_spec", spec))
again = call("POST", path("cis/tagging/category"), wrap("create_spec", spec), status=400)
assert "ALREADY_EXISTS" == again["error_type"] if NEW else "already_exists" in again["type"], again
tag = call("POST", path("cis/tagging/tag"), wrap("create_spec", {"name": f"t-{FORM}", "description": "", "category_id": category}))
vm = {"type": "VirtualMachine", "id": "vm-1"}
call("POST", path("cis/tagging/tag-association", tag, "attach"), {"object_id": vm})
assert call("POST", path("cis/tagging/tag-association", None, "list-attached-tags"), {"object_id": vm}) == [tag]
assert category in call("GET", path("cis/tagging/category"))
assert call("GET", path("cis/tagging/tag", tag))["name"] == f"t-{FORM}"
if NEW:
    assert call("POST", path("cis/tagging/tag", None, "list-tags-for-category"), {"category_id": category}) == [tag]
    # The older form's wrapper is a mistake in the newer one.
    call("POST", path("cis/tagging/category"), {"create_spec": spec}, status=400)

# --- a library, and an item with files ---------------------------------------------------------------------------------
from pyVim.connect import Disconnect, SmartConnect  # noqa: E402
import ssl  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402

parts = urlsplit(URL)
si = SmartConnect(host=parts.hostname, port=parts.port, user=USER, pwd=PASSWORD, sslContext=ssl.create_default_context(cafile=CA))
search = si.content.searchIndex
store = search.FindByInventoryPath("/DC0/datastore/LocalDS_0")._moId
pool = search.FindByInventoryPath("/DC0/host/DC0_C0/Resources")._moId
backing = [{"type": "DATASTORE", "datastore_id": store}]
library = call("POST", path("content/local-library"), wrap("create_spec", {"name": f"images-{FORM}", "type": "LOCAL", "storage_backings": backing}))
assert call("POST", path("content/library", None, "find"), wrap("spec", {"name": f"images-{FORM}"})) == [library]
item = call("POST", path("content/library/item"), wrap("create_spec", {"library_id": library, "name": "image", "type": "ovf"}))
FILES = "content/library/item/update-session/{}/file" if NEW else "content/library/item/updatesession/file"


def begin(item):
    return call("POST", path("content/library/item/update-session"), wrap("create_spec", {"library_item_id": item}))


def files(session, action=None):
    return path(FILES.format(session), None, action) if NEW else path(FILES, session, action or "add")


def upload(session, name, data, size=None, digest=None):
    told = {
        "name": name, "source_type": "PUSH", "size": len(data) if size is None else size,
        "checksum_info": {"algorithm": "SHA256", "checksum": digest or hashlib.sha256(data).hexdigest()},
    }
    added = call("POST", files(session), wrap("file_spec", told))
    assert added["status"] == "WAITING_FOR_TRANSFER", added
    target = added["upload_endpoint"]["uri"]
    assert target.startswith(URL + "/"), target
    assert WEB.put(target, data=data).status_code == 200


def status(session, name):
    if NEW:
        return call("GET", path(FILES.format(session), name))
    return call("POST", path(FILES, session, "get"), {"file_name": name})


for wrong in ({"size": 3}, {"digest": "00" * 32}):
    session = begin(item)
    upload(session, "wrong.iso", b"four", **wrong)
    assert status(session, "wrong.iso")["status"] == "ERROR"
    assert call("POST", files(session, "validate"))["has_errors"]
    refused = call("POST", path("content/library/item/update-session", session, "complete"), status=400)
    assert "NOT_ALLOWED_IN_CURRENT_STATE" in json.dumps(refused).upper(), refused
    call("DELETE", path("content/library/item/update-session", session))

with open(OVA, "rb") as file:
    ova = file.read()
session = begin(item)
upload(session, "image.ova", ova)
assert status(session, "image.ova")["status"] == "READY"
assert not call("POST", files(session, "validate"))["has_errors"]
call("POST", path("content/library/item/update-session", session, "complete"))
assert call("GET", path("content/library/item/update-session", session))["state"] == "DONE"
with tarfile.open(OVA) as archive:
    members = {one.name: archive.extractfile(one).read() for one in archive.getmembers()}
stored = call("GET", f"/api/content/library/item/{item}/file" if NEW else f"/rest/com/vmware/content/library/item/file?library_item_id={item}")
assert sorted(one["name"] for one in stored) == sorted(members), stored
FOUND["stored"] = sorted((one["name"], one["size"]) for one in stored)

# A new version replaces the files and counts.
shown = f"/api/content/library/item/{item}" if NEW else f"/rest/com/vmware/content/library/item/id:{item}"
before = call("GET", shown)["content_version"]
session = begin(item)
upload(session, "image.ova", ova)
call("POST", path("content/library/item/update-session", session, "complete"))
assert int(call("GET", shown)["content_version"]) == int(before) + 1
again = call("GET", f"/api/content/library/item/{item}/file" if NEW else f"/rest/com/vmware/content/library/item/file?library_item_id={item}")
assert sorted((one["name"], one["version"]) for one in again) == sorted((name, "2") for name in members), again

# --- a machine of it, with its bytes; and captured again ---------------------------------------------------------------
deploy = {"target": {"resource_pool_id": pool}, "deployment_spec": {"name": f"deployed-{FORM}", "accept_all_EULA": True}}
made = call("POST", path("vcenter/ovf/library-item", item, "deploy"), deploy)
assert made["succeeded"], made
deployed = search.FindByInventoryPath(f"/DC0/vm/deployed-{FORM}")
lease = deployed.ExportVm()
while str(lease.state) == "initializing":
    pass
body = requests.get(lease.info.deviceUrl[0].url.replace("*", parts.netloc), verify=CA).content
lease.HttpNfcLeaseComplete()
disk = [data for name, data in members.items() if name.endswith(".vmdk")][0]
assert body == disk, "a deployed machine does not have the bytes of the item"
source = {"source": {"type": "VirtualMachine", "id": deployed._moId}, "target": {"library_id": library}, "create_spec": {"name": "captured"}}
captured = call("POST", path("vcenter/ovf/library-item"), source)["ovf_library_item_id"]
stored = call("GET", f"/api/content/library/item/{captured}/file" if NEW else f"/rest/com/vmware/content/library/item/file?library_item_id={captured}")
assert sorted(one["size"] for one in stored if one["name"].endswith(".vmdk")) == [len(disk)], stored
FOUND["captured"] = sorted(one["name"] for one in stored)
Disconnect(si)
call("DELETE", LOGIN)
call("GET", path("cis/tagging/tag"), status=401)
json.dump(FOUND, sys.stdout)
