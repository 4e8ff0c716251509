"""Compares recorded calls of Amazon's services with botocore's own models of these services.

Standard input: for each call one line of JSON (number, method, path, headers, length), followed by `length` bytes of body.
Standard output: one JSON document: {"calls": ["ec2:RegisterImage", ...], "problems": ["...", ...]}.
"""
import base64
import hashlib
import json
import re
import sys
from urllib.parse import parse_qsl, unquote, urlsplit

import botocore.session
from botocore.validate import ParamValidator

SESSION = botocore.session.get_session()
# The name in a signature -> the name of the model.
SERVICES = {
    "ec2": "ec2",
    "ebs": "ebs",
    "ssm": "ssm",
    "s3": "s3",
    "sts": "sts",
    "iam": "iam",
    "aws-marketplace": "marketplace-catalog",
}
# Headers of any call.
COMMON = {
    "x-amz-user-agent",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-decoded-content-length",
    "x-amz-trailer",
    "x-amz-target",
    "x-amz-sdk-checksum-algorithm",
}
# https://docs.aws.amazon.com/ebs/latest/APIReference/API_PutSnapshotBlock.html
EBS_BLOCK = 512 * 1024
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RegisterImage.html: the model has the length only.
AMI_NAME = re.compile(r"^[A-Za-z0-9()\[\] ./\-'@_]*$")


class Wrong(Exception):
    """A call that cannot be read as one of the service's."""


class Form:
    """Parameters of the query protocols (`a.b.1.c=value`) as a tree."""

    def __init__(self):
        self.value = None
        self.children = {}

    @classmethod
    def parse(cls, body):
        form = cls()
        seen = set()
        for name, value in parse_qsl(body, keep_blank_values=True, strict_parsing=True):
            if name in seen:
                raise Wrong(f"`{name}` stands there twice")
            seen.add(name)
            node = form
            for part in name.split("."):
                node = node.children.setdefault(part, cls())
            node.value = value
        return form


class Reader:
    """Reads values by their shapes, collecting what is wrong."""

    def __init__(self):
        self.problems = []

    def problem(self, where, text):
        self.problems.append(f"{where or 'input'}: {text}")

    def text(self, text, shape, where):
        """A value that came as text."""
        kind = shape.type_name
        if kind in ("integer", "long"):
            if not re.fullmatch(r"-?[0-9]+", text):
                self.problem(where, f"`{text}` is no {kind}")
                return 0
            return int(text)
        if kind in ("float", "double"):
            return float(text)
        if kind == "boolean":
            if text not in ("true", "false"):
                self.problem(where, f"`{text}` is no boolean")
            return text == "true"
        if kind == "blob":
            try:
                return base64.b64decode(text, validate=True)
            except ValueError:
                self.problem(where, "is no base64")
                return b""
        if kind == "timestamp":
            return text
        return self.limits(text, shape, where)

    def limits(self, value, shape, where):
        """What botocore's validator leaves to the service: enums and longest lengths."""
        if shape.type_name == "string":
            if shape.enum and value not in shape.enum:
                self.problem(where, f"`{value}` is none of {', '.join(shape.enum)}")
            if len(value) > shape.metadata.get("max", sys.maxsize):
                self.problem(where, f"{len(value)} characters, {shape.metadata['max']} at most")
        elif shape.type_name == "list" and len(value) > shape.metadata.get("max", sys.maxsize):
            self.problem(where, f"{len(value)} items, {shape.metadata['max']} at most")
        elif shape.type_name in ("integer", "long") and value > shape.metadata.get("max", sys.maxsize):
            self.problem(where, f"{value}, {shape.metadata['max']} at most")
        return value

    def form(self, node, shape, where, ec2):
        """A value of the query protocols."""
        kind = shape.type_name
        if kind == "structure":
            if node.value is not None:
                self.problem(where, "a value where a structure is meant")
            known = {wire_name(member, name, ec2): name for name, member in shape.members.items()}
            read = {}
            for wire, child in node.children.items():
                path = f"{where}.{wire}".lstrip(".")
                if wire not in known:
                    self.problem(path, f"no such parameter; there are {', '.join(sorted(known))}")
                    continue
                name = known[wire]
                read[name] = self.form(child, shape.members[name], path, ec2)
            return read
        if kind == "list":
            if node.value == "" and not node.children:
                return []
            items = node
            if not ec2 and not shape.serialization.get("flattened"):
                member = shape.member.serialization.get("name", "member")
                unknown = set(node.children) - {member}
                if unknown:
                    self.problem(where, f"`{member}.N` is meant, not `{unknown.pop()}`")
                items = node.children.get(member, Form())
                where = f"{where}.{member}"
            if items.value is not None:
                self.problem(where, "a value where a list is meant")
            wanted = [str(number) for number in range(1, len(items.children) + 1)]
            if sorted(items.children) != sorted(wanted):
                self.problem(where, f"items are numbered {', '.join(items.children)}")
                return []
            read = [
                self.form(items.children[number], shape.member, f"{where}.{number}", ec2) for number in wanted
            ]
            return self.limits(read, shape, where)
        if kind == "map":
            raise Wrong(f"{where}: maps are not known to this check")
        if node.children:
            self.problem(where, f"a {kind} is meant, not `{next(iter(node.children))}` below it")
        return self.text(node.value or "", shape, where)

    def json(self, value, shape, where):
        """A value of the JSON protocols."""
        kind = shape.type_name
        if kind == "structure" and not shape.is_document_type:
            if not isinstance(value, dict):
                return value
            known = {member.serialization.get("name", name): name for name, member in shape.members.items()}
            return {
                known.get(wire, wire): self.json(item, shape.members[known[wire]], f"{where}.{wire}".lstrip("."))
                if wire in known
                else item
                for wire, item in value.items()
            }
        if kind == "list" and isinstance(value, list):
            read = [self.json(item, shape.member, f"{where}[{at}]") for at, item in enumerate(value)]
            return self.limits(read, shape, where)
        if kind == "map" and isinstance(value, dict):
            return {key: self.json(item, shape.value, f"{where}.{key}") for key, item in value.items()}
        if kind == "string" and isinstance(value, str):
            return self.limits(value, shape, where)
        if kind in ("integer", "long") and isinstance(value, int):
            return self.limits(value, shape, where)
        return value


