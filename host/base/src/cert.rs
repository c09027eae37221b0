//! X.509 certificates in the project's profile (RFC 5280, Ed25519 by RFC 8410).
//!
//! A certificate gives a name, a key and one [`Role`] (an extended key usage of ours, or
//! `serverAuth` for TLS). Paths are validated by `rustls-webpki`, the library that TLS itself
//! relies on; issuing is by `x509-cert`'s builders. See `docs/trust.md`, “X.509 profile”.

mod crl;
mod issue;
mod server_root;
mod verify;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use x509_cert::der::{Decode, Encode, EncodePem, pem::LineEnding};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, SubjectAltName};
use x509_cert::spki::ObjectIdentifier;

use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::keys::{KeyError, PublicKey};

pub use crl::{Crl, ISSUER, MAX_CRL, Withdrawn};
pub use issue::{Authority, Bounds, Request};
pub use server_root::ServerRoot;
pub use verify::{Identity, Revocation, Roots, Verifier, Withdrawals};

/// Largest certificate that is looked at, in bytes.
pub const MAX_CERTIFICATE: usize = 4096;

/// The role that a certificate lets its holder act in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Opens deals and orders.
    Buyer,
    /// Publishes terms and sells.
    Merchant,
    /// Writes services and signs them.
    Author,
    /// Examines and certifies services and terms: a consumer organisation.
    Evaluator,
    /// Keeps accounts and confirms payments.
    Bank,
    /// Issues electronic cash.
    Mint,
    /// Restores fairness of an exchange.
    ThirdParty,
    /// Decides disputes that the evidence leaves open.
    Arbiter,
    /// Keeps a transparency log.
    Log,
    /// Cosigns a log's checkpoints.
    Witness,
    /// Serves TLS under the names in the certificate (`serverAuth`).
    Server,
}

