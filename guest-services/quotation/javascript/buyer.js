// A signed quotation: the buyer's half, in JavaScript.
import { firstOf } from "semper:deal/waiting@1.1.0";
import { sign } from "semper:tinguin/consent@1.0.0";
import { form, inform } from "semper:tinguin/display@1.0.0";
import { send as tell } from "semper:transfer/information@1.0.0";
import { send } from "semper:transfer/statements@1.0.0";

// componentize-js 0.23 forgets to define the class of a resource that has no methods, such as
// `consent`, and misses it when one is made. Its bindings live in a global scope of their own,
// which is reached through one of their functions.
const bindings = sign.constructor("return globalThis")();
bindings.import_consent_1_0_0$Consent = class Consent {};

export function run() {
  const fields = [["article", ""], ["quantity", "1"]];
  let filled;
  try {
    filled = form("inquiry", "Which article, and how many?", fields);
  } catch {
    return withdraw("the buyer has left");
  }
  const [article, quantity] = filled;
  const inquiry = { article, quantity: Number.parseInt(quantity, 10) || 1 };
  tell("inquiry", new TextEncoder().encode(JSON.stringify(inquiry)));

  // The merchant may take days to answer. At a `firstOf` the person can leave meanwhile.
  const came = firstOf({ message: true, until: undefined, answer: undefined });
  if (came.tag === "cancelled") return withdraw(came.val);
  if (came.val.tag !== "statement") throw "something else came than a quotation";
  const quotation = came.val.val;
  const content = quotation.content();
  if (content.tag === "withdrawal") {
    inform("declined", `No quotation: ${content.val}`);
    return;
  }
  const { lines, total } = content.val;
  if (lines.length !== 1 || lines[0].article !== article) throw "it is for something else";
  tell("taken", new Uint8Array());
  inform("quoted", `${quotation.signer()} asks ${price(total)} for “${lines[0].title}”.`);
}

// Currencies whose minor unit does not have two decimals.
const DIGITS = { JPY: 0, KRW: 0, CLP: 0, ISK: 0, VND: 0, BHD: 3, JOD: 3, KWD: 3, OMR: 3, TND: 3 };

// "19.99 EUR", "4800 JPY".
function price({ minor, currency }) {
  const digits = DIGITS[currency] ?? 2;
  const text = String(minor).padStart(digits + 1, "0");
  const whole = text.slice(0, text.length - digits);
  return digits ? `${whole}.${text.slice(-digits)} ${currency}` : `${whole} ${currency}`;
}

// Leaving is signed, too.
function withdraw(reason) {
  send(sign({ tag: "withdrawal", val: reason }));
}
