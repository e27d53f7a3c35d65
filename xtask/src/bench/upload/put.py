"""Uploads files as the Python SDKs of Chutes and ComputeHorde do: one PUT for each whole file, 8 at a time.

    put.py sign FOLDER BUCKET URLS    writes a presigned URL for each file of a folder, as NAME=URL
    put.py put FOLDER URLS            uploads them, and prints how many seconds that took
    put.py boto3 FOLDER BUCKET        uploads with the transfer manager of boto3 instead

Importing the libraries and signing are not counted: an SDK is loaded already, and is given its URLs.
"""

import asyncio
import concurrent.futures
import os
import sys
import time


def names(folder):
    for directory, _, files in os.walk(folder):
        for name in files:
            yield os.path.relpath(os.path.join(directory, name), folder)


def client():
    import boto3
    from botocore.config import Config

    config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, max_pool_connections=16)
    return boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], config=config)


def sign(folder, bucket, urls):
    s3 = client()

    def signed(name):
        return s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": name})

    with open(urls, "w") as file:
        file.writelines(f"{name}={signed(name)}\n" for name in names(folder))


async def put_all(folder, lines):
    import aiohttp
    from yarl import URL

    free = asyncio.Semaphore(8)

    async def put(path, url):
        # A session for each request, as in the SDK, and its limit of 300 seconds.
        async with free, aiohttp.ClientSession(raise_for_status=True) as session:
            with open(os.path.join(folder, path), "rb") as file:
                await session.put(URL(url, encoded=True), data=file, skip_auto_headers=["Content-Type"])

    start = time.perf_counter()
    await asyncio.gather(*(put(*line.rstrip().split("=", 1)) for line in lines))
    return time.perf_counter() - start


def transfer(folder, bucket):
    s3 = client()
    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        sent = [threads.submit(s3.upload_file, os.path.join(folder, name), bucket, name) for name in names(folder)]
        for one in sent:
            one.result()
    return time.perf_counter() - start


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["sign", folder, bucket, urls]:
            sign(folder, bucket, urls)
        case ["put", folder, urls]:
            with open(urls) as file:
                print(asyncio.run(put_all(folder, file.readlines())))
        case ["boto3", folder, bucket]:
            print(transfer(folder, bucket))
        case _:
            sys.exit(__doc__)
