//! A world of merchants, authors, organisations, logs and witnesses in memory, from which tests
//! make bundles and spoil them.

#![allow(clippy::unwrap_used, missing_docs, reason = "for tests: what cannot go on has failed")]

mod files;
mod log;
pub mod misbehaving;
pub mod registry;
pub mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semper_base::cert::{Authority, Crl, Roots};
use semper_base::{Amount, Certificate, Currency, Digest, Role, SigningKey, Timestamp};
use semper_items::Side;
use semper_items::statement::Kind as Statement;
use semper_trust::bundle::{self, CERTIFICATE, EMPTY, SIGNATURE, Signer};
use semper_trust::capability::Capability;
use semper_trust::certificate::{CertificateOf, Delegation, Scope};
use semper_trust::describe::{
    Bounds, Parameter, SERVICE, ServiceDescription, TERMS, TermsDescription, Value,
};
use semper_trust::envelope::{self, ENVELOPE, REVOKED, STATEMENT};
use semper_trust::flow::{Action, End, Flow, ItemKind, State};
use semper_trust::layout::{Descriptor, MANIFEST, Manifest, canonical};
use semper_trust::revocation::{Listed, Reason, RevocationList, Revoked};
use semper_trust::trustfile::{About, Evaluator, Requirement};
use semper_trust::{Knowledge, Layout, TrustError, TrustFile, VerifiedTerms};

pub use files::Files;
pub use log::{Log, logged};

pub const CRITERIA: &str = "https://semper.example/criteria/consumer/1";
/// The smallest component: a header and nothing else.
pub const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
pub const LOG: &str = "log.example/terms";
pub const HOUR: Duration = Duration::from_secs(3_600);
pub const DAY: Duration = Duration::from_secs(86_400);

/// A key and its chain.
pub struct Party {
    pub key: SigningKey,
    pub chain: Vec<Certificate>,
}

impl Party {
    pub fn signer(&self) -> Signer<'_> {
        Signer { key: &self.key, chain: &self.chain }
    }

    /// An envelope around any bytes, well signed.
    pub fn envelope(&self, payload_type: &str, payload: &[u8]) -> Vec<u8> {
        let sig = self.key.sign(&envelope::pre_authentication(payload_type, payload));
        self.envelope_with(payload_type, payload, &sig)
    }

    pub fn envelope_with(&self, payload_type: &str, payload: &[u8], sig: &[u8]) -> Vec<u8> {
        let signature = serde_json::json!({
            "keyid": self.key.public().id().to_string(),
            "sig": BASE64_STANDARD.encode(sig),
            "chain": self.chain.iter().map(Certificate::to_pem).collect::<Vec<_>>(),
        });
        canonical(&serde_json::json!({
            "payloadType": payload_type,
            "payload": BASE64_STANDARD.encode(payload),
            "signatures": [signature],
        }))
    }
}

/// Everybody.
pub struct World {
    pub now: Timestamp,
    pub authority: Authority,
    pub author: Party,
    pub merchant: Party,
    pub organisations: Vec<(String, Authority, Party)>,
    pub log: Log,
}

pub fn party(authority: &Authority, name: &str, role: Role, now: Timestamp) -> Party {
    party_for(authority, name, role, now, now.after(DAY * 30))
}

pub fn party_for(
    authority: &Authority,
    name: &str,
    role: Role,
    from: Timestamp,
    until: Timestamp,
) -> Party {
    let key = SigningKey::generate();
    let leaf = authority.issue(name, &key.public(), role, &[], from, until).unwrap();
    Party { key, chain: vec![leaf] }
}

pub fn eur(minor: i64) -> Amount {
    Amount::new(minor, Currency::EUR)
}

/// A time before now.
pub fn ago(now: Timestamp, while_: Duration) -> Timestamp {
    Timestamp::from_millis(now.millis() - while_.as_millis() as u64).unwrap()
}

