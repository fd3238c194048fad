from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter


class State(str, Enum):
    parked = "parked"
    driving = "driving"


class Position(BaseModel):
    lat: Annotated[float, Field(ge=-90, le=90)]
    lon: Annotated[float, Field(ge=-180, le=180)]


class Van(BaseModel):
    kind: Literal["van"] = "van"
    plate: str
    state: State
    at: Position | None = None


class Trip(BaseModel):
    van: Van
    km: float
    litres: float

    def consumption(self) -> float:
        return self.litres / self.km * 100


VANS = {"B-1": Van(plate="B-1", state=State.parked)}
raw_positions = TypeAdapter(list[Position])


def locate(plate: str) -> Position:
    van = VANS[plate]
    return van.at


def from_tracker(message: dict) -> Position:
    return Position(lat=message["y"], lon=message["x"])


def from_archive(text: str) -> list[Position]:
    return raw_positions.validate_json(text)


def load(text: str) -> Van:
    return Van.model_validate_json(text)


def state_of(word: str) -> State:
    return State(word)


def shift_of(row: dict) -> tuple[str, str]:
    driver = row["driver"].strip().title()
    van = row["van"].strip().upper()
    return driver, van
