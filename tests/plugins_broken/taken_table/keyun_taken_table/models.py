from sqlalchemy.orm import Mapped, mapped_column

from keyun.db import Model


class Person(Model):
    __tablename__ = "core_user"

    id: Mapped[int] = mapped_column(primary_key=True)
