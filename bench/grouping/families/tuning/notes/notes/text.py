import configparser
import logging
import struct
import tomllib
import zipfile
from io import BytesIO

log = logging.getLogger("notes")


def setting(text, name):
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return parser["notes"][name]


def header(data):
    version, size = struct.unpack(">HI", data[:6])
    return version, data[6 : 6 + size]


def archive(data):
    with zipfile.ZipFile(BytesIO(data)) as folder:
        return folder.namelist()[0]


def front(text):
    return tomllib.loads(text.split("+++")[1])


class Tree:
    def __init__(self, children=()):
        self.children = list(children)

    def depth(self):
        return 1 + max(child.depth() for child in self.children)

    def walk(self):
        for child in self.children:
            yield from child.walk()
        raise self.Empty

    def title(self):
        return self.name.title()


def nested(depth):
    return Tree([nested(depth - 1)] if depth else [])


def forever(text):
    return forever(text + "x")


def saved(name, size):
    if size > 100:
        log.warning("note %s is too long: %d", name, size)
    else:
        log.warning("note %s is empty", name)


def synced(name, seconds):
    log.error(f"sync of {name} took {seconds:.1f} s")


def failed(name, code):
    log.error("sync of " + name + " failed with " + str(code))


def tag(note):
    return note["tags"][0].lower()


def tags_of_new(text):
    return tag({"text": text, "tags": []})


def tags_of_old(text):
    return tag({"text": text})