/// Offer, order, payment, receipt.
pub fn flow() -> Flow {
    let mut states = BTreeMap::new();
    let mut state = |name: &str, by: Side, item: ItemKind, to: &str| {
        let order = item == ItemKind::Statement(Statement::Order);
        let consent = order || item == ItemKind::Money;
        let amount = match &item {
            ItemKind::Money | ItemKind::Statement(Statement::Order) => Some(Statement::Offer),
            ItemKind::Statement(Statement::Receipt) => Some(Statement::Order),
            _ => None,
        };
        let action = Action { by, item, to: to.into(), consent, amount };
        states.insert(name.to_owned(), State { actions: vec![action], end: None });
    };
    state("start", Side::Seller, ItemKind::Statement(Statement::Offer), "offered");
    state("offered", Side::Buyer, ItemKind::Statement(Statement::Order), "ordered");
    state("ordered", Side::Buyer, ItemKind::Money, "paid");
    state("paid", Side::Seller, ItemKind::Statement(Statement::Receipt), "done");
    states.insert("done".into(), State { actions: vec![], end: Some(End::Completed) });
    Flow { start: "start".into(), states }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    pub fn new() -> Self {
        let now = Timestamp::now();
        let before = ago(now, HOUR);
        let authority = Authority::new("Market CA", SigningKey::generate(), before).unwrap();
        let organisation = |name: &str| {
            let own = Authority::new(name, SigningKey::generate(), before).unwrap();
            let evaluator = party(&own, name, Role::Evaluator, before);
            (name.to_lowercase().replace(' ', "-"), own, evaluator)
        };
        Self {
            now,
            author: party(&authority, "Ada Author", Role::Author, before),
            merchant: party(&authority, "Otto Versand", Role::Merchant, before),
            authority,
            organisations: ["Verbraucherbund", "Konsument", "Que Choisir"]
                .into_iter()
                .map(organisation)
                .collect(),
            log: Log::new(),
        }
    }

    pub fn service(&self) -> ServiceDescription {
        let bounds = Bounds::Number { least: 1, most: 30 };
        let days = Parameter { meaning: "days".into(), bounds };
        ServiceDescription {
            name: "shop".into(),
            version: "1.0.0".into(),
            author: "Ada Author".into(),
            summary: "sells".into(),
            buyer: Digest::of(COMPONENT),
            seller: Digest::of(&other_component()),
            world: semper_trust::capability::World::default().name().into(),
            flow: flow(),
            parameters: [("days".to_owned(), days)].into(),
            limits: BTreeMap::new(),
        }
    }

    pub fn terms(&self, service: Digest) -> TermsDescription {
        TermsDescription {
            service,
            merchant: "Otto Versand".into(),
            serial: 7,
            parameters: [("days".to_owned(), Value::Number(14))].into(),
            texts: [("en".to_owned(), Digest::of(TEXT))].into(),
            payment: vec!["purse".into()],
            valid_from: ago(self.now, HOUR),
            valid_until: self.now.after(DAY * 7),
        }
    }

    pub fn certificate(&self, organisation: usize) -> CertificateOf {
        CertificateOf {
            organisation: self.organisations[organisation].1.certificate.subject(),
            criteria: CRITERIA.into(),
            level: 2,
            scope: Scope {
                imports: Capability::all().collect(),
                most: eur(50_000),
                countries: BTreeSet::new(),
                parameters: BTreeMap::new(),
                credentials: None,
                limits: BTreeMap::new(),
            },
            report: "https://reports.example/1".into(),
            report_digest: None,
            predecessor: None,
            valid_from: ago(self.now, HOUR),
            valid_until: self.now.after(DAY * 7),
        }
    }

    /// A service signed by its author.
    pub fn service_bundle(&self, service: &ServiceDescription) -> (Layout, Digest) {
        let (buyer, seller) = (COMPONENT.to_vec(), other_component());
        bundle::service(service, buyer, seller, &self.author.signer(), ago(self.now, HOUR))
    }

    /// A bundle with these terms, made of the usual ones, and no certificate.
    pub fn uncertified(&self, change: impl FnOnce(&mut TermsDescription)) -> Layout {
        let (mut layout, digest) = self.service_bundle(&self.service());
        let mut terms = self.terms(digest);
        change(&mut terms);
        let texts = [("en".to_owned(), TEXT.to_vec())];
        bundle::terms(&mut layout, &terms, &texts, &self.merchant.signer(), ago(self.now, HOUR));
        layout
    }

    /// A bundle that all three organisations have certified.
    pub fn bundle(&self) -> Layout {
        let mut layout = self.uncertified(|_| {});
        (0..3).for_each(|it| self.certify(&mut layout, it, |_| {}));
        layout
    }

    pub fn certify(
        &self,
        layout: &mut Layout,
        organisation: usize,
        change: impl FnOnce(&mut CertificateOf),
    ) {
        let mut certificate = self.certificate(organisation);
        change(&mut certificate);
        let evaluator = &self.organisations[organisation].2;
        bundle::certify(layout, About::Service, certificate, &evaluator.signer()).unwrap();
    }

    /// A bundle certified by all, whose terms bear this envelope for a signature.
    pub fn signed_with(&self, make: impl FnOnce(&Digest) -> Vec<u8>) -> Layout {
        let mut layout = self.bundle();
        let terms = terms_of(&layout);
        drop_signatures_of(&mut layout, &terms.digest);
        let bytes = make(&terms.digest);
        attach(&mut layout, SIGNATURE, &terms, bytes);
        layout
    }

    /// A bundle whose only certificate bears this envelope.
    pub fn certified_with(&self, make: impl FnOnce(&Digest) -> Vec<u8>) -> Layout {
        let mut layout = self.uncertified(|_| {});
        let service = service_of(&layout);
        let bytes = make(&service.digest);
        attach(&mut layout, CERTIFICATE, &service, bytes);
        layout
    }

    /// Two of the three organisations must have certified.
    pub fn trust(&self) -> TrustFile {
        let evaluators: BTreeMap<String, Evaluator> = self
            .organisations
            .iter()
            .map(|(name, authority, _)| {
                let roots = Roots::new(vec![authority.certificate.clone()]);
                let criteria = vec![CRITERIA.into()];
                (name.clone(), Evaluator { roots, criteria, ..Evaluator::default() })
            })
            .collect();
        TrustFile {
            authorities: Roots::new(vec![self.authority.certificate.clone()]),
            require: vec![Requirement {
                threshold: 2,
                of: evaluators.keys().cloned().collect(),
                criteria: CRITERIA.into(),
                level: 2,
                about: About::Service,
            }],
            evaluators,
            country: Some("DE".into()),
            ..TrustFile::default()
        }
    }

    /// As [`World::trust`]; the terms must be logged, and one witness must have seen it.
    pub fn trust_with_log(&self) -> TrustFile {
        let mut trust = self.trust();
        trust.transparency.terms = true;
        trust.logs.insert(LOG.into(), self.log.believed(1));
        trust
    }

    pub fn verify(&self, layout: &Layout) -> Result<VerifiedTerms, TrustError> {
        self.verify_by(layout, &self.trust(), &Knowledge::default())
    }

    pub fn verify_by(
        &self,
        layout: &Layout,
        trust: &TrustFile,
        knowledge: &Knowledge,
    ) -> Result<VerifiedTerms, TrustError> {
        VerifiedTerms::verify(layout, trust, Some(knowledge), self.now)
    }

    /// A revocation list of an organisation, signed.
    pub fn list(&self, organisation: usize, what: &[Digest], next: Timestamp) -> Listed {
        let (_, authority, evaluator) = &self.organisations[organisation];
        let bytes = self.list_by(evaluator, &authority.certificate, what, next);
        Listed::verify(&bytes, &self.trust(), self.now).unwrap()
    }

    /// The bytes of a list by anybody.
    pub fn list_by(
        &self,
        party: &Party,
        root: &Certificate,
        what: &[Digest],
        next_update: Timestamp,
    ) -> Vec<u8> {
        let issued = ago(self.now, HOUR * 2);
        let revoked = what
            .iter()
            .map(|what| Revoked { what: *what, since: issued, reason: Reason::Unfair })
            .collect();
        let by = party.signer().name();
        let list = RevocationList { by, number: 3, issued, next_update, revoked };
        let digest = root.digest();
        envelope::sign(&party.key, &party.chain, REVOKED, &root.subject(), &digest, list)
    }

    /// A certificate revocation list of the market's authority.
    pub fn crl(&self, withdrawn: &[&Certificate], next: Timestamp) -> Crl {
        let since = ago(self.now, HOUR);
        let entry = |it: &&Certificate| semper_base::cert::Withdrawn { serial: it.serial(), since };
        let withdrawn: Vec<_> = withdrawn.iter().map(entry).collect();
        self.authority.crl(5, &withdrawn, since, next).unwrap()
    }

    /// One organisation lets another speak for it.
    pub fn delegate(
        &self,
        layout: &mut Layout,
        from: usize,
        to: usize,
        change: impl FnOnce(&mut Delegation),
    ) {
        let root = self.organisations[to].1.certificate.clone();
        let mut delegation = Delegation {
            organisation: self.organisations[from].1.certificate.subject(),
            to: root.subject(),
            criteria: vec![CRITERIA.into()],
            level: 3,
            depth: 0,
            root,
            valid_from: ago(self.now, HOUR),
            valid_until: self.now.after(DAY),
        };
        change(&mut delegation);
        let signer = self.organisations[from].2.signer();
        bundle::delegate(layout, &delegation, &signer).unwrap();
    }
}

