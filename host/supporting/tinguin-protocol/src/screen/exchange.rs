//! The decision about a fair exchange: what both give, how fair it is, and who decides on a fault.

use semper_base::text::Text;
use semper_base::{Amount, Digest};
use semper_exchange::package::Part;
use semper_exchange::standard::Standard;
use semper_exchange::{Agreed, Fairness, Protocol};
use semper_items::Statement;
use semper_items::statement::referred;

use super::{Consent, statement, summary};

/// An exchange as it is put to a person.
pub struct Exchanged<'a> {
    /// What both would sign.
    pub agreement: &'a Agreed<Standard>,
    /// The other side's name.
    pub peer: &'a str,
    /// What we give.
    pub gives: &'a [Part],
    /// What we get.
    pub gets: &'a [Part],
    /// Statements that may be referred to.
    pub refers: &'a [(Digest, Statement)],
    /// The account that pays, if we pay.
    pub account: &'a str,
}

/// What a person must know of a class of fairness.
pub const fn fairness(class: Fairness) -> &'static str {
    match class {
        Fairness::Strong => {
            "strong: you get what is promised here, or the other side gets nothing from you"
        }
        Fairness::Weak => {
            "WEAK: if the other side cheats, you are left with proof of it, and nothing else"
        }
    }
}

/// How it is exchanged, in words.
const fn way(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Gg => "both promise, then both deliver; on a fault the third party completes it",
        Protocol::Ge | Protocol::Ger => {
            "one promises, the other pays; on a fault the third party completes or undoes it"
        }
        Protocol::Rr => "both pay provisionally; on a fault the third party takes both back",
        Protocol::Hl => "the money opens with the key of the information; no third party",
        Protocol::Inline => "both deposit with the third party, which hands both over",
        Protocol::Wg => "both promise, and neither promise can be verified beforehand",
    }
}

/// The decision about it.
pub fn consent(it: &Exchanged<'_>) -> Consent {
    let (agreement, peer) = (it.agreement, it.peer);
    let mut rows: Vec<(Text, Text)> = Vec::new();
    let mut amount = None;
    for part in it.gives {
        rows.extend(gives(it, part, &mut amount));
    }
    for part in it.gets {
        rows.extend(gets(it, part));
    }
    rows.push(("fairness".into(), fairness(agreement.fairness).into()));
    rows.push(("how".into(), way(agreement.protocol).into()));
    if agreement.protocol != Protocol::Hl {
        let third = &agreement.third_party;
        rows.push(("third party".into(), format!("{} ({})", third.origin, third.sign.id()).into()));
    }
    rows.push(("to be accepted by".into(), agreement.accept_by.to_string().into()));
    rows.push(("decided by".into(), agreement.close_by.to_string().into()));
    let names = |parts: &[Part]| parts.iter().map(name).collect::<Vec<_>>().join(" and ");
    let (ours, theirs) = (names(it.gives), names(it.gets));
    let money = match amount {
        Some(_) => {
            " Your money is locked at your bank at once; it comes back to you if the exchange \
             comes to nothing."
        }
        None => "",
    };
    let caution = match agreement.fairness {
        Fairness::Strong => "",
        Fairness::Weak => " CAUTION: what you give may be lost; you would have proof of it.",
    };
    Consent {
        topic: "exchange".into(),
        title: format!("Fair exchange with {peer}: {ours} for {theirs}").into(),
        rows,
        means: format!("You give {ours} and get {theirs}, or neither happens.{money}{caution}")
            .into(),
        amount,
        digest: agreement.subject(),
    }
}

/// What a part is called in a sentence.
pub fn name(part: &Part) -> String {
    match part {
        Part::Statement { statement, .. } => {
            let kind = statement.content.kind().name();
            match statement.content.amount() {
                Some(amount) => format!("a {kind} over {amount}"),
                None => format!("a {kind}"),
            }
        }
        Part::Money { money, .. } => money.amount.to_string(),
        Part::Information { kind, information } => {
            format!("information “{kind}” ({} bytes)", information.length)
        }
    }
}

fn gives(it: &Exchanged<'_>, part: &Part, amount: &mut Option<Amount>) -> Vec<(Text, Text)> {
    match part {
        Part::Statement { statement: ours, digest } => {
            let consent = statement(ours, *digest, it.peer, it.refers);
            let mut rows = vec![("you sign".into(), consent.title)];
            rows.extend(consent.rows);
            rows
        }
        Part::Money { money, purpose } => {
            *amount = Some(money.amount);
            vec![
                ("you pay".into(), money.amount.to_string().into()),
                ("from account".into(), it.account.into()),
                ("to account".into(), money.payee.as_str().into()),
                ("for".into(), referred(purpose, it.refers).into()),
                ("locked until at most".into(), it.agreement.lock_until.to_string().into()),
            ]
        }
        Part::Information { .. } => vec![("you give".into(), name(part).into())],
    }
}

fn gets(it: &Exchanged<'_>, part: &Part) -> Vec<(Text, Text)> {
    match part {
        Part::Statement { statement: theirs, digest } => {
            let consent = statement(theirs, *digest, it.peer, it.refers);
            let signed = format!("{}, signed by {}", summary(theirs), it.peer);
            let mut rows = vec![("you get".into(), signed.into())];
            rows.extend(consent.rows);
            rows
        }
        Part::Money { money, purpose } => vec![
            ("you get".into(), money.amount.to_string().into()),
            ("into account".into(), money.payee.as_str().into()),
            ("for".into(), referred(purpose, it.refers).into()),
        ],
        Part::Information { .. } => vec![("you get".into(), name(part).into())],
    }
}
