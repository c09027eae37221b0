//! A workbench for components: a buyer's host in the test's own process, with a real archive,
//! a real TINGUIN behind its socket and a real compiler process, and a merchant whose keys the
//! test holds, so that it can say what no honest merchant would.
//!
//! The marketplace of `semper-testkit` is for whole purchases; this is for many components and
//! many deals, quickly.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use semper_archive::{Archive, DealRow, DealState, Home, Write};
use semper_base::cert::{Authority, Roots};
use semper_base::{
    Amount, Certificate, Currency, DealId, Digest, Role, SealSecret, SigningKey, Signs,
    SystemClock, Timestamp, keys,
};
use semper_commerce::host::{Accepted, MessageRefusal};
use semper_commerce::lists::Lists;
use semper_commerce::{Host, HostParts, Means};
use semper_face_scripted::Scripted;
use semper_items::agreement::Attributes;
use semper_items::{
    Agreement, Container, DealKeys, Header, Hello, Item, Message, Side, SignedStatement, Statement,
};
use semper_keeper::Keeper;
use semper_net::Client;
use semper_payment::Manager;
use semper_runtime::Runtime;
use semper_runtime::compile::Compiler;
use semper_testkit::Binaries;
use semper_tinguin::Service;
use semper_tinguin::keystore::Keystore;
use semper_tinguin::memory::Memory;
use semper_tinguin_protocol::{DealContext, Request, SOCKET};
use semper_trust::bundle::{self, Signer};
use semper_trust::describe::{
    Bounds, Parameter, ServiceDescription, TERMS, TermsDescription, Value,
};
use semper_trust::limits::SomeLimits;
use semper_trust::policy::{Capability, CertificateOf, Scope, World};
use semper_trust::trustfile::{About, Evaluator, Requirement};
use semper_trust::{Flow, Layout, TrustError, TrustFile, VerifiedTerms};

/// The criteria of the workbench's organisation.
const CRITERIA: &str = "https://semper.example/criteria/workbench/1";
/// A day in seconds.
const DAY: u64 = 86_400;

/// How a workbench is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Activations at once.
    pub workers: usize,
    /// How long an activation stays in memory when it has to wait.
    pub grace: Duration,
    /// Rules by which the TINGUIN answers.
    pub rules: String,
    /// How far limits may be raised.
    pub ceilings: SomeLimits,
    /// What goes wrong between host and TINGUIN.
    pub trouble: trouble::Trouble,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 4,
            grace: Duration::from_millis(20),
            rules: "[[rule]]\ntopic = \"*\"\nanswer = \"yes\"\n".into(),
            ceilings: SomeLimits::new(),
            trouble: trouble::Trouble::default(),
        }
    }
}

/// A service under test.
#[derive(Clone, Debug)]
pub struct Offered {
    /// The buyer's component.
    pub component: Vec<u8>,
    /// The flow.
    pub flow: Flow,
    /// The world version.
    pub world: String,
    /// Whether the organisation has certified it.
    pub certified: bool,
    /// Limits that it asks for.
    pub limits: SomeLimits,
    /// Limits that the certificate sets.
    pub certified_limits: SomeLimits,
    /// The parameter `script`, if it has one.
    pub script: Option<String>,
}

impl Offered {
    /// A certified service of the newest world with the workbench's flow.
    pub fn new(component: &[u8]) -> Self {
        Self {
            component: component.to_vec(),
            flow: flow(),
            world: World::default().name().into(),
            certified: true,
            limits: SomeLimits::new(),
            certified_limits: SomeLimits::new(),
            script: None,
        }
    }

    /// With a script for the probe.
    #[must_use]
    pub fn script(mut self, script: &str) -> Self {
        self.script = Some(script.to_owned());
        self
    }
}

