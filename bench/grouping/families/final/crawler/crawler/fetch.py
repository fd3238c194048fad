import asyncio
from collections import deque
from urllib.parse import urljoin, urlsplit

from .page import Page, robots

class Timeout(Exception): pass


PAGES = {'https://a.example/': b'<a href="/b">b</a><a href="http://[bad/">c</a>',
         'https://b.example/': '<p>\u00e4</p>'.encode('latin-1'),
         'https://c.example/': b'<table><tr><td>1</td></tr>',
         'https://d.example/': b'<meta http-equiv="refresh" content="5">'}


async def get(url):
    await asyncio.sleep(0)
    return PAGES[url]


async def slow(url):
    await asyncio.sleep(60)


class Crawler:
    def __init__(self, limit=10):
        self.queue = deque()
        self.seen, self.limit = set(), limit

    async def visit(self, url):
        page = Page(url, await get(url))
        for link in page.links():
            self.follow(page, link)
        return page

    def follow(self, page, link):
        target = urljoin(page.url, link)
        if urlsplit(target).port == 0 or target in self.seen:
            return
        self.queue.append(target)

    async def redirects(self, url, n=0):
        if n > self.limit:
            raise Timeout('gave up on %s after %d' % (url, n))
        return await self.redirects(url, n + 1)

    async def patient(self, url):
        async with asyncio.timeout(0.001):
            await slow(url)

    async def allowed(self, host):
        return robots('Disallow /private')[host]

    async def both(self, one, other):
        first, second = await asyncio.gather(self.visit(one), self.visit(other), return_exceptions=False)
        return first, second

    async def missed(self, url):
        try:
            return await get(url)
        except KeyError:
            self.missing[url] += 1

    def next(self):
        return self.queue.popleft()

    async def drain(self):
        results = []
        for url in self.seen:
            results.append(await self.visit(url))
            self.seen.discard(url)
        return results


async def producer(queue, urls):
    for u in urls:
        queue.put_nowait(u)


async def supervise(urls):
    q = asyncio.Queue(maxsize=1)
    async with asyncio.TaskGroup() as tg:
        tg.create_task(producer(q, urls))


async def together(urls):
    async with asyncio.TaskGroup() as tg:
        for u in urls: tg.create_task(get(u))
