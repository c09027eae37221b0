//! COSE_Sign1 (RFC 9052) with Ed25519, in the one shape that semper uses.
//!
//! The protected header holds `alg` EdDSA and either `x5chain` (RFC 9360; statements, by a
//! certified identity) or `kid` (messages, by a deal's key). Nothing is unprotected, the
//! payload is embedded, and the external AAD is `semper/v1/` and the domain: a signature
//! for one kind of thing is never one for another.

use std::convert::Infallible;

use coset::cbor::value::Value;
use coset::iana::{self, EnumI64 as _};
use coset::{CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, Label};

use crate::cbor::CborError;
use crate::cert::{CertError, Certificate, Identity, Role, Verifier};
use crate::clock::Timestamp;
use crate::id::KeyId;
use crate::keys::{KeyError, PublicKey, SigningKey, Signs};

/// Most certificates that travel with a signature (leaf, issuing CA; the root stays at home).
pub const MAX_CHAIN: usize = 3;

/// Why a signed structure is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoseError {
    /// Not COSE_Sign1 in the project's canonical shape.
    #[error("not a signed structure of semper: {0}")]
    Form(&'static str),
    /// Too long or not canonical.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// The signature or key is wrong.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate chain is not believed.
    #[error(transparent)]
    Certificate(#[from] CertError),
    /// Signed by another deal key than the one the deal pins.
    #[error("signed by {got}, but {want} was expected")]
    OtherKey {
        /// The key that signed.
        got: KeyId,
        /// The key that should have signed.
        want: KeyId,
    },
}

impl CoseError {
    /// Whether nothing is wrong, as far as is known: asking again later helps, nobody is at fault.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Certificate(error) if error.is_passing())
    }
}

/// The signer, as the protected header says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signatory {
    /// A certified identity: leaf first.
    Chain(Vec<Certificate>),
    /// A deal's key, which the deal's agreement names.
    Key(KeyId),
}

/// A signed structure whose form has been checked, but not yet whose signature it is.
#[derive(Debug, Clone)]
pub struct Unverified {
    inner: CoseSign1,
    signatory: Signatory,
    domain: String,
}

/// Signs `payload` in a domain such as `statement` or `message`.
pub fn sign(key: &SigningKey, signatory: &Signatory, domain: &str, payload: &[u8]) -> Vec<u8> {
    let signed = signed(signatory, domain, payload, |tbs| Ok::<_, Infallible>(key.sign(tbs)));
    let Ok(bytes) = signed;
    bytes
}

/// As [`sign`], by a key that may be kept elsewhere.
///
/// # Errors
/// What keeps the key does not sign now.
pub fn sign_by(
    key: &dyn Signs,
    signatory: &Signatory,
    domain: &str,
    payload: &[u8],
) -> Result<Vec<u8>, KeyError> {
    signed(signatory, domain, payload, |tbs| key.try_sign(tbs))
}

fn signed<E>(
    signatory: &Signatory,
    domain: &str,
    payload: &[u8],
    sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
) -> Result<Vec<u8>, E> {
    let unsigned = unsigned(signatory, payload.to_vec());
    let signature = sign(&unsigned.tbs_data(&aad(domain)))?.to_vec();
    Ok(CoseSign1 { signature, ..unsigned }.to_vec().expect("our own structure encodes"))
}

/// Parses a signed structure of at most `most` bytes; [`Unverified`] then demands a key.
pub fn parse(bytes: &[u8], domain: &str, most: usize) -> Result<Unverified, CoseError> {
    if bytes.len() > most {
        return Err(CborError::TooLong { got: bytes.len(), most }.into());
    }
    let inner = CoseSign1::from_slice(bytes).map_err(|_| CoseError::Form("not COSE_Sign1"))?;
    let signatory = signatory(&inner)?;
    let payload = inner.payload.clone().ok_or(CoseError::Form("the payload is missing"))?;
    let same = CoseSign1 { signature: inner.signature.clone(), ..unsigned(&signatory, payload) };
    let canonical = same.to_vec().map_err(|_| CoseError::Form("cannot be encoded again"))?;
    if canonical != bytes {
        return Err(CborError::NotCanonical.into());
    }
    Ok(Unverified { inner, signatory, domain: domain.to_owned() })
}

impl Unverified {
    /// The signer by its own claim, not verified yet.
    pub fn signatory(&self) -> &Signatory {
        &self.signatory
    }

    /// The payload, for looking at before it is believed (which deal, which account).
    pub fn peek(&self) -> &[u8] {
        self.inner.payload.as_deref().unwrap_or_default()
    }

