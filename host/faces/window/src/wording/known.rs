//! What is known by heart: sentences, and what stands in their gaps.

use semper_base::Timestamp;

use super::{About, pattern};
use crate::words::{Words, value};

/// Who has filled something in that a link has filled in.
const A_LINK: &str = "a link";
/// And who, if there were more.
const SEVERAL: &str = "applications";

/// Headlines, and their ids.
const TITLES: &[(&str, &str)] = &[
    ("Open a deal with {peer}", "title-agreement"),
    ("Order from {peer}", "title-order"),
    ("Pay {sum} to {peer}", "title-pay"),
    ("Pay {sum} to {peer}, provisionally", "title-pay-provisionally"),
    ("Lock {sum} for {peer}", "title-lock"),
    ("Receipt for {sum} to {peer}", "title-receipt"),
    ("Shipping note to {peer}", "title-shipping"),
    ("Complete the deal with {peer}", "title-completion"),
    ("Withdraw from the deal with {peer}", "title-withdrawal"),
    ("Confirm a payment", "title-confirm"),
    ("Open a link", "title-link"),
    ("Take a certificate", "title-certificate"),
    ("Replace your key", "title-replacement"),
    ("Offer {number} to {peer}", "title-offer"),
];

/// Headlines that stand in no other sentence.
const OWN_TITLES: &[(&str, &str)] = &[
    ("Fair exchange with {peer}: {gives} for {gets}", "title-exchange"),
    ("Let the application “{name}” shop for you", "title-pairing"),
];

/// What rows say.
const SAYS: &[(&str, &str)] = &[
    ("{peer} (new to you)", "says-new"),
    ("{peer} (dealt with before)", "says-known"),
    ("encrypted", "says-encrypted"),
    ("in clear", "says-clear"),
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
    ("nobody", "says-nobody"),
    ("buyer", "says-buyer"),
    ("merchant", "says-merchant"),
    ("see with whom you have dealt, and read terms of business", "says-may-look"),
    ("begin purchases, search, choose and fill in for you", "says-may-shop"),
    ("read the receipts of purchases that it began", "says-may-receipts"),
    ("decide, sign or pay; see your keys, or what others have begun", "says-may-never"),
    ("unknown: nobody has checked it", "says-unchecked"),
    ("{code} — the same must stand at the application", "says-code"),
    ("{sum} each", "says-each"),
    ("{sum}, within {count} day", "says-within"),
    ("{sum}, within {count} days", "says-within"),
    ("{summary}, signed by {peer}", "says-signed"),
    ("{digest} — UNKNOWN TO YOUR HOST", "says-unknown"),
    ("{sum} if either side has it decide; you owe {sum2} of it", "fee-if-part"),
    ("{sum} if either side has it decide; the other side owes it", "fee-if-theirs"),
    ("{sum} if either side has it decide; you owe it", "fee-if-yours"),
    ("{sum}; you owe {sum2} of it", "fee-part"),
    ("{sum}; the other side owes it", "fee-theirs"),
    ("{sum}; you owe it", "fee-yours"),
    ("“{name}” looks like “{other}”, whom you know, and is another", "caution-alike"),
    ("“{name}” differs from “{other}”, whom you know, by {count} letter", "caution-near"),
    ("“{name}” differs from “{other}”, whom you know, by {count} letters", "caution-near"),
    ("“{name}” mixes letters of several scripts", "caution-scripts"),
    ("“{name}” has characters that cannot be seen", "caution-hidden"),
    ("“{name}” is the name of somebody whom you know", "caution-known"),
    (
        "it takes the place of the application of this name, which you let in on {moment}",
        "caution-replaces",
    ),
    ("the revocation list of “{name}” is overdue since {moment}", "caution-overdue-since"),
    ("the revocation list of “{name}” is overdue", "caution-overdue"),
];

