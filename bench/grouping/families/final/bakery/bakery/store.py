import sqlite3

SCHEMA = """
CREATE TABLE loaf (id INTEGER PRIMARY KEY, name TEXT UNIQUE, grams INTEGER NOT NULL, price TEXT);
CREATE TABLE sale (id INTEGER PRIMARY KEY, loaf INTEGER NOT NULL, pieces INTEGER, day TEXT);
"""


class Store:
    """The bakery's one database."""

    def __init__(self):
        self.con = sqlite3.connect(":memory:")
        self.con.executescript(SCHEMA)
        self.con.execute("INSERT INTO loaf VALUES (1, 'rye', 750, '4.20')")
        self.con.execute("INSERT INTO loaf VALUES (2, 'spelt', 500, '5,10')")

    def query(self, sql, *args):
        cursor = self.con.execute(sql, args)
        return cursor.fetchall()

    def loaf(self, number):
        rows = self.query("SELECT id, name, grams, price FROM loaf WHERE id = ?", number)
        row = rows[0]
        return {"id": row[0], "name": row[1], "grams": row[2], "price": row[3]}

    def add_loaf(self, name, grams):
        self.query("INSERT INTO loaf (name, grams) VALUES (?, ?)", name, grams)
        return self.query("SELECT max(id) FROM loaf")[0][0]

    def sales_of(self, day):
        return self.query("SELECT loaf, pieces FROM sales WHERE day = ?", day)

    def sell(self, loaf, pieces):
        self.query("INSERT INTO sale (loaf, pieces) VALUES (?, ?)", loaf, pieces)
