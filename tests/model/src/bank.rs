//! The bank of the model: production's authority checks and production's life of a hold.

use std::collections::BTreeMap;

use semper_base::{Digest, Timestamp};
use semper_exchange::bank::{Claim, Fact, Order, authorise, begin, hold_name};
use semper_exchange::crypto::Signed;
use semper_exchange::mutation::{Rule, leaves_out};
use semper_exchange::{Body as _, Crypto as _};
use semper_ledger::{Hold, HoldMovement, Instruction};

use crate::setup::price;
use crate::symbolic::{Hand, Symbolic, Who};

/// A hold at the bank.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// What was ordered; none for a fence.
    pub order: Option<Order<Symbolic>>,
    /// Where it stands.
    pub hold: Hold,
    /// The share that opened it.
    pub opened: Option<u8>,
    /// The leaf and exchange.
    pub leaf: (Digest, Digest),
}

/// The bank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bank {
    /// Holds by name.
    pub rows: BTreeMap<Digest, Row>,
    /// What has moved: out of payers' accounts, held, to payees'.
    pub moved: (i64, i64, i64),
}

type Said = Option<Signed<Symbolic, Fact<Symbolic>>>;

impl Bank {
    /// The row of a leaf under a third party.
    pub fn row(&self, third_party: Who, leaf: Digest) -> Option<&Row> {
        self.rows.get(&hold_name::<Symbolic>(&third_party, leaf))
    }

    fn step(
        &mut self,
        name: Digest,
        instruction: Instruction,
        now: Timestamp,
    ) -> Result<Hold, semper_ledger::HoldError> {
        let before = self.rows.get(&name).map(|row| row.hold);
        let (hold, movement) = Hold::step(before, instruction, now)?;
        match movement {
            Some(HoldMovement::IntoHold(amount)) => {
                self.moved.0 -= amount.minor();
                self.moved.1 += amount.minor();
            }
            Some(HoldMovement::Across(amount)) => {
                self.moved.0 -= amount.minor();
                self.moved.2 += amount.minor();
            }
            Some(HoldMovement::ToPayee(amount)) => {
                self.moved.1 -= amount.minor();
                self.moved.2 += amount.minor();
            }
            Some(HoldMovement::ToPayer(amount)) => {
                self.moved.1 -= amount.minor();
                self.moved.0 += amount.minor();
            }
            None => {}
        }
        Ok(hold)
    }

    fn say(&self, name: Digest) -> Said {
        let row = self.rows.get(&name)?;
        let order = row.order.as_ref().map(|it| Symbolic::digest(Order::<Symbolic>::KIND, it));
        let fact = Fact { leaf: row.leaf.0, order, hold: row.hold, opened: row.opened };
        let hand = Hand { who: Who::Bank };
        Signed::new(&hand, row.leaf.1, fact).ok()
    }

    /// Holds or pays; whoever asks has enough.
    pub fn hold(&mut self, order: &Order<Symbolic>, now: Timestamp) -> Said {
        let name = hold_name::<Symbolic>(&order.third_party, order.leaf);
        if self.rows.get(&name).is_some_and(|row| row.order.as_ref().is_some_and(|it| it != order))
        {
            return self.say(name);
        }
        if let Ok(hold) = self.step(name, begin(order), now) {
            let leaf = (order.leaf, order.exchange);
            let row = Row { order: Some(order.clone()), hold, opened: None, leaf };
            self.rows.entry(name).or_insert(row).hold = hold;
        }
        self.say(name)
    }

    /// Follows a claim about a leaf.
    pub fn claim(
        &mut self,
        third_party: Who,
        leaf: (Digest, Digest),
        claim: &Claim<Symbolic>,
        now: Timestamp,
    ) -> Said {
        let name = hold_name::<Symbolic>(&third_party, leaf.0);
        let Some(row) = self.rows.get(&name).cloned() else {
            if let Claim::Fence(fence, key) = claim
                && *key == third_party
                && fence.is_by(key, leaf.1)
                && !leaves_out(Rule::FenceLasts)
            {
                let hold = self.step(name, Instruction::Fence, now).ok()?;
                self.rows.insert(name, Row { order: None, hold, opened: None, leaf });
                return self.say(name);
            }
            return match claim {
                // Without a fence, "not paid" is just what is so now.
                Claim::Look if leaves_out(Rule::Fence) => Self::never(leaf),
                Claim::Fence(..) if leaves_out(Rule::FenceLasts) => Self::never(leaf),
                _ => None,
            };
        };
        let Some(order) = &row.order else { return self.say(name) };
        if let Ok(instruction) = authorise(order, claim, now) {
            let instruction = match instruction {
                Instruction::Revoke
                    if order.payer == Who::Originator && leaves_out(Rule::RevokeBoth) =>
                {
                    Instruction::Finalize { verdict: true }
                }
                instruction => instruction,
            };
            if let Ok(hold) = self.step(name, instruction, now)
                && let Some(row) = self.rows.get_mut(&name)
            {
                if let (Claim::Open(share), Hold::Released(_)) = (claim, hold) {
                    row.opened = Some(*share);
                }
                row.hold = hold;
            }
        }
        self.say(name)
    }

    /// "Not paid", as a bank says that does not remember having said so.
    fn never(leaf: (Digest, Digest)) -> Said {
        let fact = Fact { leaf: leaf.0, order: None, hold: Hold::Never, opened: None };
        Signed::new(&Hand { who: Who::Bank }, leaf.1, fact).ok()
    }

    /// Time has passed: what is held until then falls back, or on.
    pub fn pass(&mut self, now: Timestamp) {
        for name in self.rows.keys().copied().collect::<Vec<_>>() {
            if let Ok(hold) = self.step(name, Instruction::Look, now)
                && let Some(row) = self.rows.get_mut(&name)
            {
                row.hold = hold;
            }
        }
    }

    /// Whether nothing has come from nowhere.
    pub fn balances(&self) -> bool {
        let (payers, held, payees) = self.moved;
        let count = i64::try_from(self.rows.len()).unwrap_or(i64::MAX);
        payers + held + payees == 0 && held >= 0 && payees >= 0 && payees <= count * price().minor()
    }
}