/// The project's object identifiers live under the enterprise number kept for examples (RFC 5612)
/// until the project has registered one of its own; 1996 is the year of the first paper.
static ROLES: [(Role, &str, ObjectIdentifier); 11] = [
    (Role::Buyer, "buyer", ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1996.1.1")),
    (Role::Merchant, "merchant", ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1996.1.2")),
    (Role::Author, "author", ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1996.1.3")),
    (Role::Evaluator, "evaluator", ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1996.1.4")),
    (Role::Bank, "bank", ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1996.1.5")),
    (Role::Mint, "mint", ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1996.1.6")),
    (Role::ThirdParty, "third-party", ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1996.1.7")),
    (Role::Arbiter, "arbiter", ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1996.1.8")),
    (Role::Log, "log", ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1996.1.9")),
    (Role::Witness, "witness", ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1996.1.10")),
    (Role::Server, "server", ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1")),
];

impl Role {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        ROLES.iter().map(|row| row.0)
    }

    /// The extended key usage that stands for it.
    pub fn oid(self) -> &'static ObjectIdentifier {
        &self.row().2
    }

    fn row(self) -> &'static (Self, &'static str, ObjectIdentifier) {
        ROLES.iter().find(|row| row.0 == self).expect("every role has its row")
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().1)
    }
}

impl CertError {
    /// Whether nothing is wrong with the certificate, as far as is known: asking again later helps,
    /// and nobody is at fault.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

impl FromStr for Role {
    type Err = CertError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = ROLES.iter().find(|row| row.1 == text).map(|row| row.0);
        found.ok_or_else(|| CertError::Role(text.chars().take(24).collect()))
    }
}

/// Why a certificate, a request or a chain is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertError {
    /// No such role.
    #[error(
        "“{0}” is not a role; roles are buyer, merchant, author, evaluator, bank, mint, third-party, arbiter, log, witness, server"
    )]
    Role(String),
    /// Not DER or PEM of the thing expected.
    #[error("not a certificate or request: {0}")]
    Form(String),
    /// The key inside is not Ed25519 or unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The path does not lead to a root that is believed.
    #[error("the certificate of “{subject}” is not accepted: {why}")]
    Path {
        /// The subject of the certificate.
        subject: String,
        /// The finding of the path validation.
        why: String,
    },
    /// The path is fine, the role is not there.
    #[error("“{subject}” is certified, but not as {role}")]
    NotRole {
        /// The subject of the certificate.
        subject: String,
        /// The role that it would have to name.
        role: Role,
    },
    /// Outside its validity.
    #[error("the certificate of “{subject}” is valid from {from} to {to}, not at {at}")]
    Time {
        /// The subject of the certificate.
        subject: String,
        /// The start of its validity.
        from: Timestamp,
        /// The end of its validity.
        to: Timestamp,
        /// When it was looked at.
        at: Timestamp,
    },
    /// Its authority has withdrawn it.
    #[error("the certificate of “{subject}” has been revoked by its authority")]
    Revoked {
        /// The subject of the certificate, or of the leaf below it.
        subject: String,
    },
    /// Nobody can say whether its authority has withdrawn it.
    #[error("whether the certificate of “{subject}” still holds is not known: {why}")]
    Unknown {
        /// The subject of the certificate.
        subject: String,
        /// The list that is missing or too old.
        why: String,
    },
    /// A chain of more than four certificates.
    #[error("the chain of “{subject}” is longer than four certificates")]
    Long {
        /// The subject of the certificate.
        subject: String,
    },
    /// A name that cannot stand in a certificate.
    #[error("“{0}” cannot be a name: one to 64 characters, none of them control characters")]
    Name(String),
}

/// A parsed certificate and its own bytes.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
}

impl Certificate {
    /// Parses DER of at most [`MAX_CERTIFICATE`] bytes.
    pub fn from_der(der: &[u8]) -> Result<Self, CertError> {
        if der.len() > MAX_CERTIFICATE {
            return Err(CertError::Form(format!("{} bytes are too many", der.len())));
        }
        let parsed = x509_cert::Certificate::from_der(der)
            .map_err(|error| CertError::Form(error.to_string()))?;
        // One certificate, one encoding: no second digest for the same statement.
        if parsed.to_der().ok().as_deref() != Some(der) {
            return Err(CertError::Form("not in canonical form (DER)".into()));
        }
        let this = Self { der: der.to_vec(), parsed };
        this.key()?;
        Ok(this)
    }

    /// Parses one PEM block.
    pub fn from_pem(pem: &str) -> Result<Self, CertError> {
        let (label, der) = x509_cert::der::pem::decode_vec(pem.as_bytes())
            .map_err(|error| CertError::Form(error.to_string()))?;
        if label != "CERTIFICATE" {
            return Err(CertError::Form(format!("a {label}, not a certificate")));
        }
        Self::from_der(&der)
    }

    /// Parses one PEM block or several: a leaf, and the authorities between it and its root.
    ///
    /// # Errors
    /// There is none, or one of them is no certificate.
    pub fn chain_from_pem(pem: &str) -> Result<Vec<Self>, CertError> {
        const END: &str = "-----END CERTIFICATE-----";
        let blocks = pem.split_inclusive(END).filter(|it| it.contains(END));
        let blocks = blocks.map(|it| Self::from_pem(&format!("{}\n", it.trim_start())));
        let chain: Vec<Self> = blocks.collect::<Result<_, _>>()?;
        if chain.is_empty() {
            return Err(CertError::Form("there is no certificate".into()));
        }
        Ok(chain)
    }

    /// A chain as PEM text, as [`Certificate::chain_from_pem`] reads it.
    pub fn chain_to_pem(chain: &[Self]) -> String {
        chain.iter().map(Self::to_pem).collect()
    }

    /// The DER encoding, as it was signed.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate as PEM text.
    pub fn to_pem(&self) -> String {
        self.parsed.to_pem(LineEnding::LF).expect("what parsed encodes")
    }

    /// The common name of the subject.
    pub fn subject(&self) -> String {
        common_name(self.parsed.tbs_certificate().subject())
    }

    /// The common name of the issuer.
    pub fn issuer(&self) -> String {
        common_name(self.parsed.tbs_certificate().issuer())
    }

    /// Whether it may certify others.
    pub fn is_authority(&self) -> bool {
        let extensions = self.parsed.tbs_certificate().get_extension::<BasicConstraints>();
        extensions.ok().flatten().is_some_and(|it| it.1.ca)
    }

    /// The roles that it names; whether they are believed is for a [`Verifier`] to say.
    pub fn roles(&self) -> Vec<Role> {
        let usage = self.parsed.tbs_certificate().get_extension::<ExtendedKeyUsage>();
        let named = usage.ok().flatten().map(|it| it.1.0).unwrap_or_default();
        Role::all().filter(|role| named.contains(role.oid())).collect()
    }

    /// Whether it is the same authority: its name and its key, by whatever certificate.
    pub fn is_same_authority(&self, other: &Self) -> bool {
        let subject = |it: &Self| it.parsed.tbs_certificate().subject().clone();
        subject(self) == subject(other) && self.key().ok() == other.key().ok()
    }

    /// Whether this authority has signed it.
    pub fn is_signed_by(&self, authority: &Self) -> bool {
        let signed = || {
            let tbs = self.parsed.tbs_certificate().to_der().ok()?;
            authority.key().ok()?.verify(&tbs, self.parsed.signature().raw_bytes()).ok()
        };
        authority.is_authority() && self.is_issued_by(authority) && signed().is_some()
    }

    /// Whether it names this certificate's subject as its issuer; nothing is verified.
    pub fn is_issued_by(&self, other: &Self) -> bool {
        self.parsed.tbs_certificate().issuer() == other.parsed.tbs_certificate().subject()
    }

    /// The Ed25519 key inside.
    pub fn key(&self) -> Result<PublicKey, CertError> {
        public_key(self.parsed.tbs_certificate().subject_public_key_info())
    }

    /// The serial number, lower-case hex.
    pub fn serial(&self) -> String {
        crate::digest::hex(self.parsed.tbs_certificate().serial_number().as_bytes())
    }

    /// The DNS names and addresses for which a server may show it.
    pub fn server_names(&self) -> Vec<String> {
        let names = self.parsed.tbs_certificate().get_extension::<SubjectAltName>();
        let all = names.ok().flatten().map(|it| it.1.0).unwrap_or_default();
        let text = |name: &GeneralName| match name {
            GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
            GeneralName::IpAddress(bytes) => match bytes.as_bytes() {
                &[a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
                long => <[u8; 16]>::try_from(long)
                    .ok()
                    .map(|it| std::net::Ipv6Addr::from(it).to_string()),
            },
            _ => None,
        };
        all.iter().filter_map(text).collect()
    }

    /// First and last moment of validity.
    pub fn validity(&self) -> (Timestamp, Timestamp) {
        let validity = self.parsed.tbs_certificate().validity();
        (stamp(&validity.not_before), stamp(&validity.not_after))
    }

    /// The digest of the DER, by which archives name certificates.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.der)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({:?})", self.subject())
    }
}

impl Serialize for Certificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.to_pem())
        } else {
            serializer.serialize_bytes(&self.der)
        }
    }
}

