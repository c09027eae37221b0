//! Making certificates and requests: what a certification authority and a registrant do.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::ed25519::signature::{self, Keypair, Signer};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder, CertificateBuilder, RequestBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::der::asn1::{BitString, Ia5String, OctetString, SetOfVec, Uint, Utf8StringRef};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::referenced::OwnedToRef as _;
use x509_cert::der::{Any, Decode, DecodePem, Encode, EncodePem, pem::LineEnding};
use x509_cert::ext::pkix::constraints::name::{GeneralSubtree, NameConstraints};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CrlNumber, ExtendedKeyUsage, KeyUsage, KeyUsages,
    SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::request::{CertReq, ExtensionReq};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{
    self, AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, ObjectIdentifier,
    SubjectPublicKeyInfoRef,
};
use x509_cert::time::{Time, Validity};

use super::crl::{Crl, Withdrawn};
use super::{CertError, Certificate, ROLES, Role, public_key};
use crate::clock::Timestamp;
use crate::digest::{Digest, unhex};
use crate::keys::{PublicKey, SigningKey, Signs, random};

type Signature = ed25519_dalek::Signature;
type BuildResult<T> = x509_cert::builder::Result<T>;

/// Years that a root is valid.
const ROOT_YEARS: u64 = 20;

/// Authorities below a root, and one below those.
const ROOT_PATH: u8 = 2;

/// A certification authority: its certificate and its key.
#[derive(Debug)]
pub struct Authority {
    /// The self-signed root, or what its issuer gave it.
    pub certificate: Certificate,
    key: SigningKey,
}

/// Within which bounds an authority below another may certify.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The only roles that it may certify; all if there are none.
    pub roles: Vec<Role>,
    /// The only DNS names that it may certify, with what is below them; all if there are none.
    pub names: Vec<String>,
    /// How many authorities may be below it.
    pub below: u8,
}

impl Authority {
    /// A new root named `name`, valid for twenty years from `now`, path length 2.
    pub fn new(name: &str, key: SigningKey, now: Timestamp) -> Result<Self, CertError> {
        let bounds = Bounds { below: ROOT_PATH, ..Bounds::default() };
        let profile = Profile {
            subject: distinguished(name)?,
            issuer: distinguished(name)?,
            kind: Leaf::Authority { bounds, root: true },
            names: Vec::new(),
        };
        let years = Duration::from_secs(ROOT_YEARS * 365 * 86_400);
        let certificate = build(profile, &key.public(), now, now.after(years), &key)?;
        Ok(Self { certificate, key })
    }

    /// The authority of a stored root and its key.
    pub fn from_parts(certificate: Certificate, key: SigningKey) -> Result<Self, CertError> {
        if certificate.key()? == key.public() {
            Ok(Self { certificate, key })
        } else {
            let why = "the key beside it is another's".to_owned();
            Err(CertError::Path { subject: certificate.subject(), why })
        }
    }

