"""tocsin tells the people who run a Python web application that it broke. (public names: being joined)"""

__version__ = "0.1.0"
