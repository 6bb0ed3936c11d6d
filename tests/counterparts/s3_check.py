"""The official AWS SDK against the S3 server at the URL given, with the key and secret given.

  make BUCKET             makes a bucket
  list BUCKET             prints keys and sizes as JSON
  cut BUCKET KEY BYTES    cuts the end of an object off
  uploads BUCKET          prints how many uploads are unfinished
"""

import json
import sys

import boto3
from botocore.config import Config

base, key, secret, verb, bucket, *rest = sys.argv[1:]
client = boto3.client(
    "s3", endpoint_url=base, aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1",
    config=Config(s3={"addressing_style": "path"}),
)
if verb == "make":
    client.create_bucket(Bucket=bucket)
elif verb == "list":
    found = client.list_objects_v2(Bucket=bucket).get("Contents", [])
    print(json.dumps({item["Key"]: item["Size"] for item in found}))
elif verb == "cut":
    name, count = rest
    body = client.get_object(Bucket=bucket, Key=name)["Body"].read()
    client.put_object(Bucket=bucket, Key=name, Body=body[: -int(count)])
elif verb == "uploads":
    print(len(client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])))