    /// The payload, if `key` signed it.
    pub fn verify_key(self, key: &PublicKey) -> Result<Vec<u8>, CoseError> {
        let Signatory::Key(got) = self.signatory else {
            return Err(CoseError::Form("signed by a certificate where a deal's key is due"));
        };
        if got != key.id() {
            return Err(CoseError::OtherKey { got, want: key.id() });
        }
        self.check(key)?;
        Ok(self.inner.payload.unwrap_or_default())
    }

    /// The payload and who signed it, if `verifier` believes the chain `at` that time and it says
    /// that the holder may act in `role`.
    pub fn verify_identity(
        self,
        verifier: &Verifier,
        role: Role,
        at: Timestamp,
    ) -> Result<(Vec<u8>, Identity), CoseError> {
        self.verify_identity_as(verifier, &[role], at)
    }

    /// As [`Unverified::verify_identity`], in any of these roles.
    pub fn verify_identity_as(
        self,
        verifier: &Verifier,
        roles: &[Role],
        at: Timestamp,
    ) -> Result<(Vec<u8>, Identity), CoseError> {
        let Signatory::Chain(chain) = &self.signatory else {
            return Err(CoseError::Form("signed by a deal's key where a certificate is due"));
        };
        let identity = verifier.verify_as(chain, roles, at)?;
        self.check(&identity.key)?;
        Ok((self.inner.payload.unwrap_or_default(), identity))
    }

    /// The payload, the key of the certificate that stands first, and the name in it, if that key
    /// signed it. Whether anybody believes the certificate, or ever did, is not asked: enough for
    /// looking up what the same key was told before.
    pub fn verify_own(self) -> Result<(Vec<u8>, PublicKey, String), CoseError> {
        let Signatory::Chain(chain) = &self.signatory else {
            return Err(CoseError::Form("signed by a deal's key where a certificate is due"));
        };
        let first = chain.first().ok_or(CoseError::Form("there is no certificate"))?;
        let (key, name) = (first.key()?, first.subject());
        self.check(&key)?;
        Ok((self.inner.payload.unwrap_or_default(), key, name))
    }

    fn check(&self, key: &PublicKey) -> Result<(), CoseError> {
        let tbs = self.inner.tbs_data(&aad(&self.domain));
        Ok(key.verify(&tbs, &self.inner.signature)?)
    }

    /// The bytes that the signature covers (RFC 9052 §4.4), for checking with openssl.
    pub fn signed_bytes(&self) -> Vec<u8> {
        self.inner.tbs_data(&aad(&self.domain))
    }

    /// The signature's 64 bytes.
    pub fn signature(&self) -> &[u8] {
        &self.inner.signature
    }
}

fn aad(domain: &str) -> Vec<u8> {
    format!("semper/v1/{domain}").into_bytes()
}

fn x5chain() -> Label {
    Label::Int(iana::HeaderParameter::X5Chain.to_i64())
}

fn unsigned(signatory: &Signatory, payload: Vec<u8>) -> CoseSign1 {
    let header = HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA);
    let header = match signatory {
        Signatory::Key(id) => header.key_id(id.digest().as_bytes().to_vec()),
        Signatory::Chain(chain) => {
            let ders: Vec<Value> = chain.iter().map(|c| Value::Bytes(c.der().to_vec())).collect();
            // RFC 9360: one certificate is a byte string, more are an array.
            let value = match <[Value; 1]>::try_from(ders) {
                Ok([one]) => one,
                Err(several) => Value::Array(several),
            };
            header.value(iana::HeaderParameter::X5Chain.to_i64(), value)
        }
    };
    CoseSign1Builder::new().protected(header.build()).payload(payload).build()
}

fn signatory(inner: &CoseSign1) -> Result<Signatory, CoseError> {
    let header = &inner.protected.header;
    let chain = header.rest.iter().find(|(label, _)| *label == x5chain()).map(|(_, value)| value);
    match chain {
        None => {
            let id: [u8; 32] = header
                .key_id
                .as_slice()
                .try_into()
                .map_err(|_| CoseError::Form("neither x5chain nor a key id of 32 bytes"))?;
            Ok(Signatory::Key(KeyId::new(crate::Digest::from_bytes(id))))
        }
        Some(Value::Bytes(der)) => Ok(Signatory::Chain(vec![Certificate::from_der(der)?])),
        Some(Value::Array(ders)) if (2..=MAX_CHAIN).contains(&ders.len()) => ders
            .iter()
            .map(|der| match der {
                Value::Bytes(der) => Ok(Certificate::from_der(der)?),
                _ => Err(CoseError::Form("x5chain holds something else than certificates")),
            })
            .collect::<Result<_, _>>()
            .map(Signatory::Chain),
        Some(_) => Err(CoseError::Form("x5chain is not one to three certificates")),
    }
}
