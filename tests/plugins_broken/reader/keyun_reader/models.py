import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from keyun.db import Model


class Bookmark(Model):
    __tablename__ = "reader_bookmark"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("core_user.id", ondelete="CASCADE"))
    user = relationship("User")