/// What a yes means.
const MEANS: &[(&str, &str)] = &[
    ("You are bound to deliver at this price until the offer ends.", "means-offer"),
    ("You buy for {amount}; the order binds you.", "means-order"),
    ("The money leaves your account at once and cannot be called back.", "means-payment-order"),
    ("You confirm that money was moved.", "means-payment-confirmation"),
    ("You confirm that you have the money.", "means-receipt"),
    ("You confirm that the goods are on their way.", "means-shipping"),
    ("You confirm that the deal is done; nothing more is owed by it.", "means-completion"),
    ("You leave; nothing was ordered.", "means-withdrawal"),
    (
        "You and the other side are bound to these terms of business; you order and pay \
         nothing yet.",
        "means-agreement",
    ),
    (
        "NOBODY WHOM YOU TRUST HAS EXAMINED THIS SERVICE: it can only show you things and ask \
         for information.",
        "means-unexamined",
    ),
    ("It cannot pay, sign, or learn who you are unless you tell it.", "means-powerless"),
    (
        "Your money is locked at your bank at once; it comes back to you if the exchange \
         comes to nothing.",
        "means-locked",
    ),
    ("CAUTION: what you give may be lost; you would have proof of it.", "means-weak"),
    ("The money leaves your account and is locked at your bank.", "means-hold"),
    ("The application may do this from now on, until you take it back.", "means-pairing"),
    ("It orders and pays nothing: every decision stays yours.", "means-pairing-yours"),
    ("You sign by it in every new deal.", "means-certificate"),
    (
        "If it is not from the authority that you registered with, others will not believe you.",
        "means-certificate-other",
    ),
    ("Once the next key is certified, nothing is signed by an older one.", "means-replacement"),
    ("Deals that run by an older one cannot go on.", "means-replacement-deals"),
    ("The shop's terms are fetched and checked.", "means-link"),
    ("Nothing is ordered, and you can change what the link fills in.", "means-link-open"),
    (
        "It goes to the other side when you let it go or the third party decides so, and \
         comes back to you otherwise.",
        "means-hold-goes",
    ),
    ("The money leaves your account.", "means-leaves"),
    ("The third party can take it back if the exchange fails.", "means-taken-back"),
    ("You give {gives} and get {gets}, or neither happens.", "means-exchange"),
    ("You give {gives} and get {gets}.", "means-exchange-final"),
    ("Your money is paid at once.", "means-at-once"),
    (
        "Until {moment} your bank can take it back, if the third party says so; for that your \
         host must run and reach the third party before {moment2}.",
        "means-reversible",
    ),
    ("Otherwise it stays paid.", "means-stays"),
    ("Your money is paid for good as soon as the other side has promised.", "means-for-good"),
    (
        "If nothing comes for it, the third party makes that good; for that your host must \
         run and reach the third party before {moment}.",
        "means-made-good",
    ),
];

/// How things stand.
const STATUS: &[(&str, &str)] = &[
    ("waiting for your host", "status-idle"),
    ("unlocked", "status-unlocked"),
    ("locked", "unlock-locked"),
    ("That was not the pass-phrase.", "unlock-wrong"),
    ("deciding whether to open a deal with {peer}", "status-opening"),
    ("deciding whether to sign: {title}", "status-signing"),
    ("deciding on a fair exchange with {peer}", "status-exchange"),
    ("deciding about the application “{name}”", "status-pairing"),
    ("as the terms intend", "status-as-intended"),
    ("the deal is completed: as the terms intend", "status-completed"),
    ("deciding whether to open a link", "status-link"),
    ("deciding about a certificate", "status-certificate"),
    ("deciding whether a key is replaced", "status-replacement"),
    ("told {name}: {what} (encrypted to its key of the deal)", "status-told-sealed"),
    ("told {name}: {what} (over TLS)", "status-told-tls"),
    ("connected with your host “{name}” at {address}", "status-connected"),
    ("not connected with your host “{name}” at {address}: {why}", "status-not-connected"),
    ("the token “{name}” is not there", "token-away"),
    (
        "the token “{name}” is not there: plug it in, then type its PIN; nothing is lost",
        "token-plug",
    ),
    ("the PIN of the token is wrong.", "token-wrong"),
    ("the PIN of the token is wrong, and it counts the wrong ones.", "token-counts"),
    ("the PIN of the token is wrong, and one more wrong one locks it for good.", "token-last"),
    ("the PIN of the token is wrong, and it has locked itself.", "token-locked"),
    ("the service asks: {topic}", "status-asks"),
    ("NOT CHECKED, by “{by}”: {said} · the service asks: {topic}", "status-filled"),
    ("“{name}” has answered “{topic}” for you", "status-answered-by"),
    ("message {count} signed and on its way", "status-message"),
    ("there were wrong pass-phrases: the next one can be tried in {seconds} s", "unlock-early"),
];

