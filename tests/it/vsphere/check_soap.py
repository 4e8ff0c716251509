"""Compares recorded SOAP calls with pyvmomi's types of vim25: what the simulator lets pass, vCenter may refuse.

Reads the trace (JSON lines) on standard input, prints {"calls": [names], "problems": [findings]}.
Looked at: unknown elements, their order, what is missing, what is there twice, enums, numbers and booleans, xsi:type.
"""
import json
import re
import sys
import xml.etree.ElementTree as ET

from pyVmomi import VmomiSupport as V
from pyVmomi import vim, vmodl  # noqa: F401  loads the types

SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
VIM = "{urn:vim25}"
# What VMware's own SDK for Python calls though no document has it.
INTERNAL = {"Fetch"}
XSD = {
    "string": str, "boolean": bool, "byte": V.byte, "short": V.short, "int": int, "long": V.long, "float": float,
    "double": V.double, "dateTime": V.datetime, "base64Binary": V.binary, "anyURI": V.URI,
}
RANGES = {"byte": 8, "short": 16, "int": 32, "long": 64}


class Call:
    """One call, and what was found in it."""

    def __init__(self):
        self.problems = []

    def problem(self, where, what):
        self.problems.append(f"{where}: {what}")

    def named(self, element, declared, where):
        """The type that an element says it has, or the one that it must have."""
        told = element.get(XSI_TYPE)
        if told is None:
            return declared
        name = told.rpartition(":")[2]
        if told.partition(":")[0] in ("xsd", "xs") and name in XSD:
            kind = XSD[name]
        elif name.startswith("ArrayOf") and lists(declared):
            return declared
        else:
            try:
                kind = V.GetWsdlType("urn:vim25", name)
            except KeyError:
                self.problem(where, f"vim25 has no type `{told}`")
                return None
        if declared not in (object, None) and not lists(declared) and not issubclass(kind, declared):
            self.problem(where, f"`{told}` is no {name_of(declared)}")
            return None
        return kind

    def value(self, element, kind, where):
        """A value that is meant to be of a type."""
        if element.get(XSI_NIL) in ("true", "1"):
            return
        if isinstance(kind, type) and issubclass(kind, V.ManagedObject):
            self.reference(element, kind, where)
            return
        if kind is object and element.get(XSI_TYPE) is None:
            self.problem(where, "xsi:type is missing: any type is allowed here")
            return
        if kind is vmodl.MethodFault:
            # pyvmomi's type of what goes over the wire as LocalizedMethodFault.
            self.members(element, FAULT, where)
            return
        kind = self.named(element, kind, where)
        if kind is None:
            return
        if isinstance(kind, type) and issubclass(kind, V.ManagedObject):
            self.reference(element, kind, where)
        elif lists(kind):
            item = kind.Item
            for child in element:
                self.value(child, item, f"{where}/{local(child)}")
        elif isinstance(kind, type) and issubclass(kind, V.DataObject):
            if (element.text or "").strip():
                self.problem(where, "text where elements are meant")
            self.members(element, kind._GetPropertyList(), where, kind)
        else:
            if len(element):
                self.problem(where, f"elements where a {name_of(kind)} is meant")
            self.simple(element.text or "", kind, where)

    def reference(self, element, kind, where):
        """A reference to a managed object."""
        told = element.get("type")
        if not (element.text or "").strip():
            self.problem(where, "an empty reference")
        if told is None:
            self.problem(where, "a reference without `type`")
            return
        try:
            is_kind = V.GetWsdlType("urn:vim25", told)
        except KeyError:
            self.problem(where, f"vim25 has no managed object `{told}`")
            return
        if kind is not V.ManagedObject and not issubclass(is_kind, kind):
            self.problem(where, f"`{told}` is no {name_of(kind)}")

    def simple(self, text, kind, where):
        """A number, a word of an enum and the like."""
        if isinstance(kind, type) and issubclass(kind, V.Enum):
            values = list(kind.values)
            if text not in values:
                self.problem(where, f"`{text}` is none of {', '.join(values)}")
            return
        name = getattr(kind, "__name__", str(kind))
        if kind is bool:
            if text not in ("true", "false", "1", "0"):
                self.problem(where, f"`{text}` is no boolean")
        elif name in RANGES:
            if not re.fullmatch(r"[+-]?[0-9]+", text.strip()):
                self.problem(where, f"`{text}` is no {name}")
            elif not -(1 << (RANGES[name] - 1)) <= int(text) < 1 << (RANGES[name] - 1):
                self.problem(where, f"{text} is too large for {name}")
        elif name in ("float", "double"):
            try:
                float(text)
            except ValueError:
                self.problem(where, f"`{text}` is no {name}")
        elif name == "datetime" and not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}", text):
            self.problem(where, f"`{text}` is no dateTime")

    def members(self, element, properties, where, kind=None):
        """The elements of a structure, or the parameters of a call, which stand in the order of the type."""
        known = {one.name: (at, one) for at, one in enumerate(properties)}
        seen, last, last_name = {}, -1, ""
        for child in element:
            name = local(child)
            path = f"{where}/{name}"
            if not child.tag.startswith(VIM):
                self.problem(path, f"the element is not in urn:vim25: {child.tag}")
            if name not in known:
                of = f" of {name_of(kind)}" if kind else ""
                self.problem(path, f"no such element{of}; there are {', '.join(known)}")
                continue
            at, one = known[name]
            if at < last:
                self.problem(path, f"stands after `{last_name}`, and belongs before it")
            last, last_name = max(at, last), name if at >= last else last_name
            seen[name] = seen.get(name, 0) + 1
            if lists(one.type):
                self.value(child, one.type.Item, path)
            else:
                if seen[name] == 2:
                    self.problem(path, "is there twice")
                self.value(child, one.type, path)
        for name, (_, one) in known.items():
            if name not in seen and not one.flags & V.F_OPTIONAL:
                self.problem(where, f"`{name}` is missing")


