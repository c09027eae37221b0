"""A signed quotation: the seller's half, in Python."""

import json

import wit_world
from componentize_py_types import Err
from wit_world.imports import catalogue, consent, deal, inbox, statements, types

DAY_MS = 86_400_000


class WitWorld(wit_world.WitWorld):
    def run(self) -> None:
        match inbox.receive():
            case inbox.Received_Information((_, body)):
                inquiry = json.loads(body)
            case inbox.Received_Statement(_):
                # Before the inquiry: the buyer has left.
                return
            case _:
                raise Err("something else came than an inquiry")
        article, quantity = inquiry["article"], inquiry["quantity"]
        found = catalogue.lookup(article)
        if found is None or found.stock < quantity:
            say(types.Content_Withdrawal("not in stock"))
        else:
            say(types.Content_Offer(quotation(found, quantity)))
            # The buyer has taken it, or has left while it was under way.
            inbox.receive()


def quotation(article: catalogue.Article, quantity: int) -> types.Offer:
    match deal.parameter("valid-days"):
        case deal.Value_Number(days):
            pass
        case _:
            days = 1
    price = article.price
    line = types.Line(article.number, article.title, article.size, quantity, price)
    return types.Offer(
        number=f"Q-{deal.id()[5:13]}",
        lines=[line],
        delivery=types.Amount(0, price.currency),
        total=types.Amount(price.minor * quantity, price.currency),
        delivery_days=article.delivery_days,
        valid_until=deal.now() + days * DAY_MS,
        # The host fills the merchant's account in.
        account="",
    )


def say(content: types.Content) -> None:
    """What is sent is signed by the merchant (or by a standing consent of hers)."""
    statements.send(consent.sign(content))
