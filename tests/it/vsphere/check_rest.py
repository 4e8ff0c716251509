"""Compares recorded calls of REST with VMware's bindings for Python (vmware-vcenter): what the simulator lets pass, vCenter may refuse.

Reads the trace (JSON lines) on standard input, prints {"calls": [names], "problems": [findings]}.
Both forms are known: the newer below /api, whose addresses and bodies the bindings tell, and the older below /rest, which follows
from the interfaces' names. Looked at: the operation, unknown fields, what is missing, types, enums.
"""
import importlib
import json
import re
import sys
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from vmware.vapi.bindings import type as T
from vmware.vapi.lib.connect import get_requests_connector
from vmware.vapi.stdlib.client.factories import StubConfigurationFactory

MODULES = [
    "com.vmware.cis_client",
    "com.vmware.cis.tagging_client",
    "com.vmware.content_client",
    "com.vmware.content.library_client",
    "com.vmware.content.library.item_client",
    "com.vmware.content.library.item.updatesession_client",
    "com.vmware.content.library.item.downloadsession_client",
    "com.vmware.vcenter.ovf_client",
    "com.vmware.vcenter.vm_template_client",
]
# Uploads and downloads go to addresses that vCenter hands out.
DATA = ("/rest/com/vmware/cis/data/", "/cls/data/")
TEMPLATES = "com.vmware.vcenter.vm_template.library_items"
PLAIN = {"get", "list", "create", "update", "delete"}


class Wrong(Exception):
    """The call cannot be compared with anything."""


class Operation:
    """One operation of one interface."""

    def __init__(self, interface, name, metadata, input_type):
        self.interface, self.name, self.input = interface, name, input_type
        self.method, self.template = metadata.http_method, metadata._url_template
        self.body = metadata.request_body_parameter
        self.dispatch = metadata._dispatch_parameters or {}
        self.queries = metadata._query_parameters or {}
        self.paths = metadata._path_variables or {}

    def __str__(self):
        return f"{self.interface}.{self.name}"

    def newer(self, method, path, query):
        """How well a call below /api fits: a number, or None if it is none of this operation."""
        if method != self.method or not re.fullmatch(expression(self.template), path):
            return None
        for name, value in self.dispatch.items():
            if name not in query or (value != "null" and query[name] != value):
                return None
        # The bindings say nothing of the actions of templates.
        action = self.name if self.interface == TEMPLATES and self.name == "deploy" else self.dispatch.get("action")
        if query.get("action") != action:
            return None
        return len(self.dispatch) - self.template.count("{")

    def older(self, method, path, query):
        """The same of a call below /rest."""
        bases = [("/rest/" + self.interface.replace(".", "/").replace("_", "-"), "id:")]
        # vCenter's own services have their newer address below /rest too.
        if self.template.startswith("/vcenter/"):
            bases.append(("/rest" + re.sub(r"/\{.*", "", self.template), ""))
        action = query.get("~action")
        for base, mark in bases:
            match = re.fullmatch(f"{re.escape(base)}(?:/{mark}([^/?]+))?", path)
            if not match:
                continue
            has_id = match[1] is not None
            if not mark and "action" in query:
                if query["action"] == self.name:
                    return 0
                continue
            if action is None:
                verb = {"get": "GET", "list": "GET", "create": "POST", "update": "PATCH", "delete": "DELETE"}.get(self.name)
                if self.interface == "com.vmware.cis.session" and method == verb:
                    return 0
                if verb != method or has_id != (self.name in ("get", "update", "delete")):
                    continue
                return 0
            if method == "POST" and action == self.name.replace("_", "-"):
                return 0
            if self.interface == "com.vmware.cis.session" and method == "POST" and action == self.name:
                return 0
        return None


def expression(template):
    return "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]+\})", template))


def operations():
    connector = get_requests_connector(session=requests.Session(), msg_protocol="json", url="https://localhost/api")
    config = StubConfigurationFactory.new_std_configuration(connector)
    found = []
    for module in map(importlib.import_module, MODULES):
        for name in dir(module):
            if name.startswith("_") and name.endswith("Stub"):
                stub = getattr(module, name)(config)
                for operation, metadata in stub._rest_metadata.items():
                    input_type = stub._operations[operation]["input_type"]
                    found.append(Operation(stub._iface_id.get_name(), operation, metadata, input_type))
    return found


