//! Who knows what about me: what of a person was given out, to whom, when, and in which deal.
//!
//! It is read from what is stored: the agreements and statements that this home signed, the forms
//! that were filled in, and the messages that were sent. A detail counts as given to the other side
//! when it stands in something that was sent. What a person filled in, or a service read from her
//! preferences, went to the service's component in her own host; where the same text is in no
//! message, that is all that can be said ([`UNKNOWN`]).

use std::collections::BTreeMap;

use semper_archive::chain::{Class, MAX_PART, Record};
use semper_archive::{Archive, ArchiveError, DealRow, EvidenceRow, JournalRow};
use semper_base::cert::Verifier;
use semper_base::{DealId, Timestamp, cbor};
use semper_exchange::Role;
use semper_exchange::judge::Evidence as Exchanged;
use semper_exchange::standard::Standard;
use semper_items::agreement::Way;
use semper_items::{Agreement, Content, Item, Message, Side, Statement};
use semper_tinguin_protocol::screen::{Answer, Question};
use semper_tinguin_protocol::told::{Detail, SHORTEST, of_statement};
use serde::Serialize;

use crate::evidence;

/// What cannot be known, as a person is told.
pub const UNKNOWN: [&str; 3] = [
    "What a service wrote into a message in words of its own, other than as it was filled in, cannot be told from \
     what is stored.",
    "Whom a merchant, its carrier or its bank told further cannot be known here.",
    "Addresses in the network that servers saw are not kept.",
];

/// Something about the person that was given out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disclosure {
    /// Who has it now: the other side, or a payment system; by its certified name.
    pub to: String,
    /// What it is called: `name`, `deliver to`, `from account`, or as the form calls it.
    pub what: String,
    /// What was given.
    pub value: String,
    /// When.
    pub at: Timestamp,
    /// The deal in which it was given.
    pub deal: DealId,
    /// In what it was given.
    pub by: String,
    /// How it travelled.
    pub travelled: Travelled,
}

/// How something travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Travelled {
    /// Encrypted to the other side's key of the deal, inside of TLS.
    Sealed,
    /// Inside of TLS.
    Tls,
    /// It was given to the service in one's own host. It is so short that it stands in messages by
    /// chance: whether it was sent cannot be told.
    Perhaps,
    /// It was given to the service in one's own host; nothing that was sent holds it as it was given.
    NotSent,
}

impl Travelled {
    /// Whether nothing shows that it was sent.
    const fn is_untold(self) -> bool {
        matches!(self, Self::Perhaps | Self::NotSent)
    }

    /// The words for it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Sealed => "encrypted to its key of the deal, over TLS",
            Self::Tls => "encrypted on the way, over TLS",
            Self::Perhaps => {
                "to the service in your own host; too short to tell whether a message has it"
            }
            Self::NotSent => "to the service in your own host; no message has it as you gave it",
        }
    }
}

/// What one deal has given out, in order.
///
/// # Errors
/// When the archive cannot be read.
pub fn disclosed(
    archive: &Archive,
    verifier: &Verifier,
    row: &DealRow,
) -> Result<Vec<Disclosure>, ArchiveError> {
    let Ok(agreement) = Agreement::decode(&row.agreement) else { return Ok(Vec::new()) };
    let sealed = match agreement.hello.attributes.confidential {
        true => Travelled::Sealed,
        false => Travelled::Tls,
    };
    let deal = Deal { row, own: agreement.name(row.side).to_owned(), sealed };
    let at = if row.side == Side::Buyer { agreement.hello.made } else { row.opened };
    let mut all = vec![deal.gave(&row.peer, "name", &deal.own, at, "agreement", Travelled::Tls)];
    for item in archive.evidence(Some(row.id))? {
        if item.kind == "exchange" {
            all.extend(deal.paid(&item, &agreement));
        }
        let Some(statement) = evidence::statement(verifier, &item) else { continue };
        match &statement.content {
            // The bank's word shows the payee whose account the money came from.
            Content::PaymentConfirmation(paid) if row.side == Side::Buyer => {
                let (at, by) = (statement.made, statement.content.kind().name());
                all.push(deal.gave(&row.peer, "from account", &paid.from, at, by, sealed));
            }
            _ if item.signer == deal.own => all.extend(deal.stated(&statement)),
            _ => {}
        }
    }
    let sent: Vec<(Timestamp, Vec<u8>)> = archive
        .all_messages(row.id, true)?
        .iter()
        .filter_map(|message| sent(&message.bytes))
        .collect();
    let mut clock = row.opened;
    for call in archive.journal(row.id)? {
        let Ok(record) = cbor::decode::<Record>(&call.record, MAX_PART) else { continue };
        if record.function == "now" {
            clock = cbor::decode(&call.result, MAX_PART).unwrap_or(clock);
        }
        all.extend(deal.told((&record, &call), clock, &sent));
    }
    all.sort_by_key(|it| it.at);
    Ok(once(all))
}

struct Deal<'a> {
    row: &'a DealRow,
    own: String,
    sealed: Travelled,
}

