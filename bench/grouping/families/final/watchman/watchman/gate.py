import logging

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

logger = logging.getLogger(__name__)

urls = Map(
    [
        Rule("/badge/<int:number>", endpoint="badge"),
        Rule("/guest/<name>", endpoint="guest"),
        Rule("/list/<name>", endpoint="guest_list"),
        Rule("/car/<plate>", endpoint="car"),
        Rule("/lorry/<plate>", endpoint="lorry"),
        Rule("/refuse/<name>", endpoint="refuse"),
        Rule("/refused/<name>", endpoint="refuse"),
    ]
)

BADGES = {1: "Ada"}
PLACES = [None] * 4


def badge(request, number):
    return Response(BADGES[number])


def guest(request, name):
    host = {"ada": "Grace"}[name]
    return Response(host)


def guest_list(request, name):
    hosts = {"grace": ["ada"]}
    return Response(",".join(hosts[name]))


def space(plate):
    return PLACES.index(plate)


def car(request, plate):
    return Response(str(space(plate)))


def lorry(request, plate):
    if len(plate) < 2:
        raise ValueError("that is no lorry's plate: %r" % plate)
    return Response(str(PLACES[int(plate[0])]))


def refuse(request, name):
    logger.warning("refused %s", name)
    return Response("no", status=403)


@Request.application
def application(request):
    adapter = urls.bind_to_environ(request.environ)
    try:
        endpoint, values = adapter.match()
        return globals()[endpoint](request, **values)
    except HTTPException as exc:
        return exc
    except Exception as exc:
        logger.error("request failed: %s", exc, exc_info=True)
        return Response("sorry", status=500)
