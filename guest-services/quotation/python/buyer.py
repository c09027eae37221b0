"""A signed quotation: the buyer's half, in Python."""

import json

import wit_world
from componentize_py_types import Err
from wit_world.imports import consent, display, inbox, information, statements, types, waiting


class WitWorld(wit_world.WitWorld):
    def run(self) -> None:
        fields = [("article", ""), ("quantity", "1")]
        try:
            article, quantity = display.form("inquiry", "Which article, and how many?", fields)
        except Err:
            return withdraw("the buyer has left")
        inquiry = {"article": article, "quantity": int(quantity or "1")}
        information.send("inquiry", json.dumps(inquiry).encode())

        # The merchant may take days to answer. At a `first_of` the person can leave meanwhile.
        match waiting.first_of(waiting.Wanted(message=True, until=None, answer=None)):
            case waiting.Event_Cancelled(reason):
                return withdraw(reason)
            case waiting.Event_Message(inbox.Received_Statement(statement)):
                content = statement.content()
            case _:
                raise Err("something else came than a quotation")
        match content:
            case types.Content_Withdrawal(reason):
                display.inform("declined", f"No quotation: {reason}")
            case types.Content_Offer(offer):
                line = offer.lines[0]
                if len(offer.lines) != 1 or line.article != article:
                    raise Err("it is for something else")
                information.send("taken", b"")
                says = f"{statement.signer()} asks {price(offer.total)} for “{line.title}”."
                display.inform("quoted", says)
            case _:
                raise Err("the merchant sent another statement")


# Currencies whose minor unit does not have two decimals.
DIGITS = dict(JPY=0, KRW=0, CLP=0, ISK=0, VND=0, BHD=3, JOD=3, KWD=3, OMR=3, TND=3)


def price(amount: types.Amount) -> str:
    """19.99 EUR, 4800 JPY."""
    digits = DIGITS.get(amount.currency, 2)
    whole, part = divmod(amount.minor, 10**digits)
    return f"{whole}.{part:0{digits}} {amount.currency}" if digits else f"{whole} {amount.currency}"


def withdraw(reason: str) -> None:
    """Leaving is signed, too."""
    statements.send(consent.sign(types.Content_Withdrawal(reason)))
