//! What a screen says, in the person's language.
//!
//! The TINGUIN's own sentences come in English. Those that are known by heart are said in the window's
//! language; every other text is shown as it came, and never guessed at. Dates and amounts are written
//! as the language writes them.

use semper_base::{Amount, Digest, Timestamp};

use crate::words::{Words, value};

/// What the TINGUIN says of a service that nobody has certified.
const UNCERTIFIED: &str = "not certified by anyone you trust";
const CERTIFIED: &str = "certified by ";

/// Longest line about a service that is believed, in letters: of a longer one the end, which is the
/// TINGUIN's own, may have been cut off.
const LONGEST: usize = 1_000;

/// The fixed line about a service in two: what the service calls itself, and the TINGUIN's word about
/// who certified it. The last dash is the TINGUIN's own.
pub fn service(line: &str) -> (&str, &str) {
    if line.is_empty() {
        return ("", "");
    }
    match line.rsplit_once(" — ") {
        Some(parts) if line.chars().nth(LONGEST).is_none() => parts,
        _ => (line, UNCERTIFIED),
    }
}

/// The fixed line about a service in one.
pub fn service_line(words: &Words, line: &str) -> String {
    match service(line) {
        ("", _) => String::new(),
        (service, by) => format!("{service} — {}", certified(words, by)),
    }
}

/// Whether the TINGUIN's word about a service names an organisation.
pub fn is_certified(by: &str) -> bool {
    by.starts_with(CERTIFIED)
}

/// Who certified a service.
pub fn certified(words: &Words, by: &str) -> String {
    match by.strip_prefix(CERTIFIED) {
        Some(who) => words.fill("head-certified", &[("who", value(who.to_owned()))]),
        None => words.say("head-uncertified"),
    }
}

/// Whether a row says nothing but a digest or a key's number.
pub fn is_for_experts(says: &str) -> bool {
    says.parse::<Digest>().is_ok() || says.starts_with("key:")
}

/// A row's label.
pub fn label(words: &Words, label: &str) -> String {
    let by = label.strip_prefix("NOT CHECKED, by “").and_then(|it| it.strip_suffix('”'));
    if let Some(by) = by {
        return words.fill("row-not-checked", &[("who", value(by.to_owned()))]);
    }
    let id = label.to_lowercase().replace(' ', "-").replace('\'', "");
    let known = id.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
    let found = known.then(|| words.find(&format!("row-{id}"), &[])).flatten();
    found.unwrap_or_else(|| label.to_owned())
}

