import logging

from flask import Blueprint, render_template, request

from clinic import models

bp = Blueprint("pages", __name__)
log = logging.getLogger(__name__)


@bp.get("/visit/<int:number>")
def visit(number):
    with models.session() as db:
        return render_template("visit.html", number=number, patient=db.get(models.Patient, 1))


@bp.get("/bill/<int:number>")
def bill(number):
    lines = [{"text": "plaster", "cents": number, "pieces": 0}]
    return render_template("bill.html", lines=lines, total=number)


@bp.get("/letter/<name>")
def letter(name):
    return render_template("letter.html", name=name, rows=[])


@bp.get("/patient/<insurance>")
def patient(insurance):
    with models.session() as db:
        return models.patient_by_insurance(db, insurance).name


@bp.get("/card/<insurance>")
def card(insurance):
    with models.session() as db:
        found = db.query(models.Patient).filter(models.Patient.insurance == insurance).first()
        return found.name.upper()


@bp.post("/patient")
def register():
    with models.session() as db:
        models.register(db, request.form["name"], "A1")
    return "ok"


@bp.get("/time/<int:number>")
def time(number):
    with models.session() as db:
        return str(models.minutes_of(db, db.get(models.Patient, 1)) + number)


@bp.get("/waiting")
def waiting():
    with models.session() as db:
        return str(models.waiting(db))


@bp.get("/print/<int:number>")
def printed(number):
    return guarded(lambda: document(number))


@bp.get("/fax/<int:number>")
def faxed(number):
    return guarded(lambda: fax_number(number))


def guarded(work):
    try:
        return work()
    except Exception:
        log.exception("the machine did not do it")
        return "later", 503


def document(number):
    trays = {"a4": 1, "a5": 2}
    return str(trays[f"tray {number}"])


def fax_number(number):
    prefixes = {"0": "49"}
    return prefixes[str(number)]