impl Deal<'_> {
    fn gave(
        &self,
        to: &str,
        what: &str,
        value: &str,
        at: Timestamp,
        by: &str,
        travelled: Travelled,
    ) -> Disclosure {
        let [to, what, value, by] = [to, what, value, by].map(str::to_owned);
        Disclosure { to, what, value, at, deal: self.row.id, by, travelled }
    }

    /// What of the person stands in a statement of her own: where goods go, and her account. A
    /// statement about an account goes to the bank that keeps it, any other to the other side.
    fn stated(&self, statement: &Statement) -> Vec<Disclosure> {
        let (made, name) = (statement.made, statement.content.kind().name());
        let one = |it: Detail| match &it.bank {
            Some(bank) => self.gave(bank, it.what, &it.value, made, name, Travelled::Tls),
            None => self.gave(&self.row.peer, it.what, &it.value, made, name, self.sealed),
        };
        of_statement(statement).into_iter().map(one).collect()
    }

    /// What our payment system was told by the order that locks the money of an exchange.
    fn paid(&self, item: &EvidenceRow, agreement: &Agreement) -> Vec<Disclosure> {
        let evidence = cbor::decode::<Exchanged<Standard>>(&item.bytes, item.bytes.len());
        let (Ok(evidence), Ok(way)) = (evidence, agreement.payment.parse::<Way>()) else {
            return Vec::new();
        };
        let (agreed, own) = (&evidence.agreement, agreement.keys(self.row.side).sign);
        let system = way.system.unwrap_or(way.module);
        let roles = [Role::Originator, Role::Responder].into_iter();
        let money = roles
            .filter(|role| agreed.party(*role).sign == own)
            .flat_map(|role| agreed.gives(role))
            .filter_map(|leaf| leaf.item.money());
        money
            .map(|it| {
                let what = format!("{} to account {}", it.amount, it.payee);
                self.gave(&system, "payment", &what, item.stored, "exchange", Travelled::Tls)
            })
            .collect()
    }

    /// What the person told the service by a call, and whether it was sent on.
    fn told(
        &self,
        (record, call): (&Record, &JournalRow),
        clock: Timestamp,
        sent: &[(Timestamp, Vec<u8>)],
    ) -> Vec<Disclosure> {
        let (told, by) = match (record.class, record.function.as_str()) {
            (Class::Wait, "tinguin/display.form") => (filled(call), "form"),
            (Class::Read, "archive/preferences.get") => (preference(call), "preference"),
            _ => return Vec::new(),
        };
        let one = |(what, value): (String, String)| {
            let in_message = |it: &&(Timestamp, Vec<u8>)| contains(&it.1, value.as_bytes());
            let found = sent.iter().find(in_message);
            let (at, travelled) = match found {
                Some((at, _)) if value.chars().count() >= SHORTEST => (*at, self.sealed),
                Some(_) => (clock, Travelled::Perhaps),
                None => (clock, Travelled::NotSent),
            };
            self.gave(&self.row.peer, &what, &value, at, by, travelled)
        };
        told.into_iter().filter(|it| !it.1.is_empty()).map(one).collect()
    }
}

/// The fields of a form, and what was filled in.
fn filled(call: &JournalRow) -> Vec<(String, String)> {
    let question = cbor::decode::<Question>(&call.request, MAX_PART);
    let answer = cbor::decode::<Answer>(&call.result, MAX_PART);
    match (question, answer) {
        (Ok(Question::Form { topic, fields, .. }), Ok(Answer::Fields(answers))) => {
            let names = fields.into_iter().map(|it| format!("{topic}: {}", it.0));
            names.zip(answers).collect()
        }
        _ => Vec::new(),
    }
}

/// A preference that the service was given.
fn preference(call: &JournalRow) -> Vec<(String, String)> {
    let key = cbor::decode::<String>(&call.request, MAX_PART);
    let value = cbor::decode::<Option<String>>(&call.result, MAX_PART);
    match (key, value) {
        (Ok(key), Ok(Some(value))) => vec![(key, value)],
        _ => Vec::new(),
    }
}

/// What a message of ours carries, and when it was made.
fn sent(bytes: &[u8]) -> Option<(Timestamp, Vec<u8>)> {
    let message = Message::unverified(bytes)?;
    let body = match message.container.item()? {
        Item::Information { body, .. } => body.to_vec(),
        Item::Statement(bytes) | Item::Money(bytes) | Item::Exchange(bytes) => bytes.to_vec(),
    };
    Some((message.header.made, body))
}

fn contains(all: &[u8], what: &[u8]) -> bool {
    !what.is_empty() && all.windows(what.len()).any(|it| it == what)
}

/// The same detail to the same receiver is one line, by whatever it was told first; what was sent
/// counts more than what was only told to the service.
fn once(all: Vec<Disclosure>) -> Vec<Disclosure> {
    let mut seen = BTreeMap::new();
    let mut kept: Vec<Disclosure> = Vec::new();
    for it in all {
        let what = it.what.rsplit(": ").next().unwrap_or_default().to_owned();
        let at = *seen.entry((it.to.clone(), what, it.value.clone())).or_insert(kept.len());
        match kept.get_mut(at) {
            Some(before) if it.travelled < before.travelled && before.travelled.is_untold() => {
                *before = it;
            }
            Some(_) => {}
            None => kept.push(it),
        }
    }
    kept
}
