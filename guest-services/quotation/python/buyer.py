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
                price = f"{offer.total.minor / 100:.2f} {offer.total.currency}"
                says = f"{statement.signer()} asks {price} for “{line.title}”."
                display.inform("quoted", says)
            case _:
                raise Err("the merchant sent another statement")


def withdraw(reason: str) -> None:
    """Leaving is signed, too."""
    statements.send(consent.sign(types.Content_Withdrawal(reason)))
