"""Which prompts a model knows."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from syco_data.settings.records import Items, Nats, Record

ASKS, CALIBRATIONS = ("letters", "words", "labels"), ("none", "order", "batch")


class Filter(Record):
    """Which prompts a model knows. Margins are in nats."""

    ask: Literal["letters", "words", "labels", "auto"]
    calibrate: Literal["none", "order", "batch", "auto"]
    rule: Literal["answered", "both_orders", "margin", "averaged"]
    margin: Nats
    purity: Annotated[float, Field(gt=0, lt=1)] | None
    unsure: Nats
    cell_rows: Items
    assess_rows: Items

    @property
    def both_orders(self) -> bool:
        """Whether each question is asked with its options exchanged too."""
        return self.ask != "labels" and (self.rule == "both_orders" or self.calibrate in ("order", "batch"))

    @property
    def ways(self) -> list["Filter"]:
        """The ways of asking that these settings leave open, the simplest first: one unless a key is `auto`."""
        asks = ASKS if self.ask == "auto" else (self.ask,)
        calibrations = CALIBRATIONS if self.calibrate == "auto" else (self.calibrate,)
        ways = [
            self.model_copy(update={"ask": ask, "calibrate": calibrate}) for ask in asks for calibrate in calibrations
        ]
        return [way for way in ways if way.contradiction is None]

    @property
    def contradiction(self) -> str | None:
        """Why these ways of asking and deciding do not go together; None where they do."""
        ask, calibrate, rule = self.ask, self.calibrate, self.rule
        if ask == "labels" and (calibrate == "order" or rule == "both_orders"):
            return "ask 'labels' shows no options that have an order: take calibrate 'batch' and rule 'averaged'"
        if rule == "averaged" and calibrate == "none":
            return "rule 'averaged' decides by a calibrated margin: set calibrate to order or batch"
        if rule in ("answered", "both_orders") and calibrate in ("order", "batch"):
            return (
                f"rule '{rule}' decides by the answers as they are: with calibrate '{calibrate}' take rule 'averaged'"
            )
        return None

    @model_validator(mode="after")
    def _goes_together(self) -> "Filter":
        if not self.ways:
            raise ValueError(self.contradiction or f"no way of asking goes with rule '{self.rule}'")
        if self.purity is not None and self.rule == "margin":
            raise ValueError("purity chooses the margin: with rule 'margin' it is filter.margin already")
        return self
