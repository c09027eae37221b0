//! Signed documents: DSSE envelopes with in-toto statements (Statement v1).
//!
//! The signature covers DSSE's pre-authentication encoding; openssl checks it with the key
//! from the certificate that travels along, and python's securesystemslib agrees.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semper_base::cert::{CertError, Verifier};
use semper_base::keys::KeyError;
use semper_base::{Certificate, Digest, Identity, Role, SigningKey, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::layout::{MAX_DOCUMENT, canonical};

/// Media type of an envelope.
pub const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
/// Payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// in-toto's own type URI.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// Predicate type: "I wrote this service".
pub const AUTHORED: &str = "https://semper.example/predicate/authored/v1";
/// Predicate type: "these are my terms of business".
pub const OFFERED: &str = "https://semper.example/predicate/offered/v1";
/// Predicate type: "we examined this".
pub const CERTIFIED: &str = "https://semper.example/predicate/certified/v1";
/// Predicate type: "this no longer holds".
pub const REVOKED: &str = "https://semper.example/predicate/revoked/v1";
/// Predicate type: "what they certify, we certify".
pub const DELEGATED: &str = "https://semper.example/predicate/delegated/v1";

/// A DSSE envelope: a payload with its type and one signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
    /// The signer's chain, leaf first: an addition of ours beside DSSE's two fields.
    chain: Vec<Certificate>,
}

/// An in-toto statement about one artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InToto<P> {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: P,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    name: String,
    digest: BTreeMap<String, String>,
}

/// The predicate of authors and merchants: only who and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// The certified name of the signer.
    pub by: String,
    /// The time at which the signer says that it signed.
    pub at: Timestamp,
}

/// Why an envelope is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Not an envelope with an in-toto statement of the type expected.
    #[error("not a signed statement: {0}")]
    Form(String),
    /// About something else.
    #[error("the signature is about {got}, not about {want}")]
    OtherSubject {
        /// The digest that the statement names.
        got: String,
        /// The digest that it must name.
        want: Digest,
    },
    /// The chain.
    #[error(transparent)]
    Certificate(#[from] CertError),
    /// The signature.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl EnvelopeError {
    /// Whether nothing is wrong, as far as is known: asking again later helps, nobody is at fault.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Certificate(error) if error.is_passing())
    }
}

/// Signs a predicate about an artifact.
pub fn sign<P: Serialize>(
    key: &SigningKey,
    chain: &[Certificate],
    predicate_type: &str,
    name: &str,
    subject: &Digest,
    predicate: P,
) -> Vec<u8> {
    let digest = BTreeMap::from([("sha256".to_owned(), subject.hex())]);
    let statement = InToto {
        kind: STATEMENT.into(),
        subject: vec![Subject { name: name.into(), digest }],
        predicate_type: predicate_type.into(),
        predicate,
    };
    let payload = canonical(&statement);
    let sig = key.sign(&pre_authentication(IN_TOTO, &payload));
    let signature = Signature {
        keyid: key.public().id().to_string(),
        sig: BASE64_STANDARD.encode(sig),
        chain: chain.to_vec(),
    };
    canonical(&Envelope {
        payload_type: IN_TOTO.into(),
        payload: BASE64_STANDARD.encode(payload),
        signatures: vec![signature],
    })
}

/// Verifies an envelope about `subject`: one signature, by an identity that `verifier` believes
/// in `role`, valid `at` that time. The predicate and who signed it.
pub fn verify<P: Serialize + DeserializeOwned>(
    bytes: &[u8],
    predicate_type: &str,
    subject: &Digest,
    verifier: &Verifier,
    role: Role,
    at: Timestamp,
) -> Result<(P, Identity), EnvelopeError> {
    let (named, predicate, identity) = verify_any(bytes, predicate_type, verifier, role, at)?;
    if named != *subject {
        return Err(EnvelopeError::OtherSubject { got: named.to_string(), want: *subject });
    }
    Ok((predicate, identity))
}

/// As [`verify`], whatever the subject; its digest comes first.
pub fn verify_any<P: Serialize + DeserializeOwned>(
    bytes: &[u8],
    predicate_type: &str,
    verifier: &Verifier,
    role: Role,
    at: Timestamp,
) -> Result<(Digest, P, Identity), EnvelopeError> {
    Opened::new(bytes)?.verify(predicate_type, verifier, role, at)
}

/// An envelope that has been taken apart: to be held against one verifier after another.
#[derive(Clone, Debug)]
pub struct Opened {
    payload: Vec<u8>,
    signed: Vec<u8>,
    sig: Vec<u8>,
    chain: Vec<Certificate>,
}

