//! Items that an exchange gave: signatures under statements, by their signer's own hand or by the
//! third party's affidavit, in a form that stands by itself; money as its payment system's word;
//! keys of information.

use semper_base::PublicKey;
use semper_items::hold::Hold;
use semper_items::statement::Statement;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::agreement::Agreed;
use crate::bank::Fact;
use crate::crypto::{Body, Half, Holder, HolderError, Signed};
use crate::information::Proof;
use crate::item::{Information, Item, Role};
use crate::manager::{Manager as _, Place, Received};
use crate::message::{Delivery, Token};
use crate::party::{End, Kept};
use crate::standard::{Sealed, Share, Signature, Standard};
use crate::verdict::{Decided, Decision, Replacement};

/// A statement whose signature was given in an exchange, with all that proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stated {
    /// The exchange agreement, which names the signer's key.
    pub agreement: Agreed<Standard>,
    /// The side that gave it.
    pub from: Role,
    /// Which of that side's leaves.
    pub index: u32,
    /// The statement in its canonical encoding.
    pub statement: ByteBuf,
    /// The signature, or what has its effect.
    pub by: By,
}

/// A signature, or what has its effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum By {
    /// The signer's own signature.
    Hand(Signature),
    /// The third party's affidavit, next to its verdict.
    Affidavit(Box<Decided<Standard>>),
}

/// Why something does not prove what it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the statement is not proved by its exchange: {0}")]
pub struct Unproved(&'static str);

impl Stated {
    /// The statement and the key that it binds, if everything is proved.
    ///
    /// # Errors
    /// The missing or wrong part, as an error.
    pub fn verify(&self) -> Result<(Statement, PublicKey), Unproved> {
        let index = usize::try_from(self.index).unwrap_or(usize::MAX);
        let leaf = self.agreement.gives(self.from).get(index);
        let leaf = leaf.ok_or(Unproved("it has no such item"))?;
        let Item::Statement { statement: digest, signer, .. } = &leaf.item else {
            return Err(Unproved("the item is no statement"));
        };
        if semper_base::Digest::of(&self.statement) != *digest {
            return Err(Unproved("the statement is another"));
        }
        let place = Place { agreement: &self.agreement, from: self.from, index };
        let received = match &self.by {
            By::Hand(signature) => {
                leaf.item.accept(place, &Token::Nothing, &Delivery::Signature(*signature), &Nobody)
            }
            By::Affidavit(decided) => {
                let verdict = &decided.verdict;
                let third = &self.agreement.third_party.sign;
                let complete = matches!(verdict.body().decision, Decision::Complete { .. })
                    && verdict.is_by(third, self.agreement.subject())
                    && verdict.body().check(verdict, &self.agreement).is_ok();
                let replacement = decided.replacements.get(index).filter(|_| complete);
                let replacement = replacement.ok_or(Unproved("no verdict completes it"))?;
                let (item, nothing) = (&leaf.item, &Token::Nothing);
                item.accept_replacement(place, nothing, replacement, decided, &Nobody)
            }
        };
        match received {
            Ok(Received::Here) => {}
            _ => return Err(Unproved("the signature is not the signer's")),
        }
        let statement = Statement::decode(&self.statement);
        Ok((statement.map_err(|_| Unproved("it cannot be read"))?, *signer))
    }
}

/// One leaf of the other side, as it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obtained {
    /// A signature under a statement, or its replacement.
    Statement(By),
    /// Money: its payment system's word that it is here.
    Money(Box<Signed<Standard, Fact<Standard>>>),
    /// Information: the holder has opened it.
    Information(Box<Information>),
}

/// The items of an exchange that has ended well, leaf by leaf; `None` if it has not ended so.
pub fn obtained(
    agreement: &Agreed<Standard>,
    from: Role,
    kept: &Kept<Standard>,
    end: End,
) -> Option<Vec<Obtained>> {
    let (items, decided) = match (end, from) {
        (End::Done, Role::Originator) => (Some(&kept.deliver.as_ref()?.body().items), None),
        (End::Done, Role::Responder) => (kept.settle.as_ref().map(|it| &it.body().items), None),
        (End::Completed, _) => (None, Some(kept.decided()?)),
        _ => return None,
    };
    let leaves = agreement.gives(from).iter().enumerate();
    leaves
        .map(|(index, leaf)| match &leaf.item {
            Item::Information(information) => {
                Some(Obtained::Information(Box::new(information.clone())))
            }
            Item::Money(money) => {
                let place = Place { agreement, from, index };
                let here = |fact: &&Signed<Standard, Fact<Standard>>| {
                    money.is_about(place, fact) && matches!(fact.body().hold, Hold::Released(_))
                };
                let paid = kept.facts.iter().find(here);
                // A payment that was made before is shown by the acceptance.
                let before = || match &kept.accept.as_ref()?.body().tokens.get(index)? {
                    Token::Fact(fact) if from == Role::Responder => Some(fact.as_ref()),
                    _ => None,
                };
                paid.or_else(before).map(|fact| Obtained::Money(Box::new(fact.clone())))
            }
            Item::Statement { .. } => {
                let direct = items.and_then(|it| it.get(index));
                match (direct, decided) {
                    (Some(Delivery::Signature(signature)), _) => {
                        Some(Obtained::Statement(By::Hand(*signature)))
                    }
                    (_, Some(decided)) => match decided.replacements.get(index)? {
                        Replacement::Deposited(Delivery::Signature(signature)) => {
                            Some(Obtained::Statement(By::Hand(*signature)))
                        }
                        _ => Some(Obtained::Statement(By::Affidavit(Box::new(decided.clone())))),
                    },
                    _ => None,
                }
            }
        })
        .collect()
}

/// A holder that only verifies: it signs nothing and opens nothing.
struct Nobody;

impl Holder<Standard> for Nobody {
    fn sign<B: Body>(&self, _: semper_base::Digest, _: &B) -> Result<Signature, HolderError> {
        Err(HolderError::Away("nobody signs here".into()))
    }

    fn open(
        &self,
        _: Half,
        _: &semper_base::Digest,
        _: &Sealed,
    ) -> Result<Option<Share>, HolderError> {
        Ok(None)
    }

    fn seed(&self, _: &semper_base::Digest) -> Result<semper_base::Digest, HolderError> {
        Err(HolderError::Away("nobody keeps seeds here".into()))
    }

    fn holds(&self, _: &semper_base::Digest) -> bool {
        false
    }

    fn examine(&self, _: &Information, _: [&Share; 2]) -> Result<(), Proof> {
        Ok(())
    }
}
