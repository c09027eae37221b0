//! Making keys, requests, organisations, bundles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use semper_base::cert::{Authority, Request};
use semper_base::{Amount, Certificate, Digest, Report, Role, SigningKey, Timestamp};
use semper_trust::bundle::{self, Signer};
use semper_trust::describe::{Bounds, Parameter, ServiceDescription, TermsDescription, Value};
use semper_trust::limits::SomeLimits;
use semper_trust::policy::{Capability, CertificateOf, Scope, World};
use semper_trust::trustfile::About;
use semper_trust::{Flow, describe, verify};
use serde::Deserialize;

use crate::SignerArguments;
use crate::files;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

pub fn key(out: &Path) -> Result<(), Report> {
    let key = SigningKey::generate();
    files::create(out, key.to_pem().as_bytes(), 0o600)?;
    println!("{} holds {}", out.display(), key.public().id());
    Ok(())
}

pub fn request(key: &Path, name: &str, out: &Path) -> Result<(), Report> {
    let request = Request::new(name, &files::key(key)?)
        .map_err(|error| Report::input(error, "choose another name"))?;
    files::create(out, request.pem().as_bytes(), 0o644)?;
    println!("{} asks for “{name}”", out.display());
    Ok(())
}

pub fn organisation(name: &str, out: &Path) -> Result<(), Report> {
    let wrong = |error: semper_base::cert::CertError| Report::input(error, "choose another name");
    let now = Timestamp::now();
    let root = SigningKey::generate();
    let root_pem = root.to_pem();
    let authority = Authority::new(name, root, now).map_err(wrong)?;
    let key = SigningKey::generate();
    let until = now.after(YEAR * 3);
    let certificate =
        authority.issue(name, &key.public(), Role::Evaluator, &[], now, until).map_err(wrong)?;
    std::fs::create_dir_all(out).map_err(|error| {
        Report::input(format!("{}: {error}", out.display()), "choose another folder")
    })?;
    files::create(&out.join("root.key"), root_pem.as_bytes(), 0o600)?;
    files::create(&out.join("root.pem"), authority.certificate.to_pem().as_bytes(), 0o644)?;
    files::create(&out.join("evaluator.key"), key.to_pem().as_bytes(), 0o600)?;
    files::create(&out.join("evaluator.pem"), certificate.to_pem().as_bytes(), 0o644)?;
    println!("{}: give root.pem to buyers, keep root.key off line", out.display());
    Ok(())
}

/// A service's description as an author writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceFile {
    name: String,
    version: String,
    summary: String,
    flow: Flow,
    #[serde(default)]
    parameters: BTreeMap<String, ParameterFile>,
    /// The world version that the components are built for.
    #[serde(default)]
    world: World,
    #[serde(default)]
    limits: SomeLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParameterFile {
    meaning: String,
    number: Option<(i64, i64)>,
    text: Option<u32>,
    money: Option<String>,
}

pub fn service(
    description: &Path,
    buyer: &Path,
    seller: &Path,
    signer: &SignerArguments,
    out: &Path,
) -> Result<(), Report> {
    let file: ServiceFile = files::parse(description)?;
    let (key, chain) = signer_files(signer)?;
    let signer = Signer { key: &key, chain: &chain };
    let (buyer, seller) = (files::bytes(buyer)?, files::bytes(seller)?);
    for component in [&buyer, &seller] {
        // Refused here rather than at every buyer's.
        for import in verify::imports(component)? {
            import.parse::<Capability>().map_err(|error| {
                Report::input(error, "the worlds in wit/ have all there is; build it for one")
            })?;
            if !file.world.offers(&import) {
                let what = format!("“{import}” is not in world {}", file.world.name());
                return Err(Report::input(what, "set world = \"…\" in the description"));
            }
        }
    }
    if let Some(fault) = file.flow.faults().first() {
        return Err(Report::input(format!("the flow: {fault}"), "mend the flow"));
    }
    let mut parameters = BTreeMap::new();
    for (name, parameter) in file.parameters {
        parameters.insert(name.clone(), bounds(&name, parameter)?);
    }
    let description = ServiceDescription {
        name: file.name,
        version: file.version,
        author: signer.name(),
        summary: file.summary,
        buyer: Digest::of(&buyer),
        seller: Digest::of(&seller),
        world: file.world.name().into(),
        flow: file.flow,
        parameters,
        limits: file.limits,
    };
    let (layout, digest) = bundle::service(&description, buyer, seller, &signer, Timestamp::now());
    files::write_bundle(out, &layout)?;
    println!(
        "service {digest}\n  {} {}, signed by {}",
        description.name,
        description.version,
        signer.name()
    );
    Ok(())
}

fn bounds(name: &str, file: ParameterFile) -> Result<Parameter, Report> {
    let bounds = match (file.number, file.text, file.money) {
        (Some((least, most)), None, None) => Bounds::Number { least, most },
        (None, Some(most), None) => Bounds::Text { most },
        (None, None, Some(most)) => Bounds::Money { most: most.parse::<Amount>()? },
        _ => {
            let what = format!("the parameter “{name}” needs one of number, text, money");
            return Err(Report::input(what, "for example number = [1, 30]"));
        }
    };
    Ok(Parameter { meaning: file.meaning, bounds })
}

