from sqlalchemy.orm import Mapped, mapped_column

from keyun.db import Model


class User(Model):
    __tablename__ = "namesake_user"

    id: Mapped[int] = mapped_column(primary_key=True)


class Content(Model):
    __tablename__ = "namesake_content"

    id: Mapped[int] = mapped_column(primary_key=True)
