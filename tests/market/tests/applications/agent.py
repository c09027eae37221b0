"""An agent that shops by the Model Context Protocol's own client.

agent.py MERCHANT stdio COMMAND ARGUMENT …   or   agent.py MERCHANT http URL TOKEN
"""

import asyncio
import json
import sys

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client


async def call(client, name, **arguments):
    result = await client.call_tool(name, arguments)
    if result.is_error:
        raise SystemExit(f"{name}: {result.content}")
    return result.structured_content


def answer_to(question):
    """What the person has told the agent beforehand: one woollen scarf."""
    options = question["merchant_options"]

    def option(text):
        return {"option": next(i for i, it in enumerate(options) if text in it)}

    answers = {
        "search": lambda: {"fields": {"words": "woollen scarf", "at most": "150"}},
        "article": lambda: option(" · "),
        "quantity": lambda: {"fields": {"quantity": "1"}},
        "cart": lambda: option("order now"),
        "availability": lambda: option("ask for an offer"),
        "address": lambda: {"fields": {}},
    }
    return answers.get(question["topic"], dict)()


async def shop(client, merchant):
    tools = [tool.name for tool in (await client.list_tools()).tools]
    terms = await call(client, "terms", merchant=merchant)
    assert terms["certified_by"], terms
    purchase = (await call(client, "start", merchant=merchant))["purchase"]
    version, answered = None, set()
    while True:
        look = {"purchase": purchase, "wait_ms": 5000}
        if version:
            look["unless"] = version
        now = await call(client, "purchase", **look)
        version = now["version"]
        if now["state"] not in ("opening", "open"):
            break
        question = now.get("question")
        if question and question["id"] not in answered:
            answered.add(question["id"])
            now = await call(
                client, "answer", purchase=purchase, question=question["id"], **answer_to(question)
            )
    receipt = await call(client, "receipt", purchase=purchase)
    print(json.dumps({"tools": tools, "state": now["state"], "receipt": bool(receipt["page"])}))


async def main():
    merchant, way, *rest = sys.argv[1:]
    if way == "stdio":
        server = StdioServerParameters(command=rest[0], args=rest[1:])
        async with Client(server) as client:
            await asyncio.wait_for(shop(client, merchant), 120)
        return
    headers = {"Authorization": f"Bearer {rest[1]}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http:
        server = streamable_http_client(rest[0], http_client=http)
        async with Client(server) as client:
            await asyncio.wait_for(shop(client, merchant), 120)


asyncio.run(main())
