import base64
import email
import email.policy
import zlib
from string import Template

from celery import Celery

app = Celery("mailroom", broker="memory://", backend="cache+memory://", set_as_current=False)
app.conf.task_always_eager = True

GREETING = Template("Dear $name,\nyour parcel $parcel has come.")


def unpack(data):
    return zlib.decompress(base64.b64decode(data))


def parse(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


def text_of(message):
    return message.get_body(("plain",)).get_content()


@app.task(name="mailroom.receive")
def receive(data):
    return text_of(parse(unpack(data)))


@app.task(name="mailroom.file", bind=True)
def file_away(self, sender, boxes):
    user, host = sender.split("@")
    return boxes[host][user]


@app.task(name="mailroom.greet")
def greet(person):
    return GREETING.substitute(person)


@app.task(name="mailroom.remind", bind=True, max_retries=0)
def remind(self, person):
    try:
        return GREETING.substitute(name=person["name"], parcel=person["parcel"])
    except KeyError as missing:
        raise RuntimeError(f"nothing to remind {person} of") from missing


@app.task(name="mailroom.attach")
def attach(raw):
    message = parse(raw)
    return [part.get_filename().lower() for part in message.iter_parts()]


@app.task(name="mailroom.stamp")
def stamp(weight):
    for limit, price in ((20, 85), (50, 100), (500, 160)):
        if weight <= limit:
            found = price
            break
    return found