/// Sentences that are known by heart, and their ids. `{peer}` and `{amount}` stand for those of the
/// decision.
const KNOWN: [(&str, &str); 53] = [
    ("Open a deal with {peer}", "title-agreement"),
    ("Order from {peer}", "title-order"),
    ("Pay {amount} to {peer}", "title-pay"),
    ("Pay {amount} to {peer}, provisionally", "title-pay-provisionally"),
    ("Lock {amount} for {peer}", "title-lock"),
    ("Receipt for {amount} to {peer}", "title-receipt"),
    ("Shipping note to {peer}", "title-shipping"),
    ("Complete the deal with {peer}", "title-completion"),
    ("Withdraw from the deal with {peer}", "title-withdrawal"),
    ("Confirm a payment", "title-confirm"),
    ("{peer} (new to you)", "says-new"),
    ("{peer} (dealt with before)", "says-known"),
    ("encrypted", "says-encrypted"),
    ("in clear", "says-clear"),
    ("You are bound to deliver at this price until the offer ends.", "means-offer"),
    ("You buy for {amount}; the order binds you.", "means-order"),
    ("The money leaves your account at once and cannot be called back.", "means-payment-order"),
    ("You confirm that money was moved.", "means-payment-confirmation"),
    ("You confirm that you have the money.", "means-receipt"),
    ("You confirm that the goods are on their way.", "means-shipping"),
    ("You confirm that the deal is done; nothing more is owed by it.", "means-completion"),
    ("You leave; nothing was ordered.", "means-withdrawal"),
    (
        "You and the other side are bound to these terms of business; you order and pay nothing yet.",
        "means-agreement",
    ),
    (
        "NOBODY WHOM YOU TRUST HAS EXAMINED THIS SERVICE: it can only show you things and ask for \
      information.",
        "means-unexamined",
    ),
    ("It cannot pay, sign, or learn who you are unless you tell it.", "means-powerless"),
    (
        "Your money is locked at your bank at once; it comes back to you if the exchange comes to \
         nothing.",
        "means-locked",
    ),
    ("CAUTION: what you give may be lost; you would have proof of it.", "means-weak"),
    ("The money leaves your account and is locked at your bank.", "means-hold"),
    (
        "strong: you get what is promised here, or the other side gets nothing from you",
        "says-strong",
    ),
    (
        "WEAK: if the other side cheats, you are left with proof of it, and nothing else",
        "says-weak",
    ),
    ("both promise, then both deliver; on a fault the third party completes it", "says-way-gg"),
    (
        "one promises, the other pays for good; the third party completes it, if asked",
        "says-way-ge",
    ),
    (
        "one promises, the other pays; on a fault the third party completes or undoes it",
        "says-way-ger",
    ),
    ("both pay provisionally; on a fault the third party takes both back", "says-way-rr"),
    ("the money opens with the key of the information; no third party decides", "says-way-hl"),
    ("both deposit with the third party, which hands both over", "says-way-inline"),
    ("both promise, and neither promise can be verified beforehand", "says-way-wg"),
    ("the purse", "says-purse"),
    ("nobody", "says-nobody"),
    ("see with whom you have dealt, and read terms of business", "says-may-look"),
    ("begin purchases, search, choose and fill in for you", "says-may-shop"),
    ("read the receipts of purchases that it began", "says-may-receipts"),
    ("decide, sign or pay; see your keys, or what others have begun", "says-may-never"),
    ("The application may do this from now on, until you take it back.", "means-pairing"),
    ("It orders and pays nothing: every decision stays yours.", "means-pairing-yours"),
    ("Open a link", "title-link"),
    ("unknown: nobody has checked it", "says-unchecked"),
    ("The shop's terms are fetched and checked.", "means-link"),
    ("Nothing is ordered, and you can change what the link fills in.", "means-link-open"),
    ("waiting for your host", "status-idle"),
    ("unlocked", "status-unlocked"),
    ("locked", "unlock-locked"),
    ("That was not the pass-phrase.", "unlock-wrong"),
];

/// A title, a value or a sentence of the TINGUIN's.
pub fn told(words: &Words, text: &str, peer: &str, amount: Option<Amount>) -> String {
    if let Ok(at) = text.parse::<Timestamp>() {
        return words.moment(at);
    }
    if let Ok(sum) = text.parse::<Amount>() {
        return words.amount(sum);
    }
    if let Some(known) = known(words, text, peer, amount) {
        return known;
    }
    // Several sentences are told one by one, unless a line's end or a letter could be lost.
    if text.contains(". ") && !text.contains('\n') {
        let sentences: Vec<&str> = text.split_inclusive(". ").collect();
        let told = sentences.iter().map(|it| sentence(words, it, peer, amount));
        return told.collect();
    }
    sentence(words, text, peer, amount)
}

fn sentence(words: &Words, text: &str, peer: &str, amount: Option<Amount>) -> String {
    let (plain, end) = text.strip_suffix(' ').map_or((text, ""), |plain| (plain, " "));
    let told = known(words, plain, peer, amount)
        .or_else(|| exchanged(words, plain, peer))
        .or_else(|| paired(words, plain));
    format!("{}{end}", told.as_deref().unwrap_or(plain))
}

fn known(words: &Words, text: &str, peer: &str, amount: Option<Amount>) -> Option<String> {
    let sum = amount.map(|it| it.to_string()).unwrap_or_default();
    let (_, id) = KNOWN.iter().find(|(english, _)| fits(text, english, peer, &sum))?;
    let written = amount.map(|it| words.amount(it)).unwrap_or_default();
    words.find(id, &[("peer", value(peer.to_owned())), ("amount", value(written))])
}

