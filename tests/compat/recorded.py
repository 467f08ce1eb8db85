"""A program with one of everything that a trace can hold, for the corpus of README.md."""

import asyncio
import gc
import json
import sys
import threading

import callprofiler
from callprofiler import block, counter, mark, span


def parse(n):
    return [json.loads('{"a": [%d, null]}' % i) for i in range(n)]


def numbers(n):
    for i in range(n):
        yield i


def recurse(depth):
    if depth == 0:
        raise ValueError("at the bottom")
    recurse(depth - 1)


async def fetch(n):
    with span("request"):
        await asyncio.sleep(0.001 * n)
        counter("answers", n / 4)
        return parse(n)


async def crawl():
    mark("the crawl begins")
    tasks = [asyncio.ensure_future(fetch(n)) for n in range(3)]
    late = asyncio.ensure_future(asyncio.sleep(60))
    await asyncio.gather(*tasks)
    late.cancel()


def main():
    parse(5)
    sum(numbers(4))
    left = numbers(3)
    next(left)
    try:
        recurse(6)
    except ValueError:
        pass
    worker = threading.Thread(target=parse, args=(3,), name="worker ü")
    worker.start()
    worker.join()
    if sys.argv[1] not in ("plain", "busy"):  # asyncio alone makes a thousand calls
        asyncio.run(crawl())
    if sys.argv[1] == "busy":  # enough for several delta columns
        parse(100)
        sum(numbers(300))
    gc.collect()


kinds = {
    "plain": {},
    "busy": {},
    "all": {"threads": True, "args": True, "include": ["__main__"], "labels": {"git": "3f2a91c"}},
    "filtered": {"threads": True, "max_depth": 4, "exclude": ["json"], "min_call": 2e-6},
}
with block(sys.argv[1], quiet=True, output_dir=sys.argv[2], **kinds[sys.argv[1]]):
    main()