/// Terms as a merchant writes them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TermsFile {
    serial: u64,
    payment: Vec<String>,
    valid_days: u64,
    #[serde(default)]
    parameters: BTreeMap<String, ValueFile>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ValueFile {
    Number(i64),
    Text(String),
}

pub fn terms(
    bundle: &Path,
    description: &Path,
    text: &[String],
    signer: &SignerArguments,
) -> Result<(), Report> {
    let file: TermsFile = files::parse(description)?;
    let (key, chain) = signer_files(signer)?;
    let signer = Signer { key: &key, chain: &chain };
    let mut layout = files::bundle(bundle)?;
    let service = layout.artifacts(describe::SERVICE).next().cloned().ok_or_else(|| {
        Report::input("there is no service in the bundle", "make it with semper-sign service")
    })?;
    let config = layout.manifest(&service)?.config;
    let known: ServiceDescription = describe::parse("service.json", layout.blob(&config.digest)?)?;
    let mut texts = Vec::new();
    for entry in text {
        let (language, file) = entry.split_once('=').ok_or_else(|| {
            Report::input(format!("“{entry}” is not language=file"), "for example en=terms.en.md")
        })?;
        texts.push((language.to_owned(), files::bytes(Path::new(file))?));
    }
    let now = Timestamp::now();
    let parameters = values(file.parameters, &known)?;
    let description = TermsDescription {
        service: service.digest,
        merchant: signer.name(),
        serial: file.serial,
        parameters,
        texts: texts.iter().map(|(language, text)| (language.clone(), Digest::of(text))).collect(),
        payment: file.payment,
        valid_from: now,
        valid_until: now.after(Duration::from_secs(file.valid_days.saturating_mul(86_400))),
    };
    let digest = bundle::terms(&mut layout, &description, &texts, &signer, now);
    files::write_bundle(bundle, &layout)?;
    println!("terms {digest}\n  of {}, serial number {}", signer.name(), description.serial);
    Ok(())
}

/// Values as their parameters have them: a text for money is parsed as money.
fn values(
    file: BTreeMap<String, ValueFile>,
    service: &ServiceDescription,
) -> Result<BTreeMap<String, Value>, Report> {
    let mut values = BTreeMap::new();
    for (name, value) in file {
        let parameter = service.parameters.get(&name).ok_or_else(|| {
            let known: Vec<&str> = service.parameters.keys().map(String::as_str).collect();
            let what = format!("the service has no parameter “{name}”");
            Report::input(what, format!("it has {}", known.join(", ")))
        })?;
        let value = match (value, &parameter.bounds) {
            (ValueFile::Text(text), Bounds::Money { .. }) => Value::Money(text.parse::<Amount>()?),
            (ValueFile::Text(text), _) => Value::Text(text),
            (ValueFile::Number(number), _) => Value::Number(number),
        };
        if !parameter.bounds.allow(&value) {
            let what = format!("the parameter “{name}” is out of its bounds");
            return Err(Report::input(what, format!("{:?}", parameter.bounds)));
        }
        values.insert(name, value);
    }
    Ok(values)
}

/// A certificate as an organisation writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateFile {
    criteria: String,
    level: u32,
    report: String,
    valid_days: u64,
    most: String,
    imports: BTreeSet<Capability>,
    #[serde(default)]
    countries: BTreeSet<String>,
    credentials: Option<BTreeSet<String>>,
    #[serde(default)]
    limits: SomeLimits,
}

pub fn certify(bundle: &Path, description: &Path, signer: &SignerArguments) -> Result<(), Report> {
    let file: CertificateFile = files::parse(description)?;
    let (key, chain) = signer_files(signer)?;
    let signer = Signer { key: &key, chain: &chain };
    let mut layout = files::bundle(bundle)?;
    let now = Timestamp::now();
    let certificate = CertificateOf {
        organisation: signer.name(),
        criteria: file.criteria,
        level: file.level,
        scope: Scope {
            imports: file.imports,
            most: file.most.parse::<Amount>()?,
            countries: file.countries,
            parameters: BTreeMap::new(),
            credentials: file.credentials,
            limits: file.limits,
        },
        report: file.report,
        report_digest: None,
        predecessor: None,
        valid_from: now,
        valid_until: now.after(Duration::from_secs(file.valid_days.saturating_mul(86_400))),
    };
    bundle::certify(&mut layout, About::Service, certificate, &signer)?;
    files::write_bundle(bundle, &layout)?;
    println!("certified by {}", signer.name());
    Ok(())
}

fn signer_files(signer: &SignerArguments) -> Result<(SigningKey, Vec<Certificate>), Report> {
    let key = files::key(&signer.key)?;
    let certificate = files::certificate(&signer.certificate)?;
    if certificate.key().ok() != Some(key.public()) {
        let what =
            format!("{} does not belong to {}", signer.certificate.display(), signer.key.display());
        return Err(Report::input(what, "give the certificate that was issued for this key"));
    }
    Ok((key, vec![certificate]))
}