/// Whether the text is this sentence, with these values in it.
fn fits(text: &str, english: &str, peer: &str, sum: &str) -> bool {
    if !english.contains('{') {
        return text == english;
    }
    // An order matters: a peer's name could be `{amount}`.
    let mut rest = text;
    let mut pattern = english;
    while let Some(at) = pattern.find('{') {
        let (before, from) = pattern.split_at(at);
        let Some(end) = from.find('}') else { return false };
        let filled = if &from[..=end] == "{peer}" { peer } else { sum };
        let found = rest.strip_prefix(before).and_then(|it| it.strip_prefix(filled));
        let Some(next) = found.filter(|_| !filled.is_empty()) else { return false };
        rest = next;
        pattern = &from[end + 1..];
    }
    rest == pattern
}

/// What an exchange's headline and its first sentence say.
fn exchanged(words: &Words, text: &str, peer: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix("Fair exchange with ") {
        let (ours, theirs) = rest.strip_prefix(peer)?.strip_prefix(": ")?.split_once(" for ")?;
        let (gives, gets) = (part(words, ours), part(words, theirs));
        let values =
            [("peer", value(peer.to_owned())), ("gives", value(gives)), ("gets", value(gets))];
        return words.find("title-exchange", &values);
    }
    let said = text.strip_prefix("You give ")?;
    let (id, said) = match said.strip_suffix(", or neither happens.") {
        Some(said) => ("means-exchange", said),
        None => ("means-exchange-final", said.strip_suffix('.')?),
    };
    let (ours, theirs) = said.split_once(" and get ")?;
    let values = [("gives", value(part(words, ours))), ("gets", value(part(words, theirs)))];
    words.find(id, &values)
}

/// What the decision about an application says of its name and its code.
fn paired(words: &Words, text: &str) -> Option<String> {
    let name =
        text.strip_prefix("Let the application “").and_then(|it| it.strip_suffix("” shop for you"));
    if let Some(name) = name {
        return words.find("title-pairing", &[("name", value(name.to_owned()))]);
    }
    let code = text.strip_suffix(" — the same must stand at the application")?;
    words.find("says-code", &[("code", value(code.to_owned()))])
}

/// Something that changes hands: `19.99 EUR`, `a receipt over 19.99 EUR`.
fn part(words: &Words, text: &str) -> String {
    if let Ok(amount) = text.parse::<Amount>() {
        return words.amount(amount);
    }
    let Some((kind, sum)) = text.strip_prefix("a ").and_then(|it| it.split_once(" over ")) else {
        return text.to_owned();
    };
    let Ok(amount) = sum.parse::<Amount>() else { return text.to_owned() };
    let id = format!("part-{kind}");
    let sum = words.amount(amount);
    words.find(&id, &[("amount", value(sum))]).unwrap_or_else(|| text.to_owned())
}

/// The wrong pass-phrases that the TINGUIN tells of once, at the end of what it says: how many, and
/// since when.
pub fn tried(status: &str) -> Option<(u32, Timestamp)> {
    let (_, tried) = status.rsplit_once(" · ")?;
    let (count, since) = tried.split_once(" wrong pass-phrase")?;
    let since = since.trim_start_matches('s').strip_prefix(" since ")?;
    Some((count.parse().ok()?, since.parse().ok()?))
}

/// Wrong pass-phrases in a sentence.
pub fn wrong(words: &Words, count: u32, since: Timestamp) -> String {
    let written = value(count.to_string());
    let since = value(words.moment(since));
    words.fill("unlock-tried", &[("count", count.into()), ("written", written), ("since", since)])
}

/// What a signed thing is called.
pub fn kind(words: &Words, kind: &str) -> String {
    let known = kind.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
    let found = known.then(|| words.find(&format!("kind-{kind}"), &[])).flatten();
    found.unwrap_or_else(|| kind.to_owned())
}

/// The ids that stand in no page's code: what the test of the languages has to know.
pub fn known_ids() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|it| it.1)
}