/// One line about a statement.
const SUMMARIES: &[(&str, &str)] = &[
    ("offer {number} of {day}: {first} …, {sum} in total", "summary-offer"),
    ("{kind} of {day} over {sum}", "summary-over"),
    ("{kind} of {day}", "summary"),
    ("{digest} — UNKNOWN TO YOUR HOST", "says-unknown"),
];

/// Behind what somebody else has filled in.
const FILLED: &[(&str, &str)] = &[
    ("{said} (the last of {count} answers)", "says-last-of"),
    ("{count} more answers to other questions", "says-more-answers"),
];

/// Every table.
const ALL: [&[(&str, &str)]; 7] = [TITLES, OWN_TITLES, SAYS, MEANS, STATUS, SUMMARIES, FILLED];

/// The ids of everything that is known by heart.
pub fn ids() -> impl Iterator<Item = &'static str> {
    ALL.into_iter().flatten().map(|it| it.1)
}

/// A headline or a sentence in the person's language, if it is known.
pub fn say(words: &Words, text: &str, about: About<'_>) -> Option<String> {
    [TITLES, OWN_TITLES, SAYS, MEANS, STATUS, SUMMARIES]
        .into_iter()
        .find_map(|table| of(words, table, text, about))
}

fn of(
    words: &Words,
    table: &'static [(&str, &str)],
    text: &str,
    about: About<'_>,
) -> Option<String> {
    table.iter().find_map(|(sentence, id)| {
        let filled = pattern::fit(words, sentence, text, about)?;
        words.find(id, &filled)
    })
}

/// A statement's headline.
pub fn title(words: &Words, text: &str, about: About<'_>) -> Option<String> {
    of(words, TITLES, text, about)
}

/// One line about a statement.
pub fn summary(words: &Words, text: &str) -> Option<String> {
    of(words, SUMMARIES, text, About::default())
}

/// What a kind of statement is called.
pub fn kind(words: &Words, text: &str) -> Option<String> {
    let plain = text.chars().all(|it| it.is_ascii_lowercase() || it == '-');
    plain.then(|| words.find(&format!("kind-{text}"), &[])).flatten()
}

/// A day, such as `2026-11-21`.
pub fn day(words: &Words, text: &str) -> Option<String> {
    let at: Timestamp = format!("{text}T00:00:00Z").parse().ok()?;
    Some(words.day(at))
}

/// An account, and at which bank it is.
pub fn account(words: &Words, text: &str) -> String {
    let Some((number, bank)) = text.split_once(" at ") else { return text.to_owned() };
    let values = [("number", value(number.to_owned())), ("bank", value(bank.to_owned()))];
    words.fill("says-account", &values)
}

/// A way to pay, and at which bank.
pub fn way(words: &Words, text: &str) -> String {
    let (module, bank) = match text.split_once(", at ") {
        Some((module, bank)) => (module, Some(bank)),
        None => (text, None),
    };
    let known = module.chars().all(|it| it.is_ascii_lowercase() || it == '-' || it == ' ');
    let id = format!("way-{}", module.trim_start_matches("the ").replace(' ', "-"));
    let found = known.then(|| words.find(&id, &[])).flatten();
    let module = found.unwrap_or_else(|| module.to_owned());
    let Some(bank) = bank else { return module };
    words.fill("says-way", &[("way", value(module)), ("bank", value(bank.to_owned()))])
}

/// Who has filled something in: an application by its name, or a link.
pub fn by(words: &Words, who: &str) -> String {
    match who {
        A_LINK => words.say("by-a-link"),
        SEVERAL => words.say("by-applications"),
        name => name.to_owned(),
    }
}

/// What somebody else has filled in: the words behind it are the TINGUIN's own.
pub fn filled_in(words: &Words, label: &str, says: &str) -> String {
    let (last_of, more) = FILLED.split_at(1);
    let own = if label.contains(&format!("“{SEVERAL}”")) { more } else { last_of };
    of(words, own, says, About::default()).unwrap_or_else(|| says.to_owned())
}