/// The workbench's flow: both sides exchange notes; either may withdraw.
pub fn flow() -> Flow {
    let text = r#"{"start": "open", "states": {
        "open": {"actions": [
            {"by": "buyer", "item": {"information": "note"}, "to": "open"},
            {"by": "seller", "item": {"information": "note"}, "to": "open"},
            {"by": "seller", "item": {"statement": "offer"}, "to": "offered"},
            {"by": "buyer", "item": {"statement": "withdrawal"}, "to": "left"},
            {"by": "seller", "item": {"statement": "withdrawal"}, "to": "left"}]},
        "offered": {"actions": [
            {"by": "buyer", "item": {"statement": "order"}, "to": "done", "consent": true, "amount": "offer"},
            {"by": "buyer", "item": {"statement": "withdrawal"}, "to": "left"}]},
        "done": {"end": "completed"},
        "left": {"end": "withdrawn"}}}"#;
    semper_trust::describe::flow(text).unwrap()
}

struct Certified {
    key: SigningKey,
    chain: Vec<Certificate>,
}

impl Certified {
    fn new(authority: &Authority, name: &str, role: Role) -> Self {
        let key = SigningKey::generate();
        Self { chain: vec![certificate(authority, name, &key, role)], key }
    }

    fn signer(&self) -> Signer<'_> {
        Signer { key: &self.key, chain: &self.chain }
    }
}

fn certificate(authority: &Authority, name: &str, key: &dyn Signs, role: Role) -> Certificate {
    let now = Timestamp::now();
    let until = now.after(Duration::from_secs(30 * DAY));
    authority.issue(name, &key.public(), role, &[], now, until).unwrap()
}

/// The workbench.
pub struct Workbench {
    /// The home's folder.
    pub home: PathBuf,
    /// The host.
    pub host: Arc<Host>,
    /// What keeps the host's threads.
    pub keeper: Keeper,
    /// Whom it believes.
    pub trust: TrustFile,
    options: Options,
    author: Certified,
    merchant: Certified,
    organisation: Certified,
    peer: (SigningKey, SealSecret),
    serial: AtomicU64,
    _folder: Arc<tempfile::TempDir>,
}

