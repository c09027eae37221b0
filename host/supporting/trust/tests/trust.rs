//! From bytes to verified terms, or a named refusal.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use semper_base::cert::{Authority, Roots};
use semper_base::{Amount, Certificate, Digest, Role, SigningKey, Timestamp};
use semper_items::Side;
use semper_items::statement::Kind;
use semper_trust::bundle::{self, Signer};
use semper_trust::describe::{Bounds, Parameter, ServiceDescription, TermsDescription, Value};
use semper_trust::flow::{Action, End, Flow, ItemKind, State};
use semper_trust::policy::{Capability, CertificateOf, Scope};
use semper_trust::trustfile::{About, Evaluator, Requirement};
use semper_trust::{Knowledge, Layout, TrustError, TrustFile, VerifiedTerms};

const CRITERIA: &str = "https://semper.example/criteria/consumer/1";
/// The smallest component: a header and nothing else.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Keys and certificates of everybody.
struct World {
    now: Timestamp,
    authority: Authority,
    organisations: Vec<(String, Authority)>,
}

struct Party {
    key: SigningKey,
    chain: Vec<Certificate>,
}

impl Party {
    fn signer(&self) -> Signer<'_> {
        Signer { key: &self.key, chain: &self.chain }
    }
}

fn world() -> World {
    let now = Timestamp::now();
    let organisation = |name: &str| {
        (name.to_lowercase(), Authority::new(name, SigningKey::generate(), now).unwrap())
    };
    World {
        now,
        authority: Authority::new("Market CA", SigningKey::generate(), now).unwrap(),
        organisations: vec![organisation("Verbraucherbund"), organisation("Konsument")],
    }
}

fn party(authority: &Authority, name: &str, role: Role, now: Timestamp) -> Party {
    let key = SigningKey::generate();
    let until = now.after(Duration::from_secs(86_400));
    let certificate = authority.issue(name, &key.public(), role, &[], now, until).unwrap();
    Party { key, chain: vec![certificate] }
}

fn flow() -> Flow {
    let mut states = BTreeMap::new();
    let mut state = |name: &str, by: Side, item: ItemKind, to: &str| {
        let consent = matches!(item, ItemKind::Money | ItemKind::Statement(Kind::Order));
        let amount = (item == ItemKind::Money).then_some(Kind::Offer);
        let action = Action { by, item, to: to.into(), consent, amount };
        states.insert(name.to_owned(), State { actions: vec![action], end: None });
    };
    state("start", Side::Seller, ItemKind::Statement(Kind::Offer), "offered");
    state("offered", Side::Buyer, ItemKind::Statement(Kind::Order), "ordered");
    state("ordered", Side::Buyer, ItemKind::Money, "done");
    states.insert("done".into(), State { actions: vec![], end: Some(End::Completed) });
    Flow { start: "start".into(), states }
}

fn eur(minor: i64) -> Amount {
    Amount::new(minor, semper_base::Currency::EUR)
}

impl World {
    fn service_only(&self) -> Layout {
        let author = party(&self.authority, "Ada Author", Role::Author, self.now);
        let bounds = Bounds::Number { least: 1, most: 30 };
        let parameters = [("days".to_owned(), Parameter { meaning: "days".into(), bounds })].into();
        let description = ServiceDescription {
            name: "shop".into(),
            version: "1.0.0".into(),
            author: "Ada Author".into(),
            summary: "sells".into(),
            buyer: Digest::of(COMPONENT),
            seller: Digest::of(COMPONENT),
            world: "1.2.0".into(),
            flow: flow(),
            parameters,
            limits: BTreeMap::new(),
        };
        let (layout, _) = bundle::service(
            &description,
            COMPONENT.to_vec(),
            COMPONENT.to_vec(),
            &author.signer(),
            self.now,
        );
        layout
    }

    fn bundle(&self, parameter: i64) -> Layout {
        let merchant = party(&self.authority, "Otto", Role::Merchant, self.now);
        let mut layout = self.service_only();
        let service = layout.artifacts(semper_trust::describe::SERVICE).next().unwrap().digest;
        let text = b"# Terms".to_vec();
        let terms = TermsDescription {
            service,
            merchant: "Otto".into(),
            serial: 7,
            parameters: [("days".to_owned(), Value::Number(parameter))].into(),
            texts: [("en".to_owned(), Digest::of(&text))].into(),
            payment: vec!["purse".into()],
            valid_from: self.now,
            valid_until: self.now.after(Duration::from_secs(3600)),
        };
        bundle::terms(&mut layout, &terms, &[("en".into(), text)], &merchant.signer(), self.now);
        layout
    }