const TEXT: &[u8] = b"# Terms";

/// Another component than [`COMPONENT`]: with an empty custom section.
pub fn other_component() -> Vec<u8> {
    [COMPONENT, b"\0\x05\x04name"].concat()
}

pub fn service_of(layout: &Layout) -> Descriptor {
    layout.artifacts(SERVICE).next().unwrap().clone()
}

pub fn terms_of(layout: &Layout) -> Descriptor {
    layout.artifacts(TERMS).next().unwrap().clone()
}

/// Attaches an envelope to a manifest.
pub fn attach(layout: &mut Layout, artifact: &str, subject: &Descriptor, envelope: Vec<u8>) {
    let config = layout.add_blob(EMPTY, "", b"{}".to_vec());
    let layer = layout.add_blob(ENVELOPE, "envelope.json", envelope);
    let subject = Descriptor { annotations: BTreeMap::new(), ..subject.clone() };
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST.into(),
        artifact_type: artifact.into(),
        config,
        layers: vec![layer],
        subject: Some(subject),
    };
    layout.add_manifest(&manifest, "");
}

/// The envelope of the first artifact of a kind about a subject, and its manifest.
pub fn envelope_of(layout: &Layout, kind: &str, subject: &Digest) -> (Digest, Digest, Vec<u8>) {
    let (manifest, found) = layout.referring(subject, kind).unwrap().remove(0);
    let digest = found.layers[0].digest;
    (manifest, digest, layout.blob(&digest).unwrap().to_vec())
}

