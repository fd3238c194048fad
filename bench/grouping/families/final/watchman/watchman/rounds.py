import logging
import uuid

log = logging.getLogger("watchman.rounds")


class Round:
    def __init__(self, number, guard):
        self.number = number
        self.guard = guard
        self.id = uuid.UUID(int=number)

    def door(self, name):
        log.warning("door %s is open on round %d", name, self.number)

    def window(self, name):
        log.warning("window %s is broken on round %d", name, self.number)

    def late(self, minutes):
        log.warning(f"{self.guard} is {minutes} minutes late")

    def lost(self):
        log.error(f"round {self.id} was never finished")

    def battery(self, percent):
        log.error("battery at %.1f %%", percent)

    def radio(self, station):
        log.warning("no answer from %s", station)

    def radio_again(self, station):
        log.error("no answer from %s", station)

    def lamp(self, place):
        log.warning("lamp at {} does not burn".format(place))

    def key(self, name, place):
        log.error("key '%s' is missing at %s" % (name, place))


def alarm(message):
    log.critical(message)


def fire(floor):
    alarm("fire on floor %d" % floor)


def water(floor):
    alarm("water on floor %d" % floor)
