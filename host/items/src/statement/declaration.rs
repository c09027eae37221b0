//! What a kind's record says of itself, and [`Content`]'s answers from it.

use semper_base::{Amount, Digest, Timestamp};

use super::bounds::ContentError;
use super::rows::Row;
use super::{Content, Kind};

/// What the record of a kind says of itself. What is the same for all records of a kind stands in
/// its [`Entry`].
pub(super) trait Declaration {
    /// Checks bounds and sums.
    fn check(&self) -> Result<(), ContentError>;

    /// The money that it is about, if its kind is about money.
    fn amount(&self) -> Option<Amount> {
        None
    }

    /// The statements that it names, one for each kind of its entry's `refers`.
    fn refers(&self) -> Vec<Digest> {
        Vec::new()
    }

    /// The same, to be changed.
    fn refers_mut(&mut self) -> Vec<&mut Digest> {
        Vec::new()
    }

    /// The signer's account that payments for it go to.
    fn payee(&self) -> Option<&str> {
        None
    }

    /// Until when the signer is bound, if there is an end to it.
    fn valid_until(&self) -> Option<Timestamp> {
        None
    }

    /// A headline for whoever signs it; `peer` is the other side's name.
    fn title(&self, peer: &str) -> String;

    /// What it says, row by row. If its kind is about money, the amount is in one of them.
    fn rows(&self) -> Vec<Row<'_>>;

    /// What signing it means, in one sentence to the signer.
    fn means(&self) -> String;

    /// What it is in one sentence; `made` is the day it was made.
    fn summary(&self, name: &str, made: &str) -> String {
        match self.amount() {
            Some(amount) => format!("{name} of {made} over {amount}"),
            None => format!("{name} of {made}"),
        }
    }

    /// One that makes sense.
    fn example() -> Self
    where
        Self: Sized;
}

impl Content {
    /// Checks bounds and sums.
    pub fn check(&self) -> Result<(), ContentError> {
        self.record().check()
    }

    /// The money that the statement is about, if it is about money.
    pub fn amount(&self) -> Option<Amount> {
        self.record().amount()
    }

    /// The statements that it names by digest, each with the kind that it must be of.
    pub fn refers(&self) -> Vec<(Kind, Digest)> {
        let kinds = self.kind().entry().refers;
        kinds.iter().copied().zip(self.record().refers()).collect()
    }

    /// The same digests, to be changed: for tests and for the bench's forgers.
    pub fn refers_mut(&mut self) -> Vec<&mut Digest> {
        self.record_mut().refers_mut()
    }

    /// The signer's account that payments for it go to, if it names one.
    pub fn payee(&self) -> Option<&str> {
        self.record().payee()
    }

    /// Until when the signer is bound, if there is an end to it.
    pub fn valid_until(&self) -> Option<Timestamp> {
        self.record().valid_until()
    }

    /// A headline for whoever signs it; `peer` is the other side's name.
    pub fn title(&self, peer: &str) -> String {
        self.record().title(peer)
    }

    /// What it says, row by row.
    pub fn rows(&self) -> Vec<Row<'_>> {
        self.record().rows()
    }

    /// What signing it means, in one sentence to the signer.
    pub fn means(&self) -> String {
        self.record().means()
    }

    /// What it is in one sentence; `made` is the day it was made.
    pub(super) fn summary(&self, made: &str) -> String {
        self.record().summary(self.kind().name(), made)
    }
}
