//! Terms and a runtime for the stage, as exercises and trials use them.
//!
//! An evaluator examines before anybody has certified, perhaps before the merchant is known: the
//! service and the terms of the bundle, byte for byte, are signed anew with keys of the bench,
//! and certified there for all that they import. They are the same code under the same digest,
//! in a world of their own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use semper_archive::Home;
use semper_base::cert::{Authority, CertError, Roots};
use semper_base::{Amount, Currency, Report, Role, SigningKey, Timestamp};
use semper_items::Side;
use semper_keeper::Keeper;
use semper_runtime::Runtime;
use semper_runtime::compile::Compiler;
use semper_stage::Cast;
use semper_trust::bundle::{self, Signer};
use semper_trust::capability::Capability;
use semper_trust::certificate::{CertificateOf, Scope};
use semper_trust::describe::{Bounds, SERVICE, TERMS};
use semper_trust::trustfile::{About, Evaluator, Requirement};
use semper_trust::{Knowledge, Layout, Limit, Limits, TrustFile, VerifiedTerms};

use crate::files;

const CRITERIA: &str = "https://semper.example/criteria/bench/1";
const NAME: &str = "Bench";
/// How long the bench's signatures hold.
const LASTS: Duration = Duration::from_secs(3 * 365 * 86_400);

/// Where compiled code is kept.
#[derive(Clone, Copy)]
pub enum Code<'a> {
    /// As long as the bench is there.
    Forgotten,
    /// In this folder, for the next time.
    Kept(&'a Path),
}

/// Files of compiled code that a folder keeps: those of the last few builds.
const KEPT: usize = 6;

/// What all deals on a stage share.
pub struct Bench {
    pub terms: Arc<VerifiedTerms>,
    pub runtime: Runtime,
    pub cast: Arc<Cast>,
    pub begins: Timestamp,
    pub currency: Currency,
    /// Keeps the code cache as long as it is needed.
    _folder: Option<tempfile::TempDir>,
}

impl Bench {
    pub fn new(layout: &Layout, code: Code<'_>) -> Result<Self, Report> {
        let broken = |what: String| Report::refusal(what, "examine the bundle with inspect first");
        let (_, service) = files::service(layout)?;
        let (_, description) = files::terms(layout)?.ok_or_else(|| {
            let mend = "add terms with semper-sign terms: they fix the parameters";
            Report::input("there are no terms in the bundle", mend)
        })?;
        let begins = description.valid_from;
        let money = service.parameters.values().find_map(|it| match &it.bounds {
            Bounds::Money { most } => Some(most.currency()),
            _ => None,
        });
        let currency = money.unwrap_or(Currency::EUR);
        let (fresh, trust) =
            again(layout, &service.author, &description.merchant, begins, currency)
                .map_err(|error| broken(error.to_string()))?;
        let terms = VerifiedTerms::verify(&fresh, &trust, Some(&Knowledge::default()), begins)?;
        let (folder, home) = match code {
            Code::Forgotten => {
                let folder = tempfile::tempdir().map_err(|error| broken(error.to_string()))?;
                let home = Home::create(&folder.path().join("bench"))?;
                (Some(folder), home)
            }
            Code::Kept(folder) => {
                forget(&folder.join("cache"));
                let home = if folder.is_dir() { Home::open(folder) } else { Home::create(folder) };
                (None, home?)
            }
        };
        let program = std::env::current_exe().map_err(|error| broken(error.to_string()))?;
        let failed = |stop: semper_runtime::Stop| broken(stop.to_string());
        let compiler = Compiler::new(Arc::new(home), program).map_err(failed)?;
        let runtime = Runtime::new(compiler, &Keeper::new("bench")).map_err(failed)?;
        let cast = Cast::new(&terms, begins).map_err(|error| broken(error.to_string()))?;
        Ok(Self {
            terms: Arc::new(terms),
            runtime,
            cast: Arc::new(cast),
            begins,
            currency,
            _folder: folder,
        })
    }
}

impl Bench {
    /// Compiles both components, at the same time, or takes their code from where it is kept.
    pub fn ready(&self) -> Result<(), Report> {
        let ready = |side: Side| {
            self.runtime.ready(&self.terms, side).map(drop).map_err(|stop| {
                let what = format!("the {}'s half cannot be run: {stop}", side.name());
                Report::refusal(what, crate::mend::mend(&stop, side))
            })
        };
        std::thread::scope(|scope| {
            let seller = scope.spawn(|| ready(Side::Seller));
            ready(Side::Buyer)?;
            seller.join().unwrap_or_else(|_| Err(Report::refusal("the compiler has failed", "")))
        })
    }
}

/// Removes the code of builds that were long ago. What cannot be removed only takes room.
fn forget(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let dated = |it: std::fs::DirEntry| Some((it.metadata().ok()?.modified().ok()?, it.path()));
    let mut all: Vec<_> = entries.filter_map(Result::ok).filter_map(dated).collect();
    all.sort();
    for (_, old) in all.iter().rev().skip(KEPT) {
        let _ = std::fs::remove_file(old);
    }
}

/// Service and terms of a bundle, signed by the bench.
fn again(
    layout: &Layout,
    author: &str,
    merchant: &str,
    begins: Timestamp,
    currency: Currency,
) -> Result<(Layout, TrustFile), Box<dyn std::error::Error>> {
    let authority = Authority::new(NAME, SigningKey::generate(), begins)?;
    let consumers = Authority::new(NAME, SigningKey::generate(), begins)?;
    let until = begins.after(LASTS);
    let signer = |by: &Authority, name: &str, role: Role| -> Result<_, CertError> {
        let key = SigningKey::generate();
        let chain = vec![by.issue(name, &key.public(), role, &[], begins, until)?];
        Ok((key, chain))
    };
    let mut fresh = layout.only(&[SERVICE, TERMS])?;
    let (key, chain) = signer(&authority, author, Role::Author)?;
    bundle::author(&mut fresh, &Signer { key: &key, chain: &chain }, begins)?;
    let (key, chain) = signer(&authority, merchant, Role::Merchant)?;
    bundle::offer(&mut fresh, &Signer { key: &key, chain: &chain }, begins)?;
    let (key, chain) = signer(&consumers, NAME, Role::Evaluator)?;
    let certificate = CertificateOf {
        organisation: NAME.into(),
        criteria: CRITERIA.into(),
        level: 1,
        scope: Scope {
            imports: Capability::all().collect(),
            most: Amount::new(i64::MAX / 4, currency),
            countries: Default::default(),
            parameters: Default::default(),
            credentials: None,
            limits: Default::default(),
        },
        report: "the exercise itself".into(),
        report_digest: None,
        predecessor: None,
        valid_from: begins,
        valid_until: until,
    };
    let signer = Signer { key: &key, chain: &chain };
    bundle::certify(&mut fresh, About::Service, certificate, &signer)?;
    let evaluator = Evaluator {
        roots: Roots::new(vec![consumers.certificate]),
        criteria: vec![CRITERIA.into()],
        ..Evaluator::default()
    };
    let ceiling = Limits::ceiling();
    let trust = TrustFile {
        authorities: Roots::new(vec![authority.certificate]),
        evaluators: [("bench".to_owned(), evaluator)].into(),
        require: vec![Requirement {
            threshold: 1,
            of: vec!["bench".into()],
            criteria: CRITERIA.into(),
            level: 1,
            about: About::Service,
        }],
        limits: Limit::all().map(|limit| (limit, ceiling.get(limit))).collect(),
        ..TrustFile::default()
    };
    Ok((fresh, trust))
}