def lists(kind):
    return isinstance(kind, type) and issubclass(kind, V.Array)


def name_of(kind):
    return "any type" if kind is object else getattr(kind, "_wsdlName", None) or getattr(kind, "__name__", str(kind))


def local(element):
    return element.tag.rpartition("}")[2]


class Member:
    """An element that pyvmomi's types do not tell."""

    def __init__(self, name, kind, flags=0):
        self.name, self.type, self.flags = name, kind, flags


FAULT = [Member("fault", object), Member("localizedMessage", str, V.F_OPTIONAL)]


def look(text, path):
    """The name of a call, and what is wrong with it."""
    call = Call()
    try:
        envelope = ET.fromstring(text.encode())
    except ET.ParseError as error:
        return "?", [f"it is no XML: {error}"]
    body = envelope.find(f"{SOAP}Body")
    if envelope.tag != f"{SOAP}Envelope" or body is None or len(body) != 1:
        return "?", ["it is no SOAP envelope with one call"]
    method = body[0]
    name = local(method)
    if name in INTERNAL:
        return name, []
    if not method.tag.startswith(VIM):
        return name, [f"the call is not in urn:vim25: {method.tag}"]
    try:
        info = V.GetWsdlMethod("urn:vim25", name).info
    except KeyError:
        return name, ["vim25 has no such method"]
    call.members(method, [Member("_this", info.type), *info.params], name)
    return name, call.problems


def main():
    calls, problems = [], []
    for line in sys.stdin:
        one = json.loads(line)
        if one["method"] != "POST" or not one["path"].startswith("/sdk"):
            continue
        name, wrong = look(one.get("body", ""), one["path"])
        if not one["headers"].get("Content-Type", "").startswith("text/xml"):
            wrong.append(f"Content-Type: {one['headers'].get('Content-Type')}, text/xml is meant")
        action = one["headers"].get("Soapaction", "").strip('"')
        if not re.fullmatch(r"urn:vim25(/[0-9A-Za-z.]+)?", action):
            wrong.append(f"SOAPAction: `{action}`, urn:vim25/VERSION is meant")
        calls.append(name)
        problems += [f"call {one['number']}, {name}: {each}" for each in wrong]
    json.dump({"calls": calls, "problems": problems}, sys.stdout)


main()
