import asyncio
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Query
from pydantic import BaseModel

from fleet import vehicles


class Radio:
    def __init__(self, channel: int):
        self.channel = channel
        self.open = False

    async def __aenter__(self):
        self.open = True
        return self

    async def __aexit__(self, *_):
        self.open = False

    async def call(self, plate: str) -> str:
        await asyncio.sleep(0)
        if not self.open:
            raise ConnectionError(f"channel {self.channel} is shut")
        return plate


app = FastAPI()


async def radio(channel: int = 5):
    return Radio(channel)


def settings(region: str = Query("north")) -> dict:
    return {"north": {"limit": 80}, "south": {"limit": 60}}[region]


@app.get("/vans/{plate}")
async def van(plate: str):
    return {"lat": vehicles.locate(plate).lat}


@app.get("/vans/{plate}/map")
async def van_map(plate: str):
    found = vehicles.locate(plate)
    return f"https://map.example/?{found.lat}"


@app.get("/limits")
def limits(chosen: dict = Depends(settings)):
    return chosen


@app.post("/tracker/{number}")
async def tracker(number: int, message: dict):
    return vehicles.from_tracker(message)


@app.post("/archive/{number}")
def archive(number: int, message: dict):
    return vehicles.from_archive(message["text"])


@app.get("/call/{plate}")
async def call(plate: str, set_: Radio = Depends(radio)):
    return await set_.call(plate)


class Answer(BaseModel):
    plate: str
    km: int


@app.get("/summary/{plate}", response_model=Answer)
async def summary(plate: str):
    return {"plate": plate, "kilometres": 17}


@app.get("/round/{plate}")
async def round_call(plate: str):
    async with asyncio.TaskGroup() as group:
        group.create_task(reach(plate, 1))
    return "all"


async def reach(plate: str, second: int):
    stations = {"B-1": "north"}
    return stations[plate + str(second)]


@app.post("/trip/{number}")
async def trip(number: int, message: dict):
    van = vehicles.VANS["B-1"]
    return vehicles.Trip(van=van, km=message["km"], litres=number).consumption()
