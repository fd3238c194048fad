import re
from html.parser import HTMLParser


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag == 'a':
            self.found.append(dict(attrs)['href'])


class Page:
    def __init__(self, url, body):
        self.url, self.body = url, body

    @property
    def text(self):
        return self.body.decode('utf-8')

    def links(self):
        p = Links()
        p.feed(self.text)
        return p.found

    def table(self):
        rows = re.findall('<tr>(.*?)</tr>', self.text)
        return [tuple(map(float, re.findall('<td>(.*?)</td>', r))) for r in rows]

    def refresh(self):
        m = re.search(r'content="(\d+); *url=(.*?)"', self.text)
        return m.group(2)

    def title(self):
        m = re.search('<title>(.*?)</title>', self.text)
        return m.group(1)


def robots(text):
    return dict(line.split(': ') for line in text.splitlines())
