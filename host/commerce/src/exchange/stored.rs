//! An exchange as it lies in the archive, and what it has given at its end.

use semper_archive::ExchangeRow;
use semper_base::{DealId, ExchangeId, Timestamp, cbor};
use semper_exchange::crypto::Signed;
use semper_exchange::crypto::{Away, Holder};
use semper_exchange::judge::Evidence;
use semper_exchange::message::Accept;
use semper_exchange::obtained::{Obtained, Stated, obtained};
use semper_exchange::originator::State as Originating;
use semper_exchange::package::{Enclosed, Part};
use semper_exchange::party::{Effect, Kept};
use semper_exchange::standard::Standard;
use semper_exchange::{Agreed, End, Event, Message, Originator, Responder, Role};
use serde::{Deserialize, Serialize};

use semper_runtime::Stop;
use semper_runtime::exchange::{Got, MAX_STORED, Outcome, secrets};

use super::holder::Opened;

/// Either side's machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Machine {
    Originator(Originator<Standard>),
    Responder(Responder<Standard>),
}

impl Machine {
    pub(crate) fn agreement(&self) -> &Agreed<Standard> {
        match self {
            Self::Originator(it) => &it.agreement,
            Self::Responder(it) => &it.agreement,
        }
    }

    pub(crate) fn role(&self) -> Role {
        match self {
            Self::Originator(_) => Role::Originator,
            Self::Responder(_) => Role::Responder,
        }
    }

    pub(crate) fn kept(&self) -> &Kept<Standard> {
        match self {
            Self::Originator(it) => &it.kept,
            Self::Responder(it) => &it.kept,
        }
    }

    pub(crate) fn end(&self) -> Option<End> {
        match self {
            Self::Originator(it) => it.end(),
            Self::Responder(it) => it.end(),
        }
    }

    pub(crate) fn step(
        self,
        event: Event<Standard>,
        now: Timestamp,
        holder: &impl Holder<Standard>,
    ) -> Result<(Self, Vec<Effect<Standard>>), Away> {
        Ok(match self {
            Self::Originator(it) => {
                let (next, effects) = it.step(event, now, holder)?;
                (Self::Originator(next), effects)
            }
            Self::Responder(it) => {
                let (next, effects) = it.step(event, now, holder)?;
                (Self::Responder(next), effects)
            }
        })
    }
}

/// An exchange as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stored {
    /// Where it stands.
    pub machine: Machine,
    /// What stands behind our leaves, and behind the other side's.
    pub enclosed: (Vec<Enclosed>, Vec<Enclosed>),
    /// The other side's information, once it is open.
    pub opened: Opened,
    /// The X2 that an originator is about to deliver for. It is stored before the TINGUIN is asked
    /// to sign the delivery: whoever dies in between asks for the same signature again, since the
    /// TINGUIN lets an exchange that was delivered be given up no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Signed<Standard, Accept<Standard>>>,
}

impl Stored {
    /// An exchange that begins.
    pub(crate) fn new(
        agreement: Agreed<Standard>,
        role: Role,
        enclosed: (Vec<Enclosed>, Vec<Enclosed>),
        holder: &impl Holder<Standard>,
    ) -> Result<Self, Away> {
        let secrets = secrets(&agreement, role, holder)?;
        let machine = match role {
            Role::Originator => Machine::Originator(Originator::new(agreement, secrets)),
            Role::Responder => Machine::Responder(Responder::new(agreement, secrets)),
        };
        Ok(Self { machine, enclosed, opened: Vec::new(), accepted: None })
    }

    /// What lies in the archive.
    pub(crate) fn read(row: &ExchangeRow) -> Result<Self, Stop> {
        let damaged = || Stop::broken(format!("{} is damaged in the archive", row.id));
        cbor::decode(&row.state, MAX_STORED).map_err(|_| damaged())
    }

    /// The row for the archive.
    pub(crate) fn row(&self, deal: DealId, at: Timestamp) -> ExchangeRow {
        let end = self.machine.end();
        ExchangeRow {
            id: self.id(),
            deal,
            state: cbor::encode(self),
            open: end.is_none() || self.machine.kept().owed.is_some(),
            ended: end.map(|end| end.to_string()),
            changed: at,
        }
    }

    /// Whether this is the X2 that is waited for, and is not stored yet.
    pub(crate) fn accepts(
        &self,
        accept: &Signed<Standard, Accept<Standard>>,
        holder: &impl Holder<Standard>,
    ) -> Result<bool, Away> {
        match &self.machine {
            Machine::Originator(it) => Ok(self.accepted.is_none() && it.takes(accept, holder)?),
            Machine::Responder(_) => Ok(false),
        }
    }

    /// The X2 that the delivery has still to be made for.
    pub(crate) fn to_deliver_for(&self) -> Option<Event<Standard>> {
        let offered =
            matches!(&self.machine, Machine::Originator(it) if it.state == Originating::Offered);
        let accept = self.accepted.as_ref().filter(|_| offered)?;
        Some(Event::Message(Message::Accept(accept.clone())))
    }

    pub(crate) fn id(&self) -> ExchangeId {
        self.machine.agreement().id()
    }

    /// Everything signed: what a judge takes.
    pub(crate) fn evidence(&self) -> Vec<u8> {
        let evidence: Evidence<Standard> = match &self.machine {
            Machine::Originator(it) => it.evidence(),
            Machine::Responder(it) => it.evidence(),
        };
        cbor::encode(&evidence)
    }
}

/// What an exchange that has ended has come to.
pub(crate) fn outcome(stored: &Stored, parts: &[Part], end: End) -> Outcome {
    match end {
        End::Done | End::Completed => {}
        End::Aborted | End::Expired => return Outcome::Undone(end),
        End::Disputed | End::Wronged | End::ThirdPartyFault => return Outcome::Broken(end),
    }
    let machine = &stored.machine;
    let (agreement, from) = (machine.agreement(), machine.role().other());
    let all = obtained(agreement, from, machine.kept(), end).unwrap_or_default();
    let got = |(index, (obtained, part)): (usize, (Obtained, &Part))| match (obtained, part) {
        (Obtained::Statement(by), Part::Statement { statement, .. }) => {
            let index = u32::try_from(index).ok()?;
            let (agreement, statement) = (agreement.clone(), statement.encode().ok()?.into());
            let stated = Stated { agreement, from, index, statement, by };
            Some(Got::Statement(Box::new(stated)))
        }
        (Obtained::Money(fact), Part::Money { money, purpose }) => {
            let (amount, purpose) = (money.amount, *purpose);
            Some(Got::Money { amount, purpose, fact: cbor::encode(&*fact).into() })
        }
        (Obtained::Information(leaf), Part::Information { kind, .. }) => {
            let found = stored.opened.iter().find(|(cipher, _)| *cipher == leaf.cipher);
            found.map(|(_, plain)| Got::Information(kind.clone(), plain.clone()))
        }
        _ => None,
    };
    let all: Option<Vec<Got>> = all.into_iter().zip(parts).enumerate().map(got).collect();
    match all {
        Some(got) if got.len() == parts.len() => Outcome::Got(got),
        // What the machine counts as received is here.
        _ => Outcome::Broken(End::Disputed),
    }
}
