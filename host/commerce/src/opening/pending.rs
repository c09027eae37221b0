//! A buyer's openings that are under way: what each waits for, and leaving one.

use semper_archive::{Archive, OpeningRow, Write};
use semper_base::{DealId, Digest, Timestamp, cbor};
use semper_items::Side;
use semper_transfer::opening::Buyer;

use super::{MAX_STATE, OpeningError, damaged, question};

/// An opening of a buyer's that is neither open nor refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// By which it is found.
    pub nonce: Digest,
    /// The deal that comes of it, once an agreement has been drawn up.
    pub deal: Option<DealId>,
    /// The merchant.
    pub peer: String,
    /// Where it is reached.
    pub address: String,
    /// The terms.
    pub terms: Digest,
    /// When it was begun.
    pub made: Timestamp,
    /// How far it has come.
    pub stage: Stage,
}

/// How far an opening has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The merchant has not answered.
    Asking,
    /// The merchant has signed, and the buyer has not: the question in the TINGUIN.
    Signing(Digest),
    /// Both have signed; the merchant has not said that it knows.
    Confirming,
}

impl Pending {
    /// The opening of a row; none if there is nothing to go on with.
    pub(super) fn of(row: &OpeningRow) -> Result<Option<Self>, OpeningError> {
        // An opening whose deal is there has no state of its own any more.
        if row.side != Side::Buyer || row.state.is_empty() {
            return Ok(None);
        }
        let machine: Buyer = cbor::decode(&row.state, MAX_STATE).map_err(|it| damaged(&it))?;
        let (hello, stage) = match machine {
            Buyer::Asking(hello) => (hello, Stage::Asking),
            Buyer::Signing(it, _) => {
                let question = question(row.nonce, &it);
                (it.hello, Stage::Signing(question))
            }
            Buyer::Confirming(it, ..) => (it.hello, Stage::Confirming),
            Buyer::Open(..) | Buyer::Refused(_) => return Ok(None),
        };
        Ok(Some(Self {
            nonce: row.nonce,
            deal: row.deal,
            peer: hello.merchant,
            address: row.address.clone(),
            terms: hello.terms,
            made: hello.made,
            stage,
        }))
    }

    /// What it waits for, in words.
    pub const fn waits_for(&self) -> &'static str {
        match self.stage {
            Stage::Asking => "waits for the merchant's answer; nothing is signed",
            Stage::Signing(_) => "waits for your decision, in the TINGUIN",
            Stage::Confirming => "you have signed; waits for the merchant to say that it is open",
        }
    }
}

/// A buyer's openings that are under way.
///
/// # Errors
/// When the archive cannot be read, or holds what is none.
pub fn pending(archive: &Archive) -> Result<Vec<Pending>, OpeningError> {
    let mut all = Vec::new();
    for row in archive.openings()? {
        all.extend(Pending::of(&row)?);
    }
    Ok(all)
}

/// Leaves an opening that the buyer has not signed: nothing is stored of it, or sent, any more.
/// False if there is none, or if she has signed: then the merchant may know it.
///
/// # Errors
/// When the archive cannot be used.
pub fn leave(archive: &Archive, nonce: Digest) -> Result<bool, OpeningError> {
    loop {
        let Some(row) = archive.opening(nonce)? else { return Ok(false) };
        match Pending::of(&row)? {
            Some(it) if it.stage != Stage::Confirming => {}
            _ => return Ok(false),
        }
        // A host may take it on in the meantime; then it is looked at again.
        archive.commit(vec![Write::LeaveOpening(nonce, row.state)])?;
        if archive.opening(nonce)?.is_none() {
            return Ok(true);
        }
    }
}