def wire_name(shape, name, ec2):
    """As botocore.serialize has it."""
    serialization = shape.serialization
    if not ec2:
        return serialization.get("name", name)
    if "queryName" in serialization:
        return serialization["queryName"]
    if "name" in serialization:
        return serialization["name"][0].upper() + serialization["name"][1:]
    return name


def service_of(headers):
    """The service, as the signature names it (AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request)."""
    scope = re.search(r"Credential=[^/]+/[0-9]{8}/[^/]*/([^/]+)/aws4_request", headers.get("authorization", ""))
    if not scope:
        raise Wrong("it is not signed")
    if scope[1] not in SERVICES:
        raise Wrong(f"no model is known for `{scope[1]}`")
    return SESSION.get_service_model(SERVICES[scope[1]])


def query(service, call, headers, body, reader):
    """EC2, IAM, STS."""
    if call["method"] != "POST" or urlsplit(call["path"]).path != "/":
        raise Wrong("the query protocol is POST /")
    form = Form.parse(body.decode())
    action = form.children.pop("Action", Form()).value
    version = form.children.pop("Version", Form()).value
    if version != service.api_version:
        reader.problem("Version", f"{version}, {service.api_version} is meant")
    if action not in service.operation_names:
        raise Wrong(f"no such action: {action}")
    operation = service.operation_model(action)
    shape = operation.input_shape
    if shape is None:
        return operation, {}
    return operation, reader.form(form, shape, "", service.metadata["protocol"] == "ec2")


def json_rpc(service, call, headers, body, reader):
    """Systems Manager."""
    prefix, _, action = headers.get("x-amz-target", "").rpartition(".")
    if prefix != service.metadata["targetPrefix"] or action not in service.operation_names:
        raise Wrong(f"no such target: {headers.get('x-amz-target')}")
    wanted = f"application/x-amz-json-{service.metadata['jsonVersion']}"
    if headers.get("content-type") != wanted:
        reader.problem("Content-Type", f"{headers.get('content-type')}, {wanted} is meant")
    operation = service.operation_model(action)
    return operation, reader.json(json.loads(body), operation.input_shape, "")


def match(operation, method, path, queries):
    """The parts of the path that an operation of REST has names for, or None if the call is none of its."""
    if operation.http["method"] != method:
        return None
    pattern, _, fixed = operation.http["requestUri"].partition("?")
    for item in filter(None, fixed.split("&")):
        name, _, value = item.partition("=")
        if queries.get(name) != value:
            return None
    expression = "".join(
        f"(?P<{part[1:-1].rstrip('+').replace('-', '_')}>{'.+' if part.endswith('+}') else '[^/]+'})"
        if part.startswith("{")
        else re.escape(part)
        for part in re.split(r"(\{[^}]+\})", pattern.rstrip("/"))
        if part
    )
    found = re.fullmatch(expression or "", path.rstrip("/"))
    return found and {name: unquote(value) for name, value in found.groupdict().items()}


