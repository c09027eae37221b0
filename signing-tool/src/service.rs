//! A service's bundle: packed from two components and a description, signed by its author.

use std::collections::BTreeMap;
use std::path::Path;

use semper_base::{Amount, Digest, Report, Timestamp};
use semper_trust::bundle;
use semper_trust::capability::{Capability, UnservedWorld, World};
use semper_trust::describe::{Bounds, Parameter, ServiceDescription};
use semper_trust::limits::SomeLimits;
use semper_trust::{Flow, Layout, verify};
use serde::Deserialize;
use serde_json::json;

use crate::arguments::{PackArguments, SignerArguments};
use crate::files::{self, Keys};
use crate::say::Said;

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
    world: Option<String>,
    #[serde(default)]
    limits: SomeLimits,
}

/// A parameter, or narrower bounds of one: one of number, text, money.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterFile {
    #[serde(default)]
    pub meaning: String,
    number: Option<(i64, i64)>,
    text: Option<u32>,
    money: Option<String>,
}

impl ParameterFile {
    /// The bounds that are meant.
    pub fn bounds(&self, name: &str) -> Result<Bounds, Report> {
        match (self.number, self.text, &self.money) {
            (Some((least, most)), None, None) => Ok(Bounds::Number { least, most }),
            (None, Some(most), None) => Ok(Bounds::Text { most }),
            (None, None, Some(most)) => Ok(Bounds::Money { most: most.parse::<Amount>()? }),
            _ => {
                let what = format!("the parameter “{name}” needs one of number, text, money");
                Err(Report::input(what, "for example number = [1, 30]"))
            }
        }
    }
}

/// Packs a service that nobody has signed yet.
pub fn pack(arguments: &PackArguments, author: &str) -> Result<Said, Report> {
    let (layout, description, digest) = packed(arguments, author)?;
    files::write_bundle(&arguments.out, &layout)?;
    let text = format!(
        "service {digest}\n  {} {}, not signed yet: semper-sign sign",
        description.name, description.version
    );
    Ok(Said::new(text, json!({ "service": digest, "signed": false })))
}

/// Signs a packed service as its author.
pub fn sign(bundle: &Path, signer: &SignerArguments) -> Result<Said, Report> {
    let mut layout = files::bundle(bundle)?;
    let (descriptor, service) = files::service(&layout)?;
    let keys = Keys::read(signer)?;
    signed(&mut layout, &service, &keys)?;
    files::write_bundle(bundle, &layout)?;
    let text = format!("service {}\n  signed by {}", descriptor.digest, service.author);
    Ok(Said::new(text, json!({ "service": descriptor.digest, "signed": true })))
}

/// Packs and signs in one step.
pub fn service(arguments: &PackArguments, signer: &SignerArguments) -> Result<Said, Report> {
    let keys = Keys::read(signer)?;
    let (mut layout, description, digest) = packed(arguments, &keys.signer().name())?;
    signed(&mut layout, &description, &keys)?;
    files::write_bundle(&arguments.out, &layout)?;
    let text = format!(
        "service {digest}\n  {} {}, signed by {}",
        description.name, description.version, description.author
    );
    Ok(Said::new(text, json!({ "service": digest, "signed": true })))
}

fn signed(layout: &mut Layout, service: &ServiceDescription, keys: &Keys) -> Result<(), Report> {
    let signer = keys.signer();
    if signer.name() != service.author {
        let what = format!("the service is by “{}”, not by “{}”", service.author, signer.name());
        return Err(Report::input(what, "sign with the author's key, or pack it anew"));
    }
    Ok(bundle::author(layout, &signer, Timestamp::now())?)
}

/// The world that a description names.
fn world(named: Option<&str>) -> Result<World, Report> {
    let mend = format!("world = \"{}\" in the description", World::default().name());
    let named = named.ok_or_else(|| Report::input("the description names no world", &mend))?;
    named.parse().map_err(|error: UnservedWorld| {
        Report::input(format!("the service is written for {error}"), &mend)
    })
}

fn packed(
    arguments: &PackArguments,
    author: &str,
) -> Result<(Layout, ServiceDescription, Digest), Report> {
    let file: ServiceFile = files::parse(&arguments.description)?;
    let world = world(file.world.as_deref())?;
    let buyer = files::bytes(&arguments.buyer)?;
    let seller = files::bytes(&arguments.seller)?;
    for component in [&buyer, &seller] {
        // Refused here rather than at every buyer's.
        for import in verify::imports(component)? {
            import.parse::<Capability>().map_err(|error| {
                Report::input(error, "the worlds in wit/ have all there is; build it for one")
            })?;
            if !world.offers(&import) {
                let what = format!("“{import}” is not in world {}", world.name());
                return Err(Report::input(what, "build it for that world; wit/README.md lists it"));
            }
        }
    }
    if let Some(fault) = file.flow.faults().first() {
        return Err(Report::input(format!("the flow: {fault}"), "mend the flow"));
    }
    let mut parameters = BTreeMap::new();
    for (name, parameter) in file.parameters {
        let bounds = parameter.bounds(&name)?;
        parameters.insert(name, Parameter { meaning: parameter.meaning, bounds });
    }
    let description = ServiceDescription {
        name: file.name,
        version: file.version,
        author: author.to_owned(),
        summary: file.summary,
        buyer: Digest::of(&buyer),
        seller: Digest::of(&seller),
        world: world.name().into(),
        flow: file.flow,
        parameters,
        limits: file.limits,
    };
    let (layout, digest) = bundle::pack(&description, buyer, seller);
    Ok((layout, description, digest))
}
