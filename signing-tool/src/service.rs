//! A service's bundle: packed from two components and a description, signed by its author.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use semper_base::{Amount, Digest, Report, Role, Timestamp};
use semper_items::Side;
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

/// A service, as its author describes it: what the two components do, as both hosts enforce it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a service's description")]
pub struct ServiceFile {
    /// The service's name, such as `mail-order`.
    name: String,
    /// The version of the service: three numbers, such as `1.2.0`.
    version: String,
    /// One sentence for people.
    summary: String,
    /// The course that a deal can take; both hosts enforce it.
    flow: Flow,
    /// What merchants fill in when they sign terms: by name.
    #[serde(default)]
    parameters: BTreeMap<String, ParameterFile>,
    /// The version of the world that the components are built for: `1.2.0`.
    #[schemars(required)]
    world: Option<String>,
    /// Limits of the sandbox that the service needs, where they differ from the usual, by their names.
    #[serde(default)]
    limits: SomeLimits,
}

/// A parameter, or in a certificate narrower bounds of one: exactly one of `number`, `text`, `money`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a parameter such as { number = [1, 30] }")]
pub struct ParameterFile {
    /// The meaning, for merchants and evaluators.
    #[serde(default)]
    pub meaning: String,
    /// A whole number: the least and the greatest, such as `[1, 30]`.
    number: Option<(i64, i64)>,
    /// A text: its greatest number of characters.
    text: Option<u32>,
    /// An amount of money: the greatest, such as `"20.00 EUR"`.
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
    files::write_new(&arguments.out, &layout)?;
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
    let keys = Keys::read(signer, &[Role::Author])?;
    signed(&mut layout, &service, &keys)?;
    files::write_bundle(bundle, &layout)?;
    let text = format!("service {}\n  signed by {}", descriptor.digest, service.author);
    let said = Said::new(text, json!({ "service": descriptor.digest, "signed": true }));
    Ok(said.warned(keys.warning(Timestamp::now())))
}

/// Packs and signs in one step.
pub fn service(arguments: &PackArguments, signer: &SignerArguments) -> Result<Said, Report> {
    let keys = Keys::read(signer, &[Role::Author])?;
    let (mut layout, description, digest) = packed(arguments, &keys.signer().name())?;
    signed(&mut layout, &description, &keys)?;
    files::write_new(&arguments.out, &layout)?;
    let text = format!(
        "service {digest}\n  {} {}, signed by {}",
        description.name, description.version, description.author
    );
    let said = Said::new(text, json!({ "service": digest, "signed": true }));
    Ok(said.warned(keys.warning(Timestamp::now())))
}

/// Whether a half imports nothing but what its half of the world has.
fn imported(file: &Path, component: &[u8], side: Side, world: World) -> Result<(), Report> {
    let imports = verify::imports(component).map_err(|error| {
        // The parser's own words are about bytes, and take many lines.
        let why = error.to_string();
        let why = match why.contains("core module") {
            true => "is a core module, and no WebAssembly component",
            false => "is no WebAssembly component",
        };
        let what = format!("{} {why}", file.display());
        Report::input(what, "give what semper-sign build has made: buyer.wasm, seller.wasm")
    })?;
    for import in imports {
        let capability = import.parse::<Capability>().map_err(|error| {
            Report::input(
                error,
                "build it for the world; semper-sign reference lists its interfaces",
            )
        })?;
        if !world.offers(&import) {
            let what = format!("“{import}” is not in world {}", world.name());
            let mend = "build it for that world; semper-sign reference lists its interfaces";
            return Err(Report::input(what, mend));
        }
        if !capability.is_for(side) {
            let (own, other) = (side.name(), side.other().name());
            let what = format!("the {own}'s half imports “{import}”, which only the {other}'s may");
            return Err(Report::input(what, format!("have the {other}'s half do it, and tell")));
        }
    }
    Ok(())
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

pub fn packed(
    arguments: &PackArguments,
    author: &str,
) -> Result<(Layout, ServiceDescription, Digest), Report> {
    let file: ServiceFile = files::parse(&arguments.description)?;
    let world = world(file.world.as_deref())?;
    let buyer = files::bytes(&arguments.buyer)?;
    let seller = files::bytes(&arguments.seller)?;
    // Refused here rather than at every buyer's.
    imported(&arguments.buyer, &buyer, Side::Buyer, world)?;
    imported(&arguments.seller, &seller, Side::Seller, world)?;
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
