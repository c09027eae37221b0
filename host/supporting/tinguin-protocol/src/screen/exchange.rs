//! The decision about a fair exchange: what both give, how fair it is, and who decides on a fault.

use semper_base::text::{Text, counted};
use semper_base::{Amount, Digest};
use semper_exchange::package::Part;
use semper_exchange::standard::Standard;
use semper_exchange::{Agreed, Debtor, Fairness, Fee, Mode, Protocol, Role};
use semper_items::Statement;
use semper_items::statement::referred;

use super::{Consent, statement, summary};

/// An exchange as it is put to a person.
pub struct Exchanged<'a> {
    /// What both would sign.
    pub agreement: &'a Agreed<Standard>,
    /// Our role in it.
    pub us: Role,
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
        Protocol::Ge => {
            "one promises, the other pays for good; the third party completes it, if asked"
        }
        Protocol::Ger => {
            "one promises, the other pays; on a fault the third party completes or undoes it"
        }
        Protocol::Rr => "both pay provisionally; on a fault the third party takes both back",
        Protocol::Hl => "the money opens with the key of the information; no third party decides",
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
    let always = agreement.protocol == Protocol::Inline;
    rows.extend(agreement.fee.map(|fee| ("third party's fee".into(), owed(&fee, it.us, always))));
    rows.push(("to be accepted by".into(), agreement.accept_by.to_string().into()));
    rows.push(("decided by".into(), agreement.close_by.to_string().into()));
    let names = |parts: &[Part]| parts.iter().map(name).collect::<Vec<_>>().join(" and ");
    let (ours, theirs) = (names(it.gives), names(it.gets));
    let mode = it.gives.iter().find_map(mode_of);
    let money = mode.map(|mode| becomes(mode, agreement)).unwrap_or_default();
    let safe = match mode {
        // Paid for good, it does not come back.
        Some(Mode::Fenced | Mode::Plain) => "",
        _ => ", or neither happens",
    };
    let (amount, also) = at_stake(amount, agreement.fee.map(|fee| fee.of(it.us)));
    let caution = match agreement.fairness {
        Fairness::Strong => "",
        Fairness::Weak => " CAUTION: what you give may be lost; you would have proof of it.",
    };
    Consent {
        topic: "exchange".into(),
        title: format!("Fair exchange with {peer}: {ours} for {theirs}").into(),
        rows,
        means: format!("You give {ours} and get {theirs}{safe}.{money}{caution}").into(),
        amount,
        also,
        digest: agreement.subject(),
    }
}

/// What this side owes the third party. Either side can ask it to decide.
fn owed(fee: &Fee, us: Role, always: bool) -> Text {
    let (all, own) = (fee.amount, fee.of(us));
    let when = if always { "" } else { " if either side has it decide" };
    match (fee.owed_by, own.minor()) {
        (Debtor::Both, _) => format!("{all}{when}; you owe {own} of it").into(),
        (_, 0) => format!("{all}{when}; the other side owes it").into(),
        _ => format!("{all}{when}; you owe it").into(),
    }
}

/// The money that a yes may cost: the price and our part of the fee; the fee by itself where the two
/// are in different currencies.
fn at_stake(price: Option<Amount>, fee: Option<Amount>) -> (Option<Amount>, Option<Amount>) {
    let fee = fee.filter(|it| it.minor() > 0);
    match (price, fee) {
        (Some(price), Some(fee)) if price.currency() == fee.currency() => {
            let both = price.minor().saturating_add(fee.minor());
            (Some(Amount::new(both, price.currency())), None)
        }
        (None, fee) => (fee, None),
        (price, fee) => (price, fee),
    }
}

fn mode_of(part: &Part) -> Option<Mode> {
    match part {
        Part::Money { money, .. } => Some(money.mode),
        Part::Statement { .. } | Part::Information { .. } => None,
    }
}

/// What becomes of the payer's money, for the payer.
fn becomes(mode: Mode, agreement: &Agreed<Standard>) -> String {
    let (decided, back) = (agreement.close_by, agreement.lock_until);
    match mode {
        Mode::Hold | Mode::HashLock => {
            " Your money is locked at your bank at once; it comes back to you if the exchange \
             comes to nothing."
                .to_owned()
        }
        Mode::Reversible => format!(
            " Your money is paid at once. Until {back} your bank can take it back, if the third \
             party says so; for that your host must run and reach the third party before {decided}. \
             Otherwise it stays paid."
        ),
        Mode::Fenced | Mode::Plain => format!(
            " Your money is paid for good as soon as the other side has promised. If nothing comes \
             for it, the third party makes that good; for that your host must run and reach the \
             third party before {decided}."
        ),
    }
}

/// Until when the payer's money can still go either way.
fn until(it: &Exchanged<'_>, mode: Mode) -> Option<(Text, Text)> {
    let last = it.agreement.lock_until.to_string();
    match mode {
        Mode::Hold | Mode::HashLock => Some(("locked until at most".into(), last.into())),
        Mode::Reversible => Some(("can be taken back until".into(), last.into())),
        Mode::Fenced | Mode::Plain => None,
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
            format!("information “{kind}” ({})", counted(information.length, "byte", "bytes"))
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
            let mut rows: Vec<(Text, Text)> = vec![
                ("you pay".into(), money.amount.to_string().into()),
                ("from account".into(), it.account.into()),
                ("to account".into(), money.payee.as_str().into()),
                ("for".into(), referred(purpose, it.refers).into()),
            ];
            rows.extend(until(it, money.mode));
            rows
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
        Part::Money { money, purpose } => {
            let mut rows: Vec<(Text, Text)> = vec![
                ("you get".into(), money.amount.to_string().into()),
                ("into account".into(), money.payee.as_str().into()),
                ("for".into(), referred(purpose, it.refers).into()),
            ];
            // Locked money is the payee's when it is released; what is paid can still go back.
            rows.extend(until(it, money.mode).filter(|_| money.mode == Mode::Reversible));
            rows
        }
        Part::Information { .. } => vec![("you get".into(), name(part).into())],
    }
}
