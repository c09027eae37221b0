//! The flow monitor: what may be sent and received in the present state.
//!
//! Both hosts run one over the same declared flow. It also holds what statements refer to: an
//! order accepts the offer of this deal, money is for its order, at its amount. Pure; its state
//! follows from the journal and is rebuilt by replay.

use std::collections::BTreeMap;
use std::sync::Arc;

use semper_base::{Amount, Digest, Timestamp};
use semper_items::Side;
use semper_items::statement::{Binds, Kind, Statement};
use semper_trust::Flow;
use semper_trust::flow::{Action, End, ItemKind};
use serde::{Deserialize, Serialize};

/// An action outside the flow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Not enabled in the present state.
    #[error(
        "{item} by the {} is not enabled in state “{state}”, which enables: {enabled}",
        by.name()
    )]
    NotEnabled {
        /// Who acted.
        by: Side,
        /// What with.
        item: String,
        /// The present state.
        state: String,
        /// What would have been possible.
        enabled: String,
    },
    /// Enabled, but without the consent that it needs.
    #[error("{item} needs the person's consent")]
    NoConsent {
        /// What.
        item: String,
    },
    /// The money is not what the flow binds it to.
    #[error("{item} is over {got}, but the {} is over {want}", of.name())]
    Amount {
        /// What.
        item: String,
        /// Its amount.
        got: String,
        /// The amount it must have.
        want: String,
        /// Whose amount that is.
        of: Kind,
    },
    /// It refers to another statement than that of this deal.
    #[error("{item} does not refer to this deal's {}", of.name())]
    Reference {
        /// What.
        item: String,
        /// What it must refer to.
        of: Kind,
    },
    /// The offer's time is over.
    #[error("the offer was valid until {until}")]
    Expired {
        /// The end of the offer.
        until: Timestamp,
        /// When the statement that accepts it was made, as it says itself.
        made: Timestamp,
    },
}

/// What is being transferred, as far as the flow cares.
#[derive(Debug, Clone, Copy)]
pub enum Moving<'a> {
    /// Information of a kind.
    Information(&'a str),
    /// A statement, and its digest.
    Statement(&'a Statement, Digest),
    /// Money: how much, for which order.
    Money(Amount, Digest),
    /// An exchange, by its proposer: what it gives, what it wants.
    Exchange(&'a [Moved], &'a [Moved]),
}

/// An item of an exchange, as far as the flow cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved {
    /// A statement, and its digest.
    Statement(Box<Statement>, Digest),
    /// A statement that is not made yet.
    Kind(Kind),
    /// Money: how much, for which order.
    Money(Amount, Digest),
    /// Information of a kind.
    Information(String),
}

impl Moved {
    fn kind(&self) -> ItemKind {
        match self {
            Self::Statement(statement, _) => ItemKind::Statement(statement.content.kind()),
            Self::Kind(kind) => ItemKind::Statement(*kind),
            Self::Money(..) => ItemKind::Money,
            Self::Information(kind) => ItemKind::Information(kind.clone()),
        }
    }

    /// The statement, if it is there.
    fn statement(&self) -> Option<(&Statement, Digest)> {
        match self {
            Self::Statement(statement, digest) => Some((statement, *digest)),
            _ => None,
        }
    }
}

impl Moving<'_> {
    /// The item as flows name it.
    fn kind(&self) -> ItemKind {
        match self {
            Self::Information(kind) => ItemKind::Information((*kind).to_owned()),
            Self::Statement(statement, _) => ItemKind::Statement(statement.content.kind()),
            Self::Money(..) => ItemKind::Money,
            Self::Exchange(gives, wants) => ItemKind::Exchange {
                gives: gives.iter().map(Moved::kind).collect(),
                wants: wants.iter().map(Moved::kind).collect(),
            },
        }
    }

    /// The statements that are stated by it.
    fn statements(&self) -> impl Iterator<Item = (&Statement, Digest)> {
        let (own, gives, wants): (_, &[Moved], &[Moved]) = match *self {
            Self::Statement(statement, digest) => (Some((statement, digest)), &[], &[]),
            Self::Exchange(gives, wants) => (None, gives, wants),
            _ => (None, &[], &[]),
        };
        own.into_iter().chain(gives.iter().chain(wants).filter_map(Moved::statement))
    }
}

/// What changes of a monitor: what a checkpoint carries over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowState {
    /// The present state.
    pub state: String,
    /// The newest statement of each kind: its digest, and its amount if it has one.
    pub stated: Vec<(Kind, Digest, Option<Amount>)>,
    /// The offer's end.
    pub valid_until: Option<Timestamp>,
}

/// The monitor of one deal.
#[derive(Debug, Clone)]
pub struct Monitor {
    flow: Arc<Flow>,
    state: String,
    stated: BTreeMap<Kind, (Digest, Option<Amount>)>,
    valid_until: Option<Timestamp>,
}

impl Monitor {
    /// At the start of a flow.
    pub fn new(flow: impl Into<Arc<Flow>>) -> Self {
        let flow = flow.into();
        let state = flow.start.clone();
        Self { flow, state, stated: BTreeMap::new(), valid_until: None }
    }

    /// In the state that a checkpoint carried over.
    pub fn resume(flow: Arc<Flow>, carried: &FlowState) -> Self {
        let stated = carried.stated.iter().map(|it| (it.0, (it.1, it.2))).collect();
        let (state, valid_until) = (carried.state.clone(), carried.valid_until);
        Self { flow, state, stated, valid_until }
    }