    /// Certifies `key` as `name` in `role` until `until`; `names` are the DNS names or IP
    /// addresses of a server.
    pub fn issue(
        &self,
        name: &str,
        key: &PublicKey,
        role: Role,
        names: &[String],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Certificate, CertError> {
        let names = names.iter().map(|name| general_name(name)).collect::<Result<_, _>>()?;
        self.certify(name, key, Leaf::Role(role), names, now, until)
    }

    /// Certifies another authority below this one, within bounds; its key is its own.
    pub fn subordinate(
        &self,
        name: &str,
        key: &PublicKey,
        bounds: Bounds,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Certificate, CertError> {
        self.certify(name, key, Leaf::Authority { bounds, root: false }, Vec::new(), now, until)
    }

    /// Signs what is said of `key`, for no longer than this authority itself stands.
    fn certify(
        &self,
        name: &str,
        key: &PublicKey,
        kind: Leaf,
        names: Vec<GeneralName>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Certificate, CertError> {
        let profile = Profile {
            subject: distinguished(name)?,
            issuer: distinguished(&self.certificate.subject())?,
            kind,
            names,
        };
        build(profile, key, now, until.min(self.certificate.validity().1), &self.key)
    }

    /// A list of what this authority has withdrawn, with a number that only rises.
    pub fn crl(
        &self,
        number: u64,
        withdrawn: &[Withdrawn],
        now: Timestamp,
        next_update: Timestamp,
    ) -> Result<Crl, CertError> {
        let mut entries: Vec<RevokedCert> = Vec::new();
        for it in withdrawn {
            let serial = unhex(&it.serial).ok_or_else(|| form("a serial number is not hex"))?;
            entries.push(RevokedCert {
                serial_number: SerialNumber::new(&serial).map_err(form)?,
                revocation_date: Time::try_from(it.since.system()).map_err(form)?,
                crl_entry_extensions: None,
            });
        }
        let issuer = self.certificate.parsed.tbs_certificate();
        let number = CrlNumber(Uint::new(&number.to_be_bytes()).map_err(form)?);
        // The library's builder names the issuer's key by SHA-1; our roots name theirs otherwise.
        let spk = issuer.subject_public_key_info().owned_to_ref();
        let by = AuthorityKeyIdentifier {
            key_identifier: Some(key_identifier(&spk).map_err(form)?),
            ..Default::default()
        };
        let mut extensions = vec![number.to_extension(issuer.subject(), &[]).map_err(form)?];
        extensions.push(by.to_extension(issuer.subject(), &extensions).map_err(form)?);
        let tbs = TbsCertList {
            version: x509_cert::Version::V2,
            signature: self.certificate.parsed.signature_algorithm().clone(),
            issuer: issuer.subject().clone(),
            this_update: Time::try_from(now.system()).map_err(form)?,
            next_update: Some(Time::try_from(next_update.system()).map_err(form)?),
            // An empty list must be absent (RFC 5280 §5.1.2.6).
            revoked_certificates: (!entries.is_empty()).then_some(entries),
            crl_extensions: Some(extensions),
        };
        let signature = self.key.sign(&tbs.to_der().map_err(form)?);
        let list = CertificateList {
            signature_algorithm: tbs.signature.clone(),
            tbs_cert_list: tbs,
            signature: BitString::from_bytes(&signature).map_err(form)?,
        };
        Crl::from_der(&list.to_der().map_err(form)?)
    }
}

/// A PKCS#10 request (RFC 2986): a name, a key, and proof that the sender holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The name asked for.
    pub name: String,
    /// The key to be certified.
    pub key: PublicKey,
    /// Whether it asks for leave to certify others (basic constraints, RFC 5280 §4.2.1.9).
    pub authority: bool,
    pem: String,
}

impl Request {
    /// Signs a request for `name`.
    pub fn new(name: &str, key: &dyn Signs) -> Result<Self, CertError> {
        Self::signed(name, key, false)
    }

    /// Signs a request of an authority that wants to be certified by one above it.
    pub fn of_authority(name: &str, key: &SigningKey) -> Result<Self, CertError> {
        Self::signed(name, key, true)
    }

    fn signed(name: &str, key: &dyn Signs, authority: bool) -> Result<Self, CertError> {
        let mut builder = RequestBuilder::new(distinguished(name)?).map_err(form)?;
        if authority {
            let wanted = BasicConstraints { ca: true, path_len_constraint: None };
            builder.add_extension(&wanted).map_err(form)?;
        }
        let built = builder.build::<_, Signature>(&Elsewhere(key)).map_err(form)?;
        let pem = built.to_pem(LineEnding::LF).map_err(form)?;
        Ok(Self { name: name.to_owned(), key: key.public(), authority, pem })
    }

    /// Parses PEM and checks the proof of possession.
    pub fn from_pem(pem: &str) -> Result<Self, CertError> {
        let request = CertReq::from_pem(pem).map_err(form)?;
        let key = public_key(&request.info.public_key)?;
        let signed = request.info.to_der().map_err(form)?;
        key.verify(&signed, request.signature.raw_bytes())?;
        let name = super::common_name(&request.info.subject);
        check_name(&name)?;
        let authority = asks_to_certify(&request);
        Ok(Self { name, key, authority, pem: pem.to_owned() })
    }

    /// PEM text, as `openssl req -verify` takes it.
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

/// A key that may be kept elsewhere, as the builder wants one.
struct Elsewhere<'a>(&'a dyn Signs);

impl Keypair for Elsewhere<'_> {
    type VerifyingKey = VerifyingKey;

    fn verifying_key(&self) -> VerifyingKey {
        let key = VerifyingKey::from_bytes(self.0.public().as_bytes());
        key.expect("it was a point when it was taken")
    }
}

impl Signer<Signature> for Elsewhere<'_> {
    fn try_sign(&self, message: &[u8]) -> Result<Signature, signature::Error> {
        let signed = self.0.try_sign(message).map_err(signature::Error::from_source)?;
        Ok(Signature::from_bytes(&signed))
    }
}

