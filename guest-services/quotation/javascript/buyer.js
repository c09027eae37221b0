// A signed quotation: the buyer's half, in JavaScript.
import { form, inform } from "semper:tinguin/display@1.0.0";
import { send } from "semper:transfer/information@1.0.0";
import { receive } from "semper:transfer/inbox@1.0.0";

export function run() {
  const fields = [["article", ""], ["quantity", "1"]];
  const [article, quantity] = form("inquiry", "Which article, and how many?", fields);
  const inquiry = { article, quantity: Number.parseInt(quantity, 10) || 1 };
  send("inquiry", new TextEncoder().encode(JSON.stringify(inquiry)));

  const came = receive();
  if (came.tag !== "statement") throw "something else came than a quotation";
  const content = came.val.content();
  if (content.tag === "withdrawal") {
    inform("declined", `No quotation: ${content.val}`);
    return;
  }
  const { lines, total } = content.val;
  if (lines.length !== 1 || lines[0].article !== article) throw "it is for something else";
  const price = `${total.minor / 100n}.${String(total.minor % 100n).padStart(2, "0")}`;
  inform("quoted", `${came.val.signer()} asks ${price} ${total.currency} for “${lines[0].title}”.`);
}