impl Workbench {
    /// A workbench in a folder of its own.
    pub fn new(options: Options) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let now = Timestamp::now();
        let market = Authority::new("Market CA", SigningKey::generate(), now).unwrap();
        let consumers = Authority::new("Verbraucherbund", SigningKey::generate(), now).unwrap();
        let roots = Roots::new(vec![consumers.certificate.clone()]);
        let evaluator =
            Evaluator { roots, criteria: vec![CRITERIA.into()], ..Evaluator::default() };
        let trust = TrustFile {
            authorities: Roots::new(vec![market.certificate.clone()]),
            evaluators: [("verbraucherbund".to_owned(), evaluator)].into(),
            require: vec![Requirement {
                threshold: 1,
                of: vec!["verbraucherbund".into()],
                criteria: CRITERIA.into(),
                level: 1,
                about: About::Service,
            }],
            limits: options.ceilings.clone(),
            ..TrustFile::default()
        };
        let path = folder.path().join("anna");
        drop(Home::create(&path).unwrap());
        tinguin(&path, &market, &options.rules);
        let (host, keeper) = host(&path, &trust, &options);
        Self {
            home: path,
            host,
            keeper,
            trust,
            options,
            author: Certified::new(&market, "Ada Author", Role::Author),
            merchant: Certified::new(&market, "Otto Versand", Role::Merchant),
            organisation: Certified::new(&consumers, "Verbraucherbund", Role::Evaluator),
            peer: (SigningKey::generate(), SealSecret::from_seed(&keys::random())),
            serial: AtomicU64::new(1),
            _folder: folder,
        }
    }

    /// Ends the host and starts another on the same home.
    pub fn restart(self) -> Self {
        // One host at a time has a home.
        drop(self.host);
        let (host, keeper) = host(&self.home, &self.trust, &self.options);
        Self { host, keeper, ..self }
    }

    /// The bundle of a service, signed and certified.
    pub fn bundle(&self, offered: &Offered) -> Layout {
        let now = Timestamp::now();
        let mut parameters = BTreeMap::new();
        let mut values = BTreeMap::new();
        if let Some(script) = &offered.script {
            let bounds = Bounds::Text { most: 10_000 };
            parameters
                .insert("script".to_owned(), Parameter { meaning: "what it does".into(), bounds });
            values.insert("script".to_owned(), Value::Text(script.clone()));
        }
        let description = ServiceDescription {
            name: "under-test".into(),
            version: "1.0.0".into(),
            author: "Ada Author".into(),
            summary: "Does what the test wants".into(),
            buyer: Digest::of(&offered.component),
            seller: Digest::of(&offered.component),
            world: offered.world.clone(),
            flow: offered.flow.clone(),
            parameters,
            limits: offered.limits.clone(),
        };
        let component = offered.component.clone();
        let (mut layout, digest) =
            bundle::service(&description, component.clone(), component, &self.author.signer(), now);
        if offered.certified {
            let certificate = CertificateOf {
                organisation: "Verbraucherbund".into(),
                criteria: CRITERIA.into(),
                level: 1,
                scope: Scope {
                    imports: Capability::all().collect(),
                    most: Amount::new(100_000, Currency::EUR),
                    countries: BTreeSet::new(),
                    parameters: BTreeMap::new(),
                    credentials: None,
                    limits: offered.certified_limits.clone(),
                },
                report: "none".into(),
                report_digest: None,
                predecessor: None,
                valid_from: now,
                valid_until: now.after(Duration::from_secs(DAY)),
            };
            bundle::certify(&mut layout, About::Service, certificate, &self.organisation.signer())
                .unwrap();
        }
        let terms = TermsDescription {
            service: digest,
            merchant: "Otto Versand".into(),
            serial: self.serial.fetch_add(1, Ordering::SeqCst),
            parameters: values,
            texts: BTreeMap::new(),
            payment: vec!["purse".into()],
            valid_from: now,
            valid_until: now.after(Duration::from_secs(DAY)),
        };
        bundle::terms(&mut layout, &terms, &[], &self.merchant.signer(), now);
        layout
    }

    /// Terms under which deals can be opened.
    pub fn terms(&self, offered: &Offered) -> Arc<VerifiedTerms> {
        self.host.shelf().take(&self.bundle(offered)).unwrap()
    }

    /// As [`Workbench::terms`], for what may be refused.
    pub fn verify(&self, offered: &Offered) -> Result<VerifiedTerms, TrustError> {
        VerifiedTerms::verify(&self.bundle(offered), &self.trust, None, Timestamp::now())
    }

    /// The agreement of a deal under these terms.
    pub fn agreement(&self, terms: Digest, keys: DealKeys, nonce: Digest) -> Agreement {
        let now = Timestamp::now();
        Agreement {
            hello: Hello {
                nonce,
                terms,
                merchant: "Otto Versand".into(),
                buyer: "Anna Berg".into(),
                keys,
                attributes: Attributes { confidential: false, ..Attributes::default() },
                payment: vec!["purse".into()],
                made: now,
            },
            nonce: Digest::from_bytes(keys::random()),
            keys: DealKeys { sign: self.peer.0.public(), seal: self.peer.1.public() },
            payment: "purse".into(),
            countersign_by: now.after(Duration::from_secs(DAY)),
            expires: now.after(Duration::from_secs(20 * DAY)),
        }
    }

    /// Opens a deal and lets its component run.
    pub fn open(&self, terms: &VerifiedTerms) -> DealId {
        self.open_under(terms.digest())
    }

    /// Opens a deal under terms that lie in the home without having been verified by this host:
    /// one of another version has left both.
    pub fn open_left(&self, offered: &Offered) -> DealId {
        let layout = self.bundle(offered);
        let digest = layout.artifacts(TERMS).next().unwrap().digest;
        let home = Home::open(&self.home).unwrap();
        let folder = home.folder(&format!("terms/{}", digest.hex())).unwrap();
        layout.write(&folder).unwrap();
        self.open_under(digest)
    }

    fn open_under(&self, terms: Digest) -> DealId {
        let nonce = Digest::from_bytes(keys::random());
        let keys = self.host.tinguin().deal_keys(nonce).unwrap();
        let agreement = self.agreement(terms, keys, nonce);
        let theirs = agreement.sign(&self.merchant.key, self.merchant.chain.clone());
        let context = DealContext::default();
        let ours = self.host.tinguin().sign_agreement(nonce, &agreement, context).unwrap();
        let signed = [("Otto Versand", theirs.as_slice()), ("Anna Berg", ours.as_slice())];
        // Nobody listens there: what is sent stays in the archive, where tests look at it.
        let address = "https://127.0.0.1:1";
        self.host.open(&agreement, Side::Buyer, address, signed, Vec::new()).unwrap()
    }

    /// A runtime that has nothing ready, with the home's code cache.
    pub fn fresh_runtime(&self) -> Runtime {
        let home = Arc::new(Home::open(&self.home).unwrap());
        let compiler = Compiler::new(home, Binaries::beside().unwrap().semper).unwrap();
        Runtime::new(compiler, &Keeper::new("test")).unwrap()
    }

    /// The row of a deal.
    pub fn row(&self, id: DealId) -> DealRow {
        self.host.archive().deal(id).unwrap().unwrap()
    }

    /// Waits until the deal's row is as wanted.
    ///
    /// # Panics
    /// When it is not so within half a minute.
    pub fn until(&self, id: DealId, wanted: impl Fn(&DealRow) -> bool) -> DealRow {
        let patience = Instant::now() + Duration::from_secs(30);
        loop {
            let row = self.row(id);
            if wanted(&row) {
                return row;
            }
            assert!(Instant::now() < patience, "still {}: {}", row.state.name(), row.note);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until the deal has ended.
    pub fn ended(&self, id: DealId) -> DealRow {
        self.until(id, |row| row.state != DealState::Running)
    }

    /// Waits until the deal has left memory to wait.
    pub fn asleep(&self, id: DealId) -> DealRow {
        self.until(id, |row| row.waits.asleep || row.state != DealState::Running)
    }

    /// Opens a deal for a component and runs it to its end.
    pub fn run(&self, offered: &Offered) -> (DealId, DealRow) {
        let terms = self.terms(offered);
        let id = self.open(&terms);
        (id, self.ended(id))
    }

    /// The typed reason for which a deal failed, from the archive.
    pub fn reason(&self, id: DealId) -> Option<String> {
        let evidence = self.host.archive().evidence(Some(id)).unwrap();
        let incident = evidence.into_iter().find(|it| it.kind == "incident")?;
        incident.summary.split(':').next().map(str::to_owned)
    }

    /// The merchant's next message, as its host would send it.
    pub fn says(&self, id: DealId, item: Item) -> Result<Accepted, MessageRefusal> {
        let row = self.row(id);
        let last = self.host.archive().last_message(id, false).unwrap();
        let (seq, previous) = last.map_or((0, Digest::ZERO), |it| it);
        let header = Header {
            deal: row.id,
            from: Side::Seller,
            seq: seq + 1,
            previous,
            journal: Digest::ZERO,
            made: Timestamp::now(),
        };
        let message = Message { header, container: Container::of(item) };
        self.host.receive(id, &message.sign(&self.peer.0))
    }

    /// A note of the merchant's.
    pub fn note(&self, id: DealId, text: &str) {
        let body = text.as_bytes().to_vec().into();
        self.says(id, Item::Information { kind: "note".into(), body }).unwrap();
    }

    /// A statement signed by the merchant.
    pub fn statement(&self, statement: &Statement) -> Item {
        let chain = self.merchant.chain.clone();
        let signed = SignedStatement::sign(statement, &self.merchant.key, chain).unwrap();
        Item::Statement(signed.into())
    }

    /// Notes that the component sent, in order.
    pub fn notes(&self, id: DealId) -> Vec<String> {
        let all = self.host.archive().all_messages(id, true).unwrap();
        let items = all.iter().map(|row| Message::unverified(&row.bytes).unwrap().container);
        items
            .filter_map(|container| match container.item() {
                Some(Item::Information { kind, body }) if kind == "note" => {
                    Some(String::from_utf8_lossy(body).into_owned())
                }
                _ => None,
            })
            .collect()
    }

    /// Leaves a deal, as `semper cancel` does from another process.
    pub fn cancel(&self, id: DealId, reason: &str) {
        let write = Write::Cancel(id, reason.to_owned());
        self.host.archive().commit(vec![write]).unwrap();
    }
}

/// Makes keys and certificate, and serves the TINGUIN's socket in a thread.
fn tinguin(home: &std::path::Path, market: &Authority, rules: &str) {
    let (keys, _) = Keystore::create("correct horse battery staple").unwrap();
    let chain =
        vec![certificate(market, "Anna Berg", &*keys.identity(0, None).unwrap(), Role::Buyer)];
    let memory = Memory::open(&home.join(semper_tinguin::memory::FILE)).unwrap();
    let transcript = std::fs::File::create(home.join("transcript.jsonl")).unwrap();
    let face = Scripted::new(rules, Box::new(std::io::BufWriter::new(transcript))).unwrap();
    let (user, phrase) = ("Anna Berg".into(), "two owls".into());
    let service = Service::new(keys, memory, Box::new(face), user, phrase);
    service.answer(Request::InstallCertificate(chain)).unwrap();
    let socket = home.join(SOCKET);
    let path = socket.clone();
    std::thread::spawn(move || {
        // It ends with the process.
        if let Err(error) = service.serve(&path, &Keeper::new("workbench")) {
            let _ = writeln!(std::io::stderr(), "the TINGUIN has ended: {error}");
        }
    });
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn host(home: &std::path::Path, trust: &TrustFile, options: &Options) -> (Arc<Host>, Keeper) {
    let home = Arc::new(Home::open(home).unwrap());
    let (keeper, until) = (Keeper::new("test"), Instant::now() + Duration::from_secs(30));
    let compiler = Compiler::new(Arc::clone(&home), Binaries::beside().unwrap().semper).unwrap();
    let runtime = Arc::new(Runtime::new(compiler, &keeper).unwrap());
    loop {
        let archive = Archive::open(&home).unwrap();
        let lists = Lists::open(Arc::clone(&home), archive.clone(), trust, Arc::new(SystemClock));
        let only = semper_commerce::host::lock(&home).unwrap();
        let parts = HostParts {
            home: Arc::clone(&home),
            only,
            archive,
            lists,
            tinguin: semper_tinguin_protocol::Client::through(trouble::Troubled::new(
                home.path(),
                options.trouble.clone(),
            )),
            means: Means {
                trust: trust.clone(),
                payments: Manager::new(Vec::new()),
                net: Client::new(&trust.authorities),
                basis: None,
            },
            equip: Box::new(|_| Err("there is one configuration here".into())),
            business: None,
            workers: options.workers,
            grace: options.grace,
            runtime: Arc::clone(&runtime),
            elsewhere: None,
            notice: Box::new(|_, _| {}),
            clock: Arc::new(SystemClock),
            spawn: Arc::new(keeper.clone()),
        };
        match Host::start(parts) {
            Ok(host) => return (host, keeper),
            // The workers of the host before notice within a second that it is gone.
            Err(error) if Instant::now() > until => panic!("{error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