impl DynSignatureAlgorithmIdentifier for Elsewhere<'_> {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        self.verifying_key().signature_algorithm_identifier()
    }
}

/// Whether a request asks for leave to certify others.
fn asks_to_certify(request: &CertReq) -> bool {
    let of = |oid| request.info.attributes.iter().filter(move |it| it.oid == oid);
    of(<ExtensionReq as AssociatedOid>::OID)
        .flat_map(|it| it.values.iter())
        .filter_map(|value| value.decode_as::<Vec<Extension>>().ok())
        .flatten()
        .filter(|it| it.extn_id == BasicConstraints::OID)
        .filter_map(|it| BasicConstraints::from_der(it.extn_value.as_bytes()).ok())
        .any(|it| it.ca)
}

struct Profile {
    subject: Name,
    issuer: Name,
    kind: Leaf,
    names: Vec<GeneralName>,
}

/// The purpose of a certificate.
enum Leaf {
    Authority { bounds: Bounds, root: bool },
    Role(Role),
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        spk: SubjectPublicKeyInfoRef<'_>,
        issuer_spk: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> BuildResult<Vec<Extension>> {
        let mut all: Vec<Extension> = Vec::new();
        let (ca, below, usage) = match &self.kind {
            Leaf::Authority { bounds, .. } => {
                (true, Some(bounds.below), KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign))
            }
            Leaf::Role(_) => (false, None, KeyUsage(KeyUsages::DigitalSignature.into())),
        };
        let constraints = BasicConstraints { ca, path_len_constraint: below };
        all.push(critical(constraints.to_extension(tbs.subject(), &all)?));
        all.push(critical(usage.to_extension(tbs.subject(), &all)?));
        all.push(SubjectKeyIdentifier(key_identifier(&spk)?).to_extension(tbs.subject(), &all)?);
        if !matches!(self.kind, Leaf::Authority { root: true, .. }) {
            let authority = AuthorityKeyIdentifier {
                key_identifier: Some(key_identifier(&issuer_spk)?),
                ..Default::default()
            };
            all.push(authority.to_extension(tbs.subject(), &all)?);
        }
        match &self.kind {
            Leaf::Role(role) => {
                let usage = ExtendedKeyUsage(vec![*role.oid()]);
                // A host that does not know the role must not accept the certificate for it.
                let usage = usage.to_extension(tbs.subject(), &all)?;
                all.push(if *role == Role::Server { usage } else { critical(usage) });
            }
            Leaf::Authority { bounds, root } => bound(bounds, *root, tbs, &mut all)?,
        }
        if !self.names.is_empty() {
            all.push(SubjectAltName(self.names.clone()).to_extension(tbs.subject(), &all)?);
        }
        Ok(all)
    }
}

