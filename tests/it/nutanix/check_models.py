"""Reads the bodies on standard input (JSON lines with `model` and `body`) with the models of Nutanix's own SDK, and says what these do not know."""
import json
import sys

from ntnx_vmm_py_client.api_client import ApiClient


def unknown(value, path):
    """What a model did not know, as the SDK keeps it."""
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from unknown(one, f"{path}[{number}]")
    elif isinstance(value, dict):
        for name in value.get("_unknown_fields") or {}:
            yield f"{path}.{name}"
        for name, one in value.items():
            if name != "_unknown_fields":
                yield from unknown(one, f"{path}.{name}")


client = ApiClient()
read, wrong = 0, []
for line in sys.stdin:
    asked = json.loads(line)
    model = client.deserialize(asked["body"], asked["model"])
    if not hasattr(model, "to_dict"):
        wrong.append(f"there is no model {asked['model']}")
        continue
    wrong.extend(unknown(model.to_dict(), asked["model"]))
    read += 1
print(read)
for one in wrong:
    print(one, file=sys.stderr)
sys.exit(1 if wrong else 0)
