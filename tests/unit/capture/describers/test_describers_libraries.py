"""Objects of libraries, as reports tell them: no query, no item of an array, no member that was not loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tocsin.capture.describers import registry
from tocsin.capture.values import Values
from tocsin.event.masking.scrub import Scrubber
from witness import asked, hostile_class

SCRUBBER = Scrubber()
HERE = __name__


def _text(value: object, *, is_brief: bool = False) -> str:
    return Values(SCRUBBER, is_brief=is_brief).first(value)


def _in_order(text: str) -> str:
    """Return the members of a row sorted: SQLAlchemy loads them in the order of a set."""
    name, opening, rest = text.partition("(")
    members, closing, state = rest.partition(") (")
    return f"{name}{opening}{', '.join(sorted(members.split(', ')))}{closing}{state}" if closing else text


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """Forget the classes of the test before."""
    registry._known.clear()
    yield
    registry._known.clear()


def test_sqlalchemy_rows_and_queries_are_told_and_nothing_is_loaded() -> None:
    """By what is in the instance's dict: what expired is not, and stays expired. No statement runs."""
    sa = pytest.importorskip("sqlalchemy")
    orm = pytest.importorskip("sqlalchemy.orm")
    base = orm.declarative_base()
    members = {
        "__tablename__": "account",
        "id": sa.Column(sa.Integer, primary_key=True),
        "name": sa.Column(sa.String),
        "password": sa.Column(sa.String),
        "friends": orm.relationship("Account"),
        "parent": sa.Column(sa.ForeignKey("account.id")),
    }
    account: Any = type("Account", (base,), {**members, "__module__": "shop.models"})
    token: Any = type(
        "Token",
        (base,),
        {"__tablename__": "token", "token": sa.Column(sa.String, primary_key=True), "__module__": "shop"},
    )
    engine = sa.create_engine("sqlite://")
    statements: list[str] = []
    base.metadata.create_all(engine)
    sa.event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    with orm.Session(engine) as session:
        made = account(name="ann", password="hunter2")
        told = [_text(made)]
        session.add(made)
        told.append(_text(made))
        session.commit()
        statements.clear()
        told.append(_text(made))
        assert statements == []
        assert made.name == "ann"
        assert statements != []  # the listener hears
        statements.clear()
        told.append(_text(made))
        told.append(_text(made, is_brief=True))
        query, select = session.query(account), sa.select(account)
        assert _text(query) == "<sqlalchemy.orm.query.Query (not evaluated)>"
        assert _text(select) == "<sqlalchemy.sql.selectable.Select (not evaluated)>"
        assert statements == []
        result = session.execute(select)
        assert _text(result).endswith(" (open)>")
        result.all()
        assert _text(result).endswith(" (closed)>")
        assert _text(made.friends) == "<sqlalchemy.orm.collections.InstrumentedList of 0>"
        session.add(token(token="s3cr3t-and-long"))
        session.flush()
        assert "s3cr3t" not in _text(session.get(token, "s3cr3t-and-long"), is_brief=True)
        session.expunge(made)
        told.append(_text(made))
    assert [_in_order(text) for text in told] == [
        "shop.models.Account(name='ann', password=[masked: password]) (transient)",
        "shop.models.Account(name='ann', password=[masked: password]) (pending)",
        "shop.models.Account(id=1) (persistent, expired)",
        "shop.models.Account(id=1, name='ann', parent=None, password=[masked: password]) (persistent)",
        "<shop.models.Account id=1 (persistent)>",
        "shop.models.Account(friends=<sqlalchemy.orm.collections.InstrumentedList of 0>, id=1, name='ann', "
        "parent=None, password=[masked: password]) (detached)",
    ]
    engine.dispose()


def test_flask_requests_answers_and_proxies() -> None:
    """Method and path, a status; a proxy is not unwrapped, bound or not."""
    flask = pytest.importorskip("flask")
    app = flask.Flask("shop")
    proxy = "<werkzeug.local.LocalProxy (not looked into)>"
    assert _text(flask.request) == proxy
    with app.test_request_context("/order/7?token=hunter2", method="POST", data={"a": "hunter2"}):
        assert _text(flask.request) == proxy
        assert _text(flask.request._get_current_object()) == "<flask.wrappers.Request POST '/order/7'>"
        assert _text(flask.Response("hunter2", 404)) == "<flask.wrappers.Response 404>"