def rest(service, call, headers, body, reader):
    """EBS, the Marketplace's catalogue and S3. S3's bodies are not looked at."""
    parts = urlsplit(call["path"])
    queries = dict(parse_qsl(parts.query, keep_blank_values=True))
    candidates = []
    for name in service.operation_names:
        operation = service.operation_model(name)
        uri = match(operation, call["method"], parts.path, queries)
        if uri is None:
            continue
        fixed = operation.http["requestUri"].partition("?")[2]
        shape = operation.input_shape
        required = shape.required_members if shape else []
        locations = [shape.members[member].serialization for member in required]
        told = [
            (one.get("location") == "querystring" and one["name"] in queries)
            or (one.get("location") == "header" and one["name"].lower() in headers)
            for one in locations
            if one.get("location") in ("querystring", "header")
        ]
        # S3 tells operations apart by what must be in the query or the headers.
        if service.service_name == "s3" and not all(told):
            continue
        candidates.append((len(list(filter(None, fixed.split("&")))), sum(told), operation, uri))
    if not candidates:
        raise Wrong("no operation has such an address")
    _, _, operation, uri = max(candidates, key=lambda one: one[:2])
    fixed = {one.partition("=")[0] for one in operation.http["requestUri"].partition("?")[2].split("&")}
    shape = operation.input_shape
    read, in_body = {}, {}
    known_queries, known_headers = set(fixed) | {"x-id"}, set(COMMON)
    for name, member in shape.members.items():
        place = member.serialization
        location = place.get("location")
        wire = place.get("name", name)
        if location == "uri":
            value = uri.get(wire.replace("-", "_"))
            if value is not None:
                read[name] = reader.text(value, member, name)
        elif location == "querystring":
            known_queries.add(wire)
            if wire in queries:
                if member.type_name == "list":
                    values = [value for key, value in parse_qsl(parts.query) if key == wire]
                    read[name] = [reader.text(value, member.member, name) for value in values]
                else:
                    read[name] = reader.text(queries[wire], member, name)
        elif location == "header":
            known_headers.add(wire.lower())
            if wire.lower() in headers:
                read[name] = reader.text(headers[wire.lower()], member, name)
        elif location == "headers":
            known_headers.update(header for header in headers if header.startswith(wire.lower()))
        else:
            in_body[name] = member
    for name in set(queries) - known_queries:
        reader.problem(name, "no such parameter of the address")
    for name in headers:
        if name.startswith("x-amz-") and name not in known_headers:
            reader.problem(name, "no such header")
    payload = shape.serialization.get("payload")
    if payload and shape.members[payload].type_name in ("blob", "string"):
        read[payload] = body
    elif service.metadata["protocol"] == "rest-json":
        if in_body and body:
            if headers.get("content-type") != "application/json":
                reader.problem("Content-Type", f"{headers.get('content-type')}, application/json is meant")
            value = json.loads(body)
            whole = reader.json(value, shape, "")
            for name in whole:
                if name in shape.members and name not in in_body:
                    reader.problem(name, "does not belong into the body")
            read.update(whole)
    else:
        # Loosely: what must be in the body counts as being there.
        for name in in_body:
            if name in shape.required_members:
                return operation, None
    return operation, read


def rules(service, operation, read, body, reader):
    """What the services' documents say and their models do not."""
    if operation.name in ("RegisterImage", "CreateImage", "CopyImage") and service.service_name == "ec2":
        if not AMI_NAME.match(read.get("Name", "")):
            reader.problem("Name", "letters, digits and ()[] ./-'@_ are meant")
    if operation.name == "PutSnapshotBlock":
        if len(body) != EBS_BLOCK or read.get("DataLength") != EBS_BLOCK:
            reader.problem("BlockData", f"{len(body)} bytes, told as {read.get('DataLength')}; {EBS_BLOCK} are meant")
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        if read.get("Checksum") != digest:
            reader.problem("Checksum", f"{read.get('Checksum')}, {digest} is right")
    if operation.name == "StartChangeSet":
        for change in read.get("ChangeSet", []):
            for key in ("Details", "DetailsDocument"):
                details = change.get(key)
                if key == "Details" and details is not None and not isinstance(json.loads(details), dict):
                    reader.problem("ChangeSet.Details", "is no JSON object")
            if ("Details" in change) == ("DetailsDocument" in change):
                reader.problem("ChangeSet", "either Details or DetailsDocument is meant")


PROTOCOLS = {"ec2": query, "query": query, "json": json_rpc, "rest-json": rest, "rest-xml": rest}


def look(call, body):
    """The operation of one call, and what is wrong with it."""
    headers = {name.lower(): value for name, value in call["headers"]}
    service = service_of(headers)
    reader = Reader()
    try:
        operation, read = PROTOCOLS[service.metadata["protocol"]](service, call, headers, body, reader)
    except Wrong as wrong:
        raise Wrong(f"{service.service_name}: {wrong}") from wrong
    name = f"{service.service_name}:{operation.name}"
    if read is not None and operation.input_shape is not None:
        errors = ParamValidator().validate(read, operation.input_shape)
        if errors.has_errors():
            reader.problems.extend(errors.generate_report().splitlines())
        rules(service, operation, read, body, reader)
    return name, reader.problems


def main():
    source = sys.stdin.buffer
    names, problems = [], []
    while line := source.readline():
        call = json.loads(line)
        body = source.read(call["length"])
        where = f"call {call['number']}, {call['method']} {call['path'][:200]}"
        try:
            name, wrong = look(call, body)
            names.append(name)
            problems.extend(f"{where}, {name}: {one}" for one in wrong)
        except (Wrong, ValueError) as error:
            names.append("?")
            problems.append(f"{where}: {error}")
    json.dump({"calls": names, "problems": problems}, sys.stdout)


main()