class Reader:
    """Compares JSON with the bindings' types."""

    def __init__(self):
        self.problems = []

    def problem(self, where, what):
        self.problems.append(f"{where or 'body'}: {what}")

    def value(self, value, kind, where):
        if isinstance(kind, T.ReferenceType):
            kind = kind.resolved_type
        if isinstance(kind, T.OptionalType):
            if value is not None:
                self.value(value, kind.element_type, where)
            return
        if value is None:
            self.problem(where, "null, and a value is meant")
        elif isinstance(kind, T.StructType):
            self.fields(value, {name: kind.get_field(name) for name in kind.get_field_names()}, where)
        elif isinstance(kind, (T.ListType, T.SetType)):
            if not isinstance(value, list):
                self.problem(where, f"{kind_of(value)}, a list is meant")
                return
            for at, item in enumerate(value):
                self.value(item, kind.element_type, f"{where}[{at}]")
        elif isinstance(kind, T.EnumType):
            # Most words are in capitals; those that OVF has are not.
            words = sorted(str(word) for word in kind.binding_class.get_values())
            if value not in words:
                self.problem(where, f"`{value}` is none of {', '.join(words)}")
        elif isinstance(kind, T.BooleanType):
            self.expect(isinstance(value, bool), value, "a boolean", where)
        elif isinstance(kind, T.IntegerType):
            self.expect(isinstance(value, int) and not isinstance(value, bool), value, "an integer", where)
        elif isinstance(kind, T.DoubleType):
            self.expect(isinstance(value, (int, float)) and not isinstance(value, bool), value, "a number", where)
        elif isinstance(kind, (T.StringType, T.IdType, T.URIType, T.SecretType, T.DateTimeType)):
            self.expect(isinstance(value, str), value, "a string", where)

    def expect(self, right, value, meant, where):
        if not right:
            self.problem(where, f"{kind_of(value)}, {meant} is meant")

    def fields(self, value, known, where):
        if not isinstance(value, dict):
            self.problem(where, f"{kind_of(value)}, an object is meant")
            return
        for name, item in value.items():
            # Older calls tell a structure's type in such a field.
            if name == "@class":
                continue
            path = f"{where}.{name}".lstrip(".")
            if name not in known:
                self.problem(path, f"no such field; there are {', '.join(sorted(known))}")
            else:
                self.value(item, known[name], path)
        for name, kind in known.items():
            if name not in value and not isinstance(kind, T.OptionalType):
                self.problem(where, f"`{name}` is missing")


def kind_of(value):
    return {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "an integer", float: "a number"}[type(value)]


def look(all_operations, call):
    parts = urlsplit(call["path"])
    path, query = unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True))
    newer = path.startswith("/api/")
    if newer:
        fits = [(one.newer(call["method"], path[len("/api"):], query), one) for one in all_operations]
    else:
        fits = [(one.older(call["method"], path, query), one) for one in all_operations]
    fits = [(fit, one) for fit, one in fits if fit is not None]
    if not fits:
        raise Wrong("no operation has such an address")
    operation = max(fits, key=lambda one: one[0])[1]
    reader = Reader()
    text = call.get("body", "")
    known = {name: operation.input.get_field(name) for name in operation.input.get_field_names()}
    # client_token makes calls idempotent; it may stand in the query or not at all.
    elsewhere = {"client_token"} | {name for name in known if name in query}
    if newer:
        elsewhere |= set(operation.paths) | set(operation.queries)
        elsewhere |= {name for name, value in operation.dispatch.items() if value == "null"}
        allowed = set(operation.queries.values()) | set(operation.dispatch) | {"client_token"}
    else:
        if "/id:" in path:
            # An address has one id; which of them, the newer form's address tells, or else its body.
            first = re.search(r"\{([^}]+)\}", operation.template)
            of_path = [name for name, variable in operation.paths.items() if first and variable == first[1]]
            elsewhere |= set(of_path or [name for name, kind in known.items() if isinstance(kind, T.IdType)][:1])
        allowed = set(known) | {"~action"}
    if operation.interface == TEMPLATES:
        elsewhere.add("template_library_item")
        allowed.add("action")
    for name in query:
        if name not in allowed:
            reader.problem(name, "no such parameter of the address")
    in_body = {name: kind for name, kind in known.items() if name not in elsewhere}
    try:
        value = json.loads(text) if text else {}
    except ValueError as error:
        raise Wrong(f"the body is no JSON: {error}") from error
    if text and "json" not in call["headers"].get("Content-Type", ""):
        reader.problem("Content-Type", f"{call['headers'].get('Content-Type')}, application/json is meant")
    whole = operation.body
    if operation.interface.startswith("com.vmware.vcenter.") and list(in_body) == ["spec"]:
        whole = "spec"
    if newer and whole:
        reader.value(value, known[whole], "")
    else:
        reader.fields(value, in_body, "")
    return str(operation), reader.problems


def main():
    known = operations()
    calls, problems = [], []
    for line in sys.stdin:
        one = json.loads(line)
        if not one["path"].startswith(("/api/", "/rest/")) or one["path"].startswith(DATA):
            continue
        where = f"call {one['number']}, {one['method']} {one['path'][:200]}"
        try:
            name, wrong = look(known, one)
            calls.append(name)
            problems += [f"{where}, {name}: {each}" for each in wrong]
        except Wrong as error:
            calls.append("?")
            problems.append(f"{where}: {error}")
    json.dump({"calls": calls, "problems": problems}, sys.stdout)


main()