/// A statement as JSON that can be spoiled before it is signed.
pub fn statement(
    predicate_type: &str,
    subject: &Digest,
    predicate: serde_json::Value,
) -> serde_json::Value {
    serde_json::json!({
        "_type": STATEMENT,
        "subject": [{ "name": "x", "digest": { "sha256": subject.hex() } }],
        "predicateType": predicate_type,
        "predicate": predicate,
    })
}

pub fn made(world: &World, by: &str) -> serde_json::Value {
    serde_json::json!({ "by": by, "at": ago(world.now, HOUR) })
}

fn drop_signatures_of(layout: &mut Layout, subject: &Digest) {
    // Rebuilt without them: the library has no way to take a signature away.
    let mut files = Files::of(layout);
    let gone: Vec<String> = layout
        .referring(subject, SIGNATURE)
        .unwrap()
        .into_iter()
        .map(|it| it.0.to_string())
        .collect();
    files = files.edit("index.json", |bytes| {
        let mut index: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        let all = index["manifests"].as_array_mut().unwrap();
        all.retain(|it| !gone.iter().any(|gone| it["digest"] == gone.as_str()));
        *bytes = canonical(&index);
    });
    *layout = files.read().unwrap();
}

/// A trust file's policies, for tests of them.
pub fn policies(text: &str) -> Arc<semper_trust::policies::Policies> {
    Arc::new(
        semper_trust::policies::Policies::parse(&[("test.cedar".into(), text.into())]).unwrap(),
    )
}
