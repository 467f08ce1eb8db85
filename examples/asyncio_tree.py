"""A crawler over an imaginary site: gather over a tree of nested awaits, a queue with workers, a semaphore, an async
generator, a task that is cancelled, a page that fails. Every coroutine is one call with running slices, however often
it waits.

    python examples/asyncio_tree.py [SIZE]      SIZE: depth of the site's tree (default 5; 3 links a page)
"""

import asyncio
import sys

from callprofiler import profile

LINKS = 3


class PageGone(Exception):
    pass


async def fetch(path, connections):
    async with connections:
        await asyncio.sleep(0.0005)
        if path.endswith("/2/1"):
            raise PageGone(path)
        return [f"{path}/{link}" for link in range(LINKS)]


async def crawl(path, depth, connections, found):
    try:
        links = await fetch(path, connections)
    except PageGone:
        return 1
    await found.put(path)
    if depth == 0:
        return 1
    return 1 + sum(await asyncio.gather(*(crawl(link, depth - 1, connections, found) for link in links)))


async def pages(found):
    while True:
        path = await found.get()
        yield path
        found.task_done()


async def index(found, words):
    async for path in pages(found):
        for word in path.split("/"):
            words[word] = words.get(word, 0) + 1
        await asyncio.sleep(0)


@profile
async def main(depth):
    found, words = asyncio.Queue(maxsize=16), {}
    connections = asyncio.Semaphore(8)
    workers = [asyncio.ensure_future(index(found, words)) for _ in range(4)]
    visited = await crawl("site", depth, connections, found)
    await found.join()
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    return visited, len(words)


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print("%d pages visited, %d words indexed" % asyncio.run(main(size)))
