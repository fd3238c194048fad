from .fetch import Crawler  # noqa