    fn certify(&self, layout: &mut Layout, organisation: usize, level: u32, most: i64) {
        let (_, authority) = &self.organisations[organisation];
        let name = authority.certificate.subject();
        let evaluator = party(authority, &name, Role::Evaluator, self.now);
        let certificate = CertificateOf {
            organisation: name,
            criteria: CRITERIA.into(),
            level,
            scope: Scope {
                imports: BTreeSet::from([Capability::Payments, Capability::Statements]),
                most: eur(most),
                countries: BTreeSet::new(),
                parameters: BTreeMap::new(),
                credentials: None,
                limits: BTreeMap::new(),
            },
            report: "report".into(),
            report_digest: None,
            predecessor: None,
            valid_from: self.now,
            valid_until: self.now.after(Duration::from_secs(3600)),
        };
        bundle::certify(layout, About::Service, certificate, &evaluator.signer()).unwrap();
    }

    fn trust(&self, threshold: usize) -> TrustFile {
        let evaluators = self
            .organisations
            .iter()
            .map(|(name, authority)| {
                let roots = Roots::new(vec![authority.certificate.clone()]);
                (
                    name.clone(),
                    Evaluator { roots, criteria: vec![CRITERIA.into()], ..Evaluator::default() },
                )
            })
            .collect::<BTreeMap<_, _>>();
        let of = evaluators.keys().cloned().collect();
        TrustFile {
            authorities: Roots::new(vec![self.authority.certificate.clone()]),
            evaluators,
            require: vec![Requirement {
                threshold,
                of,
                criteria: CRITERIA.into(),
                level: 2,
                about: About::Service,
            }],
            ..TrustFile::default()
        }
    }
}

#[test]
fn terms_that_everybody_signed_are_verified_and_granted_what_was_certified() {
    let world = world();
    let mut layout = world.bundle(3);
    world.certify(&mut layout, 0, 2, 50_000);

    let terms = VerifiedTerms::verify(&layout, &world.trust(1), None, world.now).unwrap();

    assert_eq!(terms.merchant().name, "Otto");
    assert_eq!(terms.certified_by(), ["Verbraucherbund"]);
    assert!(terms.grants().certified);
    assert_eq!(terms.grants().most, Some(eur(50_000)));
    assert!(terms.grants().capabilities.contains(&Capability::Payments));
    assert!(!terms.grants().capabilities.contains(&Capability::Fulfilment));
}

#[test]
fn uncertified_terms_may_do_what_does_no_harm_and_hear_what_they_lack() {
    let world = world();
    let layout = world.bundle(3);

    let terms = VerifiedTerms::verify(&layout, &world.trust(1), None, world.now).unwrap();

    assert!(!terms.grants().certified);
    assert_eq!(terms.grants().most, None);
    let wants =
        ["semper:tinguin/display@1.0.0".to_owned(), "semper:transfer/payments@1.0.0".to_owned()];
    let refusal = terms.grants().admit(&wants).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the service wants semper:transfer/payments, which nobody whom you believe has certified"
    );
    assert!(terms.grants().admit(&["wasi:sockets/tcp@0.2.6".into()]).is_err());
}

#[test]
fn the_threshold_counts_organisations_and_the_strictest_bounds_hold() {
    let world = world();
    let mut layout = world.bundle(3);
    world.certify(&mut layout, 0, 2, 50_000);
    world.certify(&mut layout, 0, 3, 90_000);
    let verify =
        |layout: &Layout| VerifiedTerms::verify(layout, &world.trust(2), None, world.now).unwrap();
    assert!(!verify(&layout).grants().certified, "one organisation twice is one");

    world.certify(&mut layout, 1, 1, 10_000);
    assert!(!verify(&layout).grants().certified, "level 1 is not level 2");

    world.certify(&mut layout, 1, 2, 10_000);
    assert!(verify(&layout).grants().certified);
    assert_eq!(verify(&layout).grants().most, Some(eur(10_000)));
}

#[test]
fn one_flipped_bit_anywhere_in_a_bundle_is_found() {
    let world = world();
    let mut layout = world.bundle(3);
    world.certify(&mut layout, 0, 2, 50_000);
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    layout.write(&dir).unwrap();
    let good =
        VerifiedTerms::verify(&Layout::read(&dir).unwrap(), &world.trust(1), None, world.now)
            .unwrap();

    let mut files: Vec<String> = vec!["index.json".into(), "oci-layout".into()];
    for entry in dir.read_dir("blobs/sha256").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        files.push(format!("blobs/sha256/{name}"));
    }
    let mut flips = 0;
    for file in files {
        let bytes = dir.read(&file).unwrap();
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 40) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            dir.write(&file, &changed).unwrap();
            let outcome = Layout::read(&dir).map_err(TrustError::from).and_then(|layout| {
                VerifiedTerms::verify(&layout, &world.trust(1), None, world.now)
            });
            flips += 1;
            // Titles in the index are for people and are not signed; nothing else may differ.
            if let Ok(terms) = outcome {
                assert_eq!(file, "index.json", "{file} byte {at}");
                assert_eq!(terms.digest(), good.digest());
                assert_eq!(
                    terms.grants().capabilities,
                    if terms.grants().certified {
                        good.grants().capabilities.clone()
                    } else {
                        Capability::HARMLESS.into_iter().collect()
                    }
                );
            }
        }
        dir.write(&file, &bytes).unwrap();
    }
    assert!(flips > 300, "{flips}");
}

