"""Signs the requests on standard input (JSON lines) as botocore does, and says which have another signature."""
import json
import sys

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

wrong = 0
for line in sys.stdin:
    asked = json.loads(line)
    headers = {"X-Amz-Date": asked["date"], "X-Amz-Content-SHA256": asked["payload"]}
    request = AWSRequest(method=asked["method"], url=asked["url"], headers=headers)
    request.context["timestamp"] = asked["date"]
    auth = S3SigV4Auth(Credentials(asked["key"], asked["key"]), "s3", "us-east-1")
    text = auth.string_to_sign(request, auth.canonical_request(request))
    signature = auth.signature(text, request)
    if f"Signature={signature}" not in asked["authorization"]:
        wrong += 1
        print(asked["method"], asked["url"], "has another signature than", signature)
        print(auth.canonical_request(request))
sys.exit(1 if wrong else 0)
