"""The table of resources."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.content import Content

RESOURCE = "emergency.resource"


@dataclass(frozen=True, slots=True)
class Hazard:
    """A class of hazards. The codes are Keyun's own and claim no conformity with a national table."""

    code: str
    title: str
    title_en: str


HAZARDS = (
    Hazard("earthquake", "地震", "Earthquake"),
    Hazard("geology", "滑坡与泥石流", "Landslide and debris flow"),
    Hazard("flood", "洪涝", "Flood"),
    Hazard("storm", "雷电与大风", "Thunderstorm and gale"),
    Hazard("heat", "高温", "Heat"),
    Hazard("cold", "低温冰雪", "Cold, snow and ice"),
    Hazard("wildfire", "森林草原火灾", "Wildfire"),
    Hazard("fire", "居家火灾", "House fire"),
    Hazard("chemical", "燃气与危险化学品", "Gas and hazardous chemicals"),
)


class Resource(Content):
    """What to do before, during and after a hazard."""

    __tablename__ = "emergency_resource"
    __mapper_args__ = {"polymorphic_identity": RESOURCE}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"), primary_key=True)
    hazard: Mapped[str] = mapped_column(sa.String(20), index=True)
    source: Mapped[str] = mapped_column(sa.String(200), default="")