/// The extensions that keep an authority within its bounds.
fn bound(
    bounds: &Bounds,
    root: bool,
    tbs: &TbsCertificate,
    all: &mut Vec<Extension>,
) -> BuildResult<()> {
    let usage: Vec<ObjectIdentifier> = if bounds.roles.is_empty() {
        ROLES.iter().map(|row| row.2).collect()
    } else {
        bounds.roles.iter().map(|role| *role.oid()).collect()
    };
    // Path validation wants the role in every certificate below the root.
    if !root {
        all.push(critical(ExtendedKeyUsage(usage).to_extension(tbs.subject(), all)?));
    }
    let mut permitted = Vec::new();
    for name in &bounds.names {
        let base = GeneralName::DnsName(Ia5String::new(name)?);
        permitted.push(GeneralSubtree { base, minimum: 0, maximum: None });
    }
    if !permitted.is_empty() {
        let names =
            NameConstraints { permitted_subtrees: Some(permitted), excluded_subtrees: None };
        all.push(critical(names.to_extension(tbs.subject(), all)?));
    }
    Ok(())
}

fn critical(extension: Extension) -> Extension {
    Extension { critical: true, ..extension }
}

/// The first 160 bits of SHA-256 of the key's bits (RFC 7093 §2, method 1).
fn key_identifier(spk: &SubjectPublicKeyInfoRef<'_>) -> BuildResult<OctetString> {
    let digest = Digest::of(spk.subject_public_key.raw_bytes());
    Ok(OctetString::new(&digest.as_bytes()[..20])?)
}

fn build(
    profile: Profile,
    key: &PublicKey,
    from: Timestamp,
    until: Timestamp,
    signer: &SigningKey,
) -> Result<Certificate, CertError> {
    let time = |stamp: Timestamp| Time::try_from(stamp.system()).map_err(form);
    let validity = Validity::new(time(from)?, time(until)?);
    let info = {
        use ed25519_dalek::pkcs8::EncodePublicKey as _;
        let verifying = VerifyingKey::from_bytes(key.as_bytes()).map_err(form)?;
        let der = verifying.to_public_key_der().map_err(form)?;
        spki::SubjectPublicKeyInfoOwned::from_der(der.as_bytes()).map_err(form)?
    };
    // 16 random bytes, the first bit clear: RFC 5280 wants positive and at most 20.
    let mut serial = random()[..16].to_vec();
    serial[0] = serial[0] & 0x7f | 0x40;
    let serial = SerialNumber::new(&serial).map_err(form)?;
    let built = CertificateBuilder::new(profile, serial, validity, info)
        .and_then(|builder| builder.build::<_, Signature>(signer.inner()))
        .map_err(form)?;
    Certificate::from_der(&built.to_der().map_err(form)?)
}

fn form(error: impl std::fmt::Display) -> CertError {
    CertError::Form(error.to_string())
}

fn check_name(name: &str) -> Result<(), CertError> {
    let fits = (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(CertError::Name(name.chars().take(64).collect())) }
}

/// `CN=name, O=semper marketplace`, built rather than parsed: a name may hold commas.
fn distinguished(name: &str) -> Result<Name, CertError> {
    check_name(name)?;
    let common_name = ObjectIdentifier::new_unwrap("2.5.4.3");
    let value = Any::from(Utf8StringRef::new(name).map_err(form)?);
    let atv = AttributeTypeAndValue { oid: common_name, value };
    let rdn = RelativeDistinguishedName::from(SetOfVec::try_from(vec![atv]).map_err(form)?);
    let names = RdnSequence::from(vec![rdn]).to_der().map_err(form)?;
    Name::from_der(&names).map_err(form)
}

fn general_name(name: &str) -> Result<GeneralName, CertError> {
    if let Ok(address) = IpAddr::from_str(name) {
        return Ok(GeneralName::from(address));
    }
    let shape = !name.is_empty()
        && name.len() <= 253
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'.');
    if !shape {
        return Err(CertError::Name(name.chars().take(64).collect()));
    }
    Ok(GeneralName::DnsName(Ia5String::new(name).map_err(form)?))
}
