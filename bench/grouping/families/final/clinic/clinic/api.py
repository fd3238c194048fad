from datetime import datetime, timedelta, timezone

from flask import Blueprint, jsonify, request

from clinic import models

bp = Blueprint("api", __name__)


class Slots:
    length = timedelta(minutes=15)

    def __init__(self, opened):
        self.opened = opened

    def next(self, moment):
        while moment < self.opened:
            moment += self.length
        return moment


@bp.post("/slot/<int:number>")
def slot(number):
    slots = Slots(datetime(2026, 2, 2, 8, tzinfo=timezone.utc))
    return jsonify(slots.next(datetime.fromisoformat(request.get_json()["after"])).isoformat())


@bp.post("/time")
def time():
    given = request.get_json()
    return jsonify(minutes=sum(given["minutes"]))


@bp.get("/time/<int:number>")
def time_of(number):
    with models.session() as db:
        return jsonify(models.minutes_of(db, db.get(models.Patient, 1)), number)


@bp.get("/export/<int:number>")
def export(number):
    with models.session() as db:
        return jsonify(patient=db.get(models.Patient, 1), number=number)