def test_numpy_arrays_are_told_by_shape() -> None:
    """Of what derives from them too: past its properties, the array's own getters are asked."""
    np = pytest.importorskip("numpy", reason="numpy is not installed")

    class Odd(np.ndarray):  # type: ignore[misc, name-defined]
        @property
        def shape(self) -> Any:
            asked.append("shape")

        dtype = strides = __len__ = __repr__ = shape

    asked.clear()
    odd = np.zeros((2, 3)).view(Odd)
    asked.clear()
    assert _text(odd) == f"<{HERE}.{Odd.__qualname__} float64 (2, 3), strides (24, 8)>"
    assert asked == []
    assert _text(np.zeros(5, "M8[ns]")) == "<numpy.ndarray datetime64 (5,), strides (8,)>"
    assert _text(np.array([object()])) == "<numpy.ndarray object_ (1,), strides (8,)>"
    assert _text([np.float64(1.5), np.int8(3), np.str_("x"), np.bool_(True)]) == (
        "[numpy.float64(1.5), numpy.int8(3), numpy.str_('x'), numpy.bool(True)]"
    )
    assert "hunter2" not in _text(np.array([("hunter2", 1)], dtype=[("password", "U9"), ("n", "i4")])[0])


def test_data_frames_are_told_by_their_size() -> None:
    """Names of columns may be data, so their number is told; polars keeps its size behind a lock."""
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    many = {"a": [1, 2], "b": ["x", "y"], "c": [1.0, 2.0], "d": pd.date_range("2020", periods=2, tz="UTC")}
    assert _text(pd.DataFrame(many)) == "<pandas.DataFrame of 2 rows, 4 columns>"
    assert _text(pd.DataFrame({"c": pd.Categorical(["u", "u", "v"])})) == "<pandas.DataFrame of 3 rows, 1 column>"
    assert _text(pd.DataFrame()) == "<pandas.DataFrame of 0 rows, 0 columns>"
    assert _text(pd.Series([1, 2, 3])) == "<pandas.Series of 3>"


def test_polars_frames_are_told_by_type() -> None:
    """To ask for their size would wait for whoever changes them, in a thread that may wait for ours."""
    pl = pytest.importorskip("polars", reason="polars is not installed")
    assert _text(pl.DataFrame({"a": [1]})) == "<polars.dataframe.frame.DataFrame>"
    assert _text(pl.DataFrame({"a": [1]}).lazy()) == "<polars.lazyframe.frame.LazyFrame>"


def test_a_tensor_by_its_documented_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shape, type and device, of the genuine class; what derives from it may override all three."""
    torch = type(sys)("torch")

    class Tensor:
        __slots__ = ("device", "dtype", "shape")

    Tensor.__module__, Tensor.__qualname__ = "torch", "Tensor"
    monkeypatch.setitem(sys.modules, "torch", torch)
    made = Tensor()
    made.shape, made.dtype, made.device = (2, 3), "torch.float32", "cpu"
    assert _text(made) == "<torch.Tensor>"  # no module has it under this name
    torch.Tensor = Tensor  # type: ignore[attr-defined]
    registry._known.clear()
    assert _text(made) == "<torch.Tensor (2, 3), torch.float32, cpu>"
    derived = type("Fake", (Tensor,), {"__module__": "torch"})()
    assert _text(derived) == "<torch.Fake>"


def test_pydantic_and_attrs_models() -> None:
    """Member by member, each masked by its name; what a class keeps out of its own text is kept out here."""
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")
    attr = pytest.importorskip("attr", reason="attrs is not installed")
    fields = {"a": (int, 1), "password": (str, "hunter2"), "key": (pydantic.SecretStr, pydantic.SecretStr("hunter2"))}
    model = pydantic.create_model(
        "Order", __module__="shop", q=(str, pydantic.Field(default="q", repr=False)), **fields
    )
    assert _text(model()) == "shop.Order(a=1, password=[masked: password], key=[masked: key])".replace(
        "[masked: key]", _text({"key": model().key}).removeprefix("{'key': ").removesuffix("}")
    )
    assert "hunter2" not in _text(model())
    assert _text(model().key) == "[masked: secret]"
    row = attr.make_class("Row", {"a": attr.ib(), "passwd": attr.ib(), "z": attr.ib(default=1, repr=False)}, slots=True)
    assert _text(row(1, "hunter2")).endswith("Row(a=1, passwd=[masked: password])")


def test_a_class_that_only_claims_to_be_an_array_is_told_by_type() -> None:
    """Getters are asked of genuine classes alone."""
    for path in ("numpy.ndarray", "pandas.DataFrame", "array.array", "_asyncio.Task"):
        module, _, name = path.rpartition(".")
        claims = hostile_class(name=name, meta=False)
        type.__setattr__(claims, "__module__", module)
        asked.clear()
        assert _text(object.__new__(claims)) == f"<{path}>"
        assert asked == []
