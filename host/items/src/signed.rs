//! A statement whose signature and signer have been verified.

use semper_base::cert::Verifier;
use semper_base::cose::{self, CoseError};
use semper_base::{
    Certificate, DealId, Digest, Identity, KeyId, Mend, Role, SigningKey, Timestamp,
};

use crate::limits;
use crate::statement::{ContentError, Statement};

/// The domain that statements are signed in.
pub const DOMAIN: &str = "statement";

/// A statement, the certified identity that signed it, and the bytes that prove both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedStatement {
    bytes: Vec<u8>,
    statement: Statement,
    signer: Identity,
    digest: Digest,
}

/// Why signed bytes are not accepted as a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Mend)]
pub enum StatementError {
    /// Form, signature or certificate.
    #[error(transparent)]
    #[mend("{IGNORED}")]
    Signature(#[from] CoseError),
    /// The signature is fine, the content is not.
    #[error(transparent)]
    #[mend(from)]
    Content(#[from] ContentError),
    /// A statement of another deal.
    #[error("the statement belongs to {got}, not to {want}")]
    #[mend("{IGNORED}")]
    OtherDeal {
        /// The fault in the statement.
        got: DealId,
        /// Where it was presented.
        want: DealId,
    },
}

impl StatementError {
    /// Whether nothing is wrong, as far as is known: asking again later helps, nobody is at fault.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Signature(error) if error.is_passing())
    }
}

const IGNORED: &str = "do not act on it; the sender's host or the way between is at fault";

impl SignedStatement {
    /// Signs a statement with a certified key: for whoever holds keys (the TINGUIN, a bank).
    pub fn sign(
        statement: &Statement,
        key: &SigningKey,
        chain: Vec<Certificate>,
    ) -> Result<Vec<u8>, ContentError> {
        let payload = statement.encode()?;
        Ok(cose::sign(key, &cose::Signatory::Chain(chain), DOMAIN, &payload))
    }

    /// Verifies signed bytes: `verifier` believes the chain, the signer may act in `role`, the
    /// certificate is valid `at` that time, the statement makes sense.
    pub fn verify(
        bytes: &[u8],
        verifier: &Verifier,
        role: Role,
        at: Timestamp,
    ) -> Result<Self, StatementError> {
        Self::verify_as(bytes, verifier, &[role], at)
    }

    /// As [`SignedStatement::verify`], in any of these roles.
    pub fn verify_as(
        bytes: &[u8],
        verifier: &Verifier,
        roles: &[Role],
        at: Timestamp,
    ) -> Result<Self, StatementError> {
        let parsed = cose::parse(bytes, DOMAIN, limits::SIGNED_STATEMENT)?;
        let (payload, signer) = parsed.verify_identity_as(verifier, roles, at)?;
        let statement = Statement::decode(&payload)?;
        Ok(Self { bytes: bytes.to_vec(), statement, signer, digest: Digest::of(&payload) })
    }

    /// The statement, its digest, and the key and name by which it is signed, whether or not anybody
    /// believes them now: enough to look what the same key was told about it before.
    pub fn peek(bytes: &[u8]) -> Result<(Statement, Digest, (KeyId, String)), StatementError> {
        let parsed = cose::parse(bytes, DOMAIN, limits::SIGNED_STATEMENT)?;
        let (payload, key, name) = parsed.verify_own()?;
        Ok((Statement::decode(&payload)?, Digest::of(&payload), (key.id(), name)))
    }

    /// The same statement, if it belongs to `deal`.
    pub fn of_deal(self, deal: DealId) -> Result<Self, StatementError> {
        if self.statement.deal == deal {
            Ok(self)
        } else {
            Err(StatementError::OtherDeal { got: self.statement.deal, want: deal })
        }
    }

    /// The COSE_Sign1 structure as it travelled.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The statement that the signature covers.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The signer, by its certificate.
    pub fn signer(&self) -> &Identity {
        &self.signer
    }

    /// The digest of the statement (the payload, without the signature): its name.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}
