//! What an exchange has come to, as the journal keeps it; and the deal's statements, signed by
//! themselves or in an exchange.

use semper_base::{Amount, Digest, cbor};
use semper_exchange::End;
use semper_exchange::obtained::Stated;
use semper_items::{SignedStatement, Statement};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::handles::Deal;
use crate::stop::Cause;

/// Bytes of a stored exchange, at most.
pub const MAX_STORED: usize = 4 * 1024 * 1024;

/// What an exchange has come to, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// What has come, in the order of the other side's leaves.
    Got(Vec<Got>),
    /// Nothing was exchanged, and nothing lost.
    Undone(End),
    /// Somebody is at fault.
    Broken(End),
    /// Nobody is shown to be at fault; money has gone, and nothing has come for it.
    OneSided(End),
}

impl Outcome {
    /// One sentence about it.
    pub fn words(&self) -> String {
        match self {
            Self::Got(got) => {
                let one = |got: &Got| match got {
                    Got::Statement(stated) => match Statement::decode(&stated.statement) {
                        Ok(statement) => semper_tinguin_protocol::screen::summary(&statement),
                        Err(_) => "a statement that cannot be read".into(),
                    },
                    Got::Signed(_) => "a signed statement".into(),
                    Got::Money { amount, .. } => amount.to_string(),
                    Got::Information(kind, body) => {
                        format!("information “{kind}”, {} bytes", body.len())
                    }
                };
                let all: Vec<String> = got.iter().map(one).collect();
                format!("exchanged; got {}", all.join(" and "))
            }
            Self::Undone(end) | Self::Broken(end) => end.to_string(),
            Self::OneSided(end) => Cause::OneSided(*end).to_string(),
        }
    }
}

/// One of the other side's leaves, when it is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Got {
    /// A statement, with all that proves it.
    Statement(Box<Stated>),
    /// A statement that the other side has signed by itself: on a stage.
    Signed(ByteBuf),
    /// Money, and the payment system's word for it.
    Money {
        /// How much.
        amount: Amount,
        /// What for.
        purpose: Digest,
        /// The payment system's signed word.
        fact: ByteBuf,
    },
    /// Information: its kind and bytes.
    Information(String, ByteBuf),
}

/// A statement of this deal: signed by itself, or in an exchange.
#[derive(Clone, Debug)]
pub struct Declared {
    statement: Statement,
    digest: Digest,
    signer: String,
    bytes: Vec<u8>,
}

impl Declared {
    /// As it was signed in an exchange by somebody of this name.
    pub(crate) fn exchanged(
        statement: Statement,
        digest: Digest,
        signer: &str,
        by: &Stated,
    ) -> Self {
        Self { statement, digest, signer: signer.to_owned(), bytes: cbor::encode(by) }
    }

    /// Our own, given in an exchange: the other side has the signature.
    pub(crate) fn own(statement: Statement, digest: Digest, signer: &str) -> Self {
        let bytes = cbor::encode(&statement);
        Self { statement, digest, signer: signer.to_owned(), bytes }
    }

    /// What a checkpoint carried over of what was exchanged: the other side's must be proved.
    pub(crate) fn carried(bytes: &[u8], deal: &Deal) -> Option<Self> {
        let (own, peer) = (deal.side, deal.side.other());
        if let Ok(stated) = cbor::decode::<Stated>(bytes, MAX_STORED) {
            let (statement, key) = stated.verify().ok()?;
            let theirs = key == deal.agreement.keys(peer).sign && statement.deal == deal.id;
            let digest = Digest::of(&stated.statement);
            let name = deal.agreement.name(peer);
            return theirs.then(|| Self::exchanged(statement, digest, name, &stated));
        }
        let statement = Statement::decode(bytes).ok()?;
        let ours = statement.deal == deal.id;
        ours.then(|| Self::own(statement, Digest::of(bytes), deal.agreement.name(own)))
    }

    /// What is declared.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Its name.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The certified name of the signer.
    pub fn signer(&self) -> &str {
        &self.signer
    }

    /// What proves it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<SignedStatement> for Declared {
    fn from(signed: SignedStatement) -> Self {
        Self {
            digest: signed.digest(),
            signer: signed.signer().name.clone(),
            bytes: signed.bytes().to_vec(),
            statement: signed.statement().clone(),
        }
    }
}
