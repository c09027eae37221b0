//! What a third party takes for deciding, and which side owes it.
//!
//! A third party that is never asked is owed nothing. Each side knows by its trust file what a
//! third party takes, and says how it is ready to share it; both must know the same amount. What
//! they agree on stands in the agreement, so that whoever is shown it knows who owes what.

use semper_base::Amount;
use serde::{Deserialize, Serialize};

use crate::item::Role;
use crate::negotiation::Refusal;

/// The fee that two sides have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fee {
    /// What the third party takes, if it decides.
    pub amount: Amount,
    /// Who owes it then.
    pub owed_by: Debtor,
}

/// Who owes the third party's fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Debtor {
    /// The originator, all of it.
    Originator,
    /// The responder, all of it.
    Responder,
    /// Each side, half of it.
    Both,
}

impl Fee {
    /// What this side owes once the third party has decided. An odd unit is the originator's.
    pub const fn of(&self, role: Role) -> Amount {
        let all = self.amount.minor();
        let minor = match (self.owed_by, role) {
            (Debtor::Originator, Role::Originator) | (Debtor::Responder, Role::Responder) => all,
            (Debtor::Originator, Role::Responder) | (Debtor::Responder, Role::Originator) => 0,
            (Debtor::Both, Role::Originator) => all - all / 2,
            (Debtor::Both, Role::Responder) => all / 2,
        };
        Amount::new(minor, self.amount.currency())
    }
}

/// How a side is ready to share the fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// Each side owes half of it.
    Halves,
    /// The other side owes all of it.
    Theirs,
    /// This side owes all of it.
    Ours,
}

impl Share {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Halves, Self::Theirs, Self::Ours];

    /// The same, as the other side says it.
    pub const fn mirrored(self) -> Self {
        match self {
            Self::Halves => Self::Halves,
            Self::Theirs => Self::Ours,
            Self::Ours => Self::Theirs,
        }
    }

    /// Who owes the fee, if the side of this role says so.
    pub const fn debtor(self, role: Role) -> Debtor {
        match (self, role) {
            (Self::Halves, _) => Debtor::Both,
            (Self::Ours, Role::Originator) | (Self::Theirs, Role::Responder) => Debtor::Originator,
            (Self::Ours, Role::Responder) | (Self::Theirs, Role::Originator) => Debtor::Responder,
        }
    }
}

/// What a side knows and wishes about the fees of its third parties.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fees {
    /// What each of them takes, in their order; nothing for one that takes nothing.
    pub takes: Vec<Option<Amount>>,
    /// Ways of sharing it, most liked first.
    pub shares: Vec<Share>,
}

/// The fee of one third party and how it is shared, nothing if it takes nothing; or what stands in the
/// way.
pub(crate) type Agreed = Result<Option<(Amount, Share)>, Refusal>;

/// The amount and the share that follow from what both sides know and wish of one third party.
pub(crate) fn agreed(
    proposer: (Option<Amount>, &[Share]),
    answerer: (Option<Amount>, &[Share]),
) -> Agreed {
    let Some(amount) = proposer.0 else {
        return if answerer.0.is_none() { Ok(None) } else { Err(Refusal::Fee) };
    };
    if answerer.0 != Some(amount) {
        return Err(Refusal::Fee);
    }
    let share = proposer.1.iter().find(|it| answerer.1.contains(&it.mirrored())).copied();
    // Whoever is ready to owe all of it is ready to owe half.
    let both = proposer.1.contains(&Share::Ours) && answerer.1.contains(&Share::Ours);
    let share = share.or_else(|| both.then_some(Share::Halves));
    share.map(|it| Some((amount, it))).ok_or(Refusal::Share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cents(minor: i64) -> Amount {
        Amount::new(minor, "EUR".parse().unwrap())
    }

    #[test]
    fn what_both_owe_is_the_whole_fee_whoever_owes_it() {
        for owed_by in [Debtor::Originator, Debtor::Responder, Debtor::Both] {
            for minor in [1, 2, 51, 100] {
                let fee = Fee { amount: cents(minor), owed_by };
                let (one, other) = (fee.of(Role::Originator), fee.of(Role::Responder));
                assert_eq!(one.minor() + other.minor(), minor, "{fee:?}");
            }
        }
        let odd = Fee { amount: cents(51), owed_by: Debtor::Both };
        assert_eq!((odd.of(Role::Originator), odd.of(Role::Responder)), (cents(26), cents(25)));
    }

    #[test]
    fn a_share_names_the_same_debtor_from_either_side() {
        for share in Share::ALL {
            let seen = share.debtor(Role::Originator);
            assert_eq!(share.mirrored().debtor(Role::Responder), seen, "{share:?}");
            assert_eq!(share.mirrored().mirrored(), share);
        }
    }

    #[test]
    fn the_proposers_liking_decides_among_what_both_accept() {
        let (halves, theirs, ours) = (Share::Halves, Share::Theirs, Share::Ours);
        let fee = Some(cents(50));
        let found = agreed((fee, &[theirs, halves]), (fee, &[halves, ours])).unwrap();
        assert_eq!(found, Some((cents(50), theirs)));
        let found = agreed((fee, &[theirs, halves]), (fee, &[halves])).unwrap();
        assert_eq!(found, Some((cents(50), halves)));
        assert_eq!(agreed((fee, &[ours]), (fee, &[ours])), Ok(Some((cents(50), halves))));
        assert_eq!(agreed((fee, &[theirs]), (fee, &[theirs])), Err(Refusal::Share));
        assert_eq!(agreed((fee, &[halves]), (Some(cents(60)), &[halves])), Err(Refusal::Fee));
        assert_eq!(agreed((fee, &[halves]), (None, &[])), Err(Refusal::Fee));
        assert_eq!(agreed((None, &[halves]), (fee, &[halves])), Err(Refusal::Fee));
        assert_eq!(agreed((None, &[]), (None, &[])), Ok(None));
    }
}
