"""Compares calls with what the API knows (apis.json), and their signatures with what `cs`, a client from PyPI, makes of them.

Reads {"secret": …, "apis": …, "calls": [{"command": …, "params": {…}}]}, writes {"problems": […], "signatures": n}.
"""
import json
import re
import sys
from datetime import datetime, timezone

from cs import CloudStack

KINDS = {
    "boolean": r"true|false",
    "integer": r"-?[0-9]+",
    "uuid": r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}",
    "list": r"[^,]+(,[^,]+)*",
}
OWN = {"command", "response", "apiKey", "signature", "signatureVersion", "expires"}


def wrong_value(kind, value):
    name, _, longest = kind.partition(" ")
    if name in KINDS and not re.fullmatch(KINDS[name], value):
        return f"`{value}` is no {name}"
    if name in ("string", "map") and len(value) > int(longest or 255):
        return f"it has {len(value)} characters"
    return None


def problems(call, apis, secret):
    command, params = call["command"], dict(call["params"])
    if command not in apis:
        yield f"no such call: {command}"
        return
    api = apis[command]
    known = {**api["required"], **api["optional"]}
    maps = {}
    for name, value in params.items():
        if name in OWN:
            continue
        part = re.fullmatch(r"(\w+)\[([0-9]+)\]\.(.+)", name)
        if part and known.get(part[1]) == "map":
            maps.setdefault(part[1], {}).setdefault(int(part[2]), set()).add(part[3])
            continue
        kind = known.get(name)
        if kind is None or kind == "map":
            yield f"{command} has no parameter `{name}`" if kind is None else f"`{name}` is a map"
            continue
        why = wrong_value(kind, value)
        if why:
            yield f"{command}, {name}: {why}"
    for name, items in maps.items():
        if sorted(items) != list(range(len(items))):
            yield f"{command}, {name}: items are numbered {sorted(items)}"
        if name == "tags" and any(keys != {"key", "value"} for keys in items.values()):
            yield f"{command}, tags: each has a key and a value"
    for name in api["required"]:
        if name not in params and name not in maps:
            yield f"{command} lacks `{name}`"
    if params.get("response") != "json" or params.get("signatureVersion") != "3":
        yield f"{command} asks for {params.get('response')}, signed as {params.get('signatureVersion')}"
    until = datetime.strptime(params.get("expires", ""), "%Y-%m-%dT%H:%M:%S%z") - datetime.now(timezone.utc)
    # A server that enforces it refuses more than a quarter of an hour.
    if not -600 < until.total_seconds() <= 900:
        yield f"{command} expires in {until}"


def main():
    given = json.load(sys.stdin)
    found, signatures = [], 0
    client = CloudStack(endpoint="http://localhost/", key="none", secret=given["secret"])
    for number, call in enumerate(given["calls"]):
        said = f"call {number}, "
        found += [said + problem for problem in problems(call, given["apis"], given["secret"])]
        params = dict(call["params"])
        signature = params.pop("signature", None)
        # Java escapes a tilde, and so does the server; Python does not.
        if any("~" in value for value in params.values()):
            continue
        client._sign(params)
        signatures += 1
        if params["signature"] != signature:
            found.append(f"{said}{call['command']}: signed as {signature}, not {params['signature']}")
    json.dump({"problems": found, "signatures": signatures}, sys.stdout)


main()