impl<'de> Deserialize<'de> for Certificate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Self::from_pem(&String::deserialize(deserializer)?)
        } else {
            Self::from_der(&serde_bytes::ByteBuf::deserialize(deserializer)?)
        }
        .map_err(serde::de::Error::custom)
    }
}

fn stamp(time: &x509_cert::time::Time) -> Timestamp {
    Timestamp::from_secs(time.to_unix_duration().as_secs())
        .expect("X.509 times end with the year 9999")
}

fn common_name(name: &x509_cert::name::Name) -> String {
    name.common_name()
        .ok()
        .flatten()
        .map_or_else(|| "(no name)".to_owned(), |text| text.value().to_string())
}

fn public_key(info: &x509_cert::spki::SubjectPublicKeyInfoOwned) -> Result<PublicKey, CertError> {
    // RFC 8410 §3: the parameters of Ed25519 are absent.
    let ed25519 = ObjectIdentifier::new_unwrap("1.3.101.112");
    if info.algorithm.oid != ed25519 || info.algorithm.parameters.is_some() {
        return Err(CertError::Key(KeyError::Public));
    }
    let bytes = info.subject_public_key.as_bytes().and_then(|bytes| bytes.try_into().ok());
    Ok(PublicKey::from_bytes(bytes.ok_or(KeyError::Public)?)?)
}