#[test]
fn terms_outside_their_time_bounds_or_order_are_refused() {
    let world = world();
    let layout = world.bundle(3);
    let trust = world.trust(1);

    let late = world.now.after(Duration::from_secs(7200));
    let error = VerifiedTerms::verify(&layout, &trust, None, late).unwrap_err();
    assert!(matches!(error, TrustError::Time { .. }), "{error}");

    let error = VerifiedTerms::verify(&world.bundle(31), &trust, None, world.now).unwrap_err();
    assert!(error.to_string().contains("“days” is out of its bounds"), "{error}");

    let seen = |serial: u64| Knowledge {
        serials: [(("Otto".to_owned(), "shop".to_owned()), serial)].into(),
        ..Knowledge::default()
    };
    VerifiedTerms::verify(&layout, &trust, Some(&seen(7)), world.now).unwrap();
    let error = VerifiedTerms::verify(&layout, &trust, Some(&seen(8)), world.now).unwrap_err();
    assert!(matches!(error, TrustError::Rollback { got: 7, seen: 8 }), "{error}");
}

#[test]
fn terms_of_a_stranger_or_by_the_wrong_role_are_refused() {
    let (ours, theirs) = (world(), world());
    let error =
        VerifiedTerms::verify(&theirs.bundle(3), &ours.trust(1), None, ours.now).unwrap_err();
    assert!(error.to_string().contains("the certificate of “Otto” is not accepted"), "{error}");

    // A buyer's certificate does not sign terms.
    let layout = ours.bundle(3);
    let buyer = party(&ours.authority, "Otto", Role::Buyer, ours.now);
    let service = layout.artifacts(semper_trust::describe::SERVICE).next().unwrap().digest;
    let description = TermsDescription {
        service,
        merchant: "Otto".into(),
        serial: 8,
        parameters: [("days".to_owned(), Value::Number(3))].into(),
        texts: BTreeMap::new(),
        payment: vec![],
        valid_from: ours.now,
        valid_until: ours.now,
    };
    // Two sets of terms in one bundle: which one would the buyer have read?
    let mut both = layout.clone();
    both.merge(&ours.bundle(4));
    let error = VerifiedTerms::verify(&both, &ours.trust(1), None, ours.now).unwrap_err();
    assert!(error.to_string().contains("more than one"), "{error}");

    let mut alone = ours.service_only();
    bundle::terms(&mut alone, &description, &[], &buyer.signer(), ours.now);
    let error = VerifiedTerms::verify(&alone, &ours.trust(1), None, ours.now).unwrap_err();
    assert!(error.to_string().contains("certified, but not as merchant"), "{error}");
}

#[test]
fn a_flow_that_could_harm_is_named() {
    let mut pays_first = flow();
    let money = pays_first.states["ordered"].clone();
    pays_first.states.insert("start".into(), money);
    let faults = pays_first.faults().join("; ");
    assert!(faults.contains("enables payment before a signed offer"), "{faults}");

    let mut no_consent = flow();
    no_consent.states.get_mut("ordered").unwrap().actions[0].consent = false;
    assert!(no_consent.faults()[0].contains("does not want the person's consent"));

    let mut endless = flow();
    endless.states.get_mut("ordered").unwrap().actions[0].to = "ordered".into();
    assert!(
        endless.faults().iter().any(|it| it.contains("can never end")),
        "{:?}",
        endless.faults()
    );

    let mut nowhere = flow();
    nowhere.states.get_mut("ordered").unwrap().actions[0].to = "heaven".into();
    assert!(nowhere.faults()[0].contains("“heaven”, which is not a state"));
    assert_eq!(flow().faults(), Vec::<String>::new());
}

#[test]
fn a_trust_file_that_cannot_be_meant_is_refused() {
    let root = world().authority.certificate.to_pem();
    let parse = |text: &str| {
        TrustFile::parse(text, |_| Ok(root.clone())).map(drop).map_err(|error| error.to_string())
    };
    let evaluator = "[evaluator.a]\nroot = \"a.pem\"\ncriteria = [\"c\"]\n";
    let require = |threshold: u32, of: &str| {
        format!(
            "authorities = [\"root.pem\"]\n{evaluator}[[require]]\nthreshold = {threshold}\n\
             of = [{of}]\ncriteria = \"c\"\nlevel = 1\n"
        )
    };

    assert_eq!(parse(&require(1, "\"a\"")), Ok(()));
    assert!(parse(&require(0, "\"a\"")).unwrap_err().contains("threshold of 0"));
    assert!(parse(&require(2, "\"a\", \"a\"")).unwrap_err().contains("2 of 1 can never be met"));
    assert!(parse(&require(1, "\"b\"")).unwrap_err().contains("“b” has no [evaluator.b]"));
    assert!(parse("authority = []").unwrap_err().contains("line 1"));
}
