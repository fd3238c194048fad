from sqlalchemy import ForeignKey, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import StaticPool


class Base(DeclarativeBase):
    pass


class Patient(Base):
    __tablename__ = "patient"
    id: Mapped[int] = mapped_column(primary_key=True)
    insurance: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    visits: Mapped[list["Visit"]] = relationship(back_populates="patient")


class Visit(Base):
    __tablename__ = "visit"
    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patient.id"))
    minutes: Mapped[int | None]
    patient: Mapped[Patient] = relationship(back_populates="visits")


engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})


def prepare():
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Patient(id=1, insurance="A1", name="Ada"))
        session.add_all([Visit(id=1, patient_id=1, minutes=20), Visit(id=2, patient_id=1, minutes=None)])
        session.commit()


def session():
    return Session(engine)


def patient_by_insurance(db, insurance):
    return db.query(Patient).filter_by(insurance=insurance).one()


def minutes_of(db, patient):
    return sum(visit.minutes for visit in patient.visits)


def register(db, name, insurance):
    db.add(Patient(name=name, insurance=insurance))
    db.commit()


def waiting(db):
    return db.execute(text("SELECT name, since FROM waiting_room ORDER BY since")).all()