impl Opened {
    /// Takes an envelope with exactly one signature apart. Nothing of it is verified.
    pub fn new(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let (mut envelope, payload) = open(bytes)?;
        let (Some(signature), true) = (envelope.signatures.pop(), envelope.signatures.is_empty())
        else {
            return Err(EnvelopeError::Form("exactly one signature is expected".into()));
        };
        let signed = pre_authentication(&envelope.payload_type, &payload);
        let sig = decode64(&signature.sig)?;
        Ok(Self { payload, signed, sig, chain: signature.chain })
    }

    /// Verifies it: the subject's digest, the predicate and who signed it.
    pub fn verify<P: Serialize + DeserializeOwned>(
        &self,
        predicate_type: &str,
        verifier: &Verifier,
        role: Role,
        at: Timestamp,
    ) -> Result<(Digest, P, Identity), EnvelopeError> {
        self.verify_as(predicate_type, verifier, &[role], at)
    }

    /// As [`Opened::verify`], in any of these roles.
    pub fn verify_as<P: Serialize + DeserializeOwned>(
        &self,
        predicate_type: &str,
        verifier: &Verifier,
        roles: &[Role],
        at: Timestamp,
    ) -> Result<(Digest, P, Identity), EnvelopeError> {
        let identity = verifier.verify_as(&self.chain, roles, at)?;
        identity.key.verify(&self.signed, &self.sig)?;
        let statement: InToto<P> = match serde_json::from_slice(&self.payload) {
            Ok(statement) => statement,
            // What is wrong with it in its own words.
            Err(_) => parse(&self.payload)?,
        };
        if statement.kind != STATEMENT || statement.predicate_type != predicate_type {
            return Err(EnvelopeError::Form(format!("not a {predicate_type}")));
        }
        let digest = subject_of(&statement)?;
        // One encoding for one statement; with that, no key is there twice.
        if canonical(&statement) != self.payload {
            parse::<serde_json::Value>(&self.payload)?;
            return Err(EnvelopeError::Form("the statement is not in canonical form".into()));
        }
        Ok((digest, statement.predicate, identity))
    }
}

/// The one subject of a statement, by SHA-256 and nothing else.
fn subject_of<P>(statement: &InToto<P>) -> Result<Digest, EnvelopeError> {
    let form = |why: &str| EnvelopeError::Form(why.to_owned());
    let [one] = statement.subject.as_slice() else {
        return Err(form("exactly one subject is expected"));
    };
    let mut digests = one.digest.iter();
    match (digests.next(), digests.next()) {
        (Some((algorithm, hex)), None) if algorithm == "sha256" => {
            Digest::from_hex(hex).map_err(|_| form("the subject's digest is damaged"))
        }
        _ => Err(form("the subject must be named by its SHA-256 digest, and by that alone")),
    }
}

/// The claims of an envelope, without verifying anything: for monitors and displays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The common name in the first certificate of each signature.
    pub signers: Vec<String>,
    /// The predicate's type, a URI.
    pub predicate_type: String,
    /// The digest of the thing that it is about.
    pub subject: Digest,
    /// The whole in-toto statement.
    pub statement: serde_json::Value,
}

/// Reads an envelope's claims. Nothing of it is verified.
pub fn claim(bytes: &[u8]) -> Result<Claim, EnvelopeError> {
    let (envelope, payload) = open(bytes)?;
    let statement: InToto<serde_json::Value> = parse(&payload)?;
    let name = |it: &Signature| it.chain.first().map(Certificate::subject).unwrap_or_default();
    Ok(Claim {
        signers: envelope.signatures.iter().map(name).collect(),
        subject: subject_of(&statement)?,
        predicate_type: statement.predicate_type,
        statement: parse(&payload)?,
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, EnvelopeError> {
    crate::json::parse("the statement", bytes).map_err(|error| form(&error))
}

/// DSSE's pre-authentication encoding: what the signature covers.
pub fn pre_authentication(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

fn open(bytes: &[u8]) -> Result<(Envelope, Vec<u8>), EnvelopeError> {
    if bytes.len() > MAX_DOCUMENT {
        return Err(EnvelopeError::Form("too large".into()));
    }
    let envelope: Envelope = parse(bytes)?;
    if envelope.payload_type != IN_TOTO {
        return Err(EnvelopeError::Form(format!("payload type {}", envelope.payload_type)));
    }
    let payload = decode64(&envelope.payload)?;
    Ok((envelope, payload))
}

fn decode64(text: &str) -> Result<Vec<u8>, EnvelopeError> {
    BASE64_STANDARD.decode(text).map_err(|error| form(&error))
}

fn form(error: &impl ToString) -> EnvelopeError {
    EnvelopeError::Form(error.to_string())
}
