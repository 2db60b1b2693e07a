"""What a task of Airflow, or any other Python, calls when its data is there: it starts a batch of Viewkeeper."""

import json
import os
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session
from botocore.session import Session


def refresh_views(run_id):
    headers = {"Content-Type": "application/json", "Idempotency-Key": run_id}
    request = AWSRequest("POST", os.environ["API_URL"] + "batches", headers, json.dumps({"pattern": "public.*"}))
    SigV4Auth(Session().get_credentials(), "execute-api", os.environ["AWS_REGION"]).add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    return json.loads(answer.text) if answer.status_code < 300 else sys.exit(answer.text)


if __name__ == "__main__":
    print(refresh_views(sys.argv[1])["batchId"])
