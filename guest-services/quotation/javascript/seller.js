// A signed quotation: the seller's half, in JavaScript.
import { lookup } from "semper:business/catalogue@1.0.0";
import { id, now, parameter } from "semper:deal/deal@1.1.0";
import { sign } from "semper:tinguin/consent@1.0.0";
import { receive } from "semper:transfer/inbox@1.0.0";
import { send } from "semper:transfer/statements@1.0.0";

// componentize-js 0.23 forgets to define the class of a resource that has no methods, such as
// `consent`, and misses it when one is made. Its bindings live in a global scope of their own,
// which is reached through one of their functions.
const bindings = sign.constructor("return globalThis")();
bindings.import_consent_1_0_0$Consent = class Consent {};

const DAY_MS = 86_400_000n;

export function run() {
  const came = receive();
  // A statement before the inquiry: the buyer has left.
  if (came.tag === "statement") return;
  if (came.tag !== "information") throw "something else came than an inquiry";
  const { article, quantity } = JSON.parse(new TextDecoder().decode(came.val[1]));
  const found = lookup(article);
  // console.log goes to the host's log, bounded.
  console.log(`asked for ${quantity} of ${article}`);
  if (!found || found.stock < quantity) return say({ tag: "withdrawal", val: "not in stock" });
  say({ tag: "offer", val: quotation(found, quantity) });
  // The buyer has taken it, or has left while it was under way.
  receive();
}

function quotation(article, quantity) {
  const { minor, currency } = article.price;
  const days = parameter("valid-days");
  return {
    number: `Q-${id().slice(5, 13)}`,
    lines: [{
      article: article.number,
      title: article.title,
      variant: article.size,
      quantity,
      unit: article.price,
    }],
    delivery: { minor: 0n, currency },
    total: { minor: minor * BigInt(quantity), currency },
    deliveryDays: article.deliveryDays,
    validUntil: now() + (days?.tag === "number" ? days.val : 1n) * DAY_MS,
    // The host fills the merchant's account in.
    account: "",
  };
}

// What is sent is signed by the merchant (or by a standing consent of hers).
function say(content) {
  send(sign(content));
}
