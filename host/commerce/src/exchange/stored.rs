//! An exchange as it lies in the archive, and what it has given at its end.

use semper_archive::ExchangeRow;
use semper_base::{DealId, ExchangeId, Timestamp, cbor};
use semper_exchange::crypto::Signed;
use semper_exchange::crypto::{Holder, HolderError};
use semper_exchange::judge::{Evidence, unrequited};
use semper_exchange::message::Accept;
use semper_exchange::obtained::{Obtained, Stated, obtained};
use semper_exchange::originator::State as Originating;
use semper_exchange::package::{Enclosed, Part};
use semper_exchange::standard::Standard;
use semper_exchange::{Agreed, Driven, End, Message, Role};
use serde::{Deserialize, Serialize};

use semper_runtime::Stop;
use semper_runtime::exchange::{Got, MAX_STORED, Outcome, secrets};

use super::holder::Opened;

/// An exchange as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stored {
    /// Where it stands.
    pub machine: Driven<Standard>,
    /// What stands behind our leaves, and behind the other side's.
    pub enclosed: (Vec<Enclosed>, Vec<Enclosed>),
    /// The other side's information, once it is open.
    pub opened: Opened,
    /// Whether the other side has not taken yet what we said last. The archive keeps it: an exchange
    /// that is over, with nothing owed, is open for nothing else.
    #[serde(skip)]
    pub unsaid: bool,
    /// What somebody has said who did not do his part, in words for the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The X2 that an originator was about to deliver for: older versions kept it here, beside a
    /// machine that did not know of it. See [`Stored::read`].
    #[serde(default, skip_serializing)]
    pub accepted: Option<Signed<Standard, Accept<Standard>>>,
}

impl Stored {
    /// An exchange that begins.
    pub(crate) fn new(
        agreement: Agreed<Standard>,
        role: Role,
        enclosed: (Vec<Enclosed>, Vec<Enclosed>),
        holder: &impl Holder<Standard>,
    ) -> Result<Self, HolderError> {
        let secrets = secrets(&agreement, role, holder)?;
        let machine = Driven::new(agreement, role, secrets);
        let (opened, unsaid) = (Vec::new(), false);
        Ok(Self { machine, enclosed, opened, unsaid, why: None, accepted: None })
    }

    /// What lies in the archive.
    pub(crate) fn read(row: &ExchangeRow) -> Result<Self, Stop> {
        let damaged = || Stop::broken(format!("{} is damaged in the archive", row.id));
        let mut stored: Self = cbor::decode(&row.state, MAX_STORED).map_err(|_| damaged())?;
        if let (Some(accept), Driven::Originator(it)) =
            (stored.accepted.take(), &mut stored.machine)
            && it.state == Originating::Offered
        {
            it.kept.accept = Some(accept);
            it.state = Originating::Delivering;
        }
        stored.unsaid = row.open && stored.machine.is_closed();
        Ok(stored)
    }

    /// The row for the archive.
    pub(crate) fn row(&self, deal: DealId, at: Timestamp) -> ExchangeRow {
        let end = self.machine.end();
        ExchangeRow {
            id: self.id(),
            deal,
            state: cbor::encode(self),
            open: !self.machine.is_closed() || self.unsaid,
            ended: end.map(|end| match &self.why {
                Some(why) => format!("{end}; {why}"),
                None => end.to_string(),
            }),
            changed: at,
        }
    }

    /// Our last message, if the other side has not taken it yet. A machine that is over does not say it
    /// by itself again; it answers whoever repeats what comes before.
    pub(crate) fn unsaid(&self) -> Option<Message<Standard>> {
        let kept = self.machine.kept();
        match self.machine.role() {
            _ if !self.unsaid => None,
            Role::Originator => kept.deliver.clone().map(Message::Deliver),
            Role::Responder => kept.settle.clone().map(Message::Settle),
        }
    }

    pub(crate) fn id(&self) -> ExchangeId {
        self.machine.agreement().id()
    }

    /// Whether it has ended, and all is known of it. Of one that nobody has decided in time the bank says
    /// where its money is.
    pub(crate) fn is_settled(&self) -> bool {
        match self.machine.end() {
            None => false,
            Some(End::Lapsed | End::Expired) => self.machine.is_closed(),
            Some(_) => true,
        }
    }

    /// Everything signed: what a judge takes.
    pub(crate) fn evidence(&self) -> Vec<u8> {
        cbor::encode(&self.signed())
    }

    fn signed(&self) -> Evidence<Standard> {
        match &self.machine {
            Driven::Originator(it) => it.evidence(),
            Driven::Responder(it) => it.evidence(),
        }
    }

    /// The side whose money has gone in an exchange that has come to nothing, by what any judge finds.
    pub(crate) fn unrequited(&self, at: Timestamp) -> Option<Role> {
        unrequited(&self.signed(), at)
    }
}

/// What an exchange that has ended has come to.
pub(crate) fn outcome(stored: &Stored, parts: &[Part], end: End, at: Timestamp) -> Outcome {
    match end {
        End::Done | End::Completed => {}
        End::Aborted | End::Expired | End::Lapsed => {
            return match stored.unrequited(at) {
                Some(_) => Outcome::OneSided(end),
                // Nothing has come, and locked money has gone back.
                None => Outcome::Undone(end),
            };
        }
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