    /// What a checkpoint carries over.
    pub fn carry(&self) -> FlowState {
        FlowState {
            state: self.state.clone(),
            stated: self.stated.iter().map(|(kind, it)| (*kind, it.0, it.1)).collect(),
            valid_until: self.valid_until,
        }
    }

    /// The present state's name.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// How the deal has ended, if it has.
    pub fn end(&self) -> Option<End> {
        self.flow.states.get(&self.state).and_then(|state| state.end)
    }

    /// What a side may do now, in words.
    pub fn enabled(&self, by: Side) -> Vec<String> {
        self.actions().filter(|it| it.by == by).map(|it| it.item.name()).collect()
    }

    /// The digest of this deal's statement of a kind.
    pub fn stated(&self, kind: Kind) -> Option<Digest> {
        self.stated.get(&kind).map(|it| it.0)
    }

    /// Whether the transfer is enabled; nothing changes.
    pub fn check(
        &self,
        by: Side,
        moving: Moving<'_>,
        consented: bool,
        at: Timestamp,
    ) -> Result<&Action, Violation> {
        let item = moving.kind();
        let action = self.actions().find(|it| it.by == by && it.item == item).ok_or_else(|| {
            Violation::NotEnabled {
                by,
                item: item.name(),
                state: self.state.clone(),
                enabled: self.words(),
            }
        })?;
        if action.consent && !consented {
            return Err(Violation::NoConsent { item: item.name() });
        }
        for (statement, _) in moving.statements() {
            self.check_references(statement, at)?;
        }
        match moving {
            Moving::Information(_) => self.bounded(action, None)?,
            Moving::Statement(statement, _) => self.bounded(action, statement.content.amount())?,
            Moving::Money(amount, purpose) => self.paid_for(action, amount, &purpose)?,
            Moving::Exchange(gives, wants) => {
                for moved in gives.iter().chain(wants) {
                    match moved {
                        Moved::Money(amount, purpose) => self.paid_for(action, *amount, purpose)?,
                        Moved::Statement(statement, _) => {
                            if let Some(amount) = statement.content.amount() {
                                self.bounded(action, Some(amount))?;
                            }
                        }
                        Moved::Kind(_) | Moved::Information(_) => {}
                    }
                }
            }
        }
        Ok(action)
    }

    fn paid_for(&self, action: &Action, amount: Amount, purpose: &Digest) -> Result<(), Violation> {
        if !self.owed(purpose) {
            const ORDER: Kind = Binds::Pay.kind();
            return Err(Violation::Reference { item: ItemKind::Money.name(), of: ORDER });
        }
        self.bounded(action, Some(amount))
    }

    /// Whether money can be for this: a statement of this deal that binds its signer to pay.
    pub fn owed(&self, purpose: &Digest) -> bool {
        Kind::binding(Binds::Pay).any(|kind| self.stated(kind).as_ref() == Some(purpose))
    }

    /// Whether an amount is the one that the action is bound to, if it is bound to any.
    fn bounded(&self, action: &Action, amount: Option<Amount>) -> Result<(), Violation> {
        let Some(of) = action.amount else { return Ok(()) };
        let want = self.stated.get(&of).and_then(|it| it.1);
        if want == amount {
            return Ok(());
        }
        let text = |it: Option<Amount>| it.map_or("nothing".into(), |it| it.to_string());
        let (item, got, want) = (action.item.name(), text(amount), text(want));
        Err(Violation::Amount { item, got, want, of })
    }

    /// Carries an enabled transfer out: the next state.
    pub fn advance(
        &mut self,
        by: Side,
        moving: Moving<'_>,
        consented: bool,
        at: Timestamp,
    ) -> Result<(), Violation> {
        self.state = self.check(by, moving, consented, at)?.to.clone();
        for (statement, digest) in moving.statements() {
            let content = &statement.content;
            self.stated.insert(content.kind(), (digest, content.amount()));
            if let Some(until) = content.valid_until() {
                self.valid_until = Some(until);
            }
        }
        Ok(())
    }

    fn check_references(&self, statement: &Statement, at: Timestamp) -> Result<(), Violation> {
        let content = &statement.content;
        let kind = content.kind();
        if !kind.entry().by.is_service() {
            return Ok(());
        }
        // Of what services do not make, such as payments, no flow knows the digest.
        let stated = content.refers().into_iter().filter(|(of, _)| of.entry().by.is_service());
        for (of, digest) in stated {
            self.refers(kind.name().to_owned(), of, &digest)?;
        }
        match self.valid_until {
            Some(until) if kind.binds() == Binds::Pay && at > until => {
                Err(Violation::Expired { until, made: statement.made })
            }
            _ => Ok(()),
        }
    }

    fn refers(&self, item: String, of: Kind, digest: &Digest) -> Result<(), Violation> {
        if self.stated(of).as_ref() == Some(digest) {
            Ok(())
        } else {
            Err(Violation::Reference { item, of })
        }
    }

    fn actions(&self) -> impl Iterator<Item = &Action> {
        self.flow.states.get(&self.state).into_iter().flat_map(|state| &state.actions)
    }

    fn words(&self) -> String {
        let all: Vec<String> = self
            .actions()
            .map(|it| format!("{} by the {}", it.item.name(), it.by.name()))
            .collect();
        if all.is_empty() { "nothing; the deal has ended".into() } else { all.join(", ") }
    }
}
