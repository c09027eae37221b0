//! A merchant's terms: a service's parameters filled in, by a file or by a form.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use semper_base::{Amount, Digest, Report, Role, Timestamp};
use semper_items::agreement::PURSE;
use semper_trust::bundle;
use semper_trust::describe::{Bounds, ServiceDescription, TermsDescription, Value};
use serde::Deserialize;
use serde_json::json;

use crate::arguments::TermsArguments;
use crate::files::{self, Keys};
use crate::say::{self, Said};

/// Terms of business, as a merchant writes them: one merchant's use of a service.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a description of terms")]
pub struct TermsFile {
    /// The serial number. It rises with every change; a buyer's host never goes back.
    serial: u64,
    /// Payment modules that are accepted, most liked first: `["purse"]`.
    payment: Vec<String>,
    /// For how many days the terms are valid, from the day on which they are signed.
    valid_days: u64,
    /// A value for every parameter of the service, within its bounds.
    #[serde(default)]
    parameters: BTreeMap<String, ValueFile>,
}

/// A parameter's value: a whole number, a text, or an amount such as `"4.90 EUR"`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a whole number, a text, or an amount such as \"4.90 EUR\"")]
enum ValueFile {
    Number(i64),
    Text(String),
}

pub fn terms(arguments: &TermsArguments) -> Result<Said, Report> {
    let mut layout = files::bundle(&arguments.bundle)?;
    let (service, known) = files::service(&layout)?;
    let file = match &arguments.description {
        Some(file) => files::parse(file)?,
        None => form(&known)?,
    };
    let unknown = unknown_modules(&file.payment)?;
    let keys = Keys::read(&arguments.signer, &[Role::Merchant])?;
    let signer = keys.signer();
    let mut texts = Vec::new();
    for entry in &arguments.text {
        let (language, file) = entry.split_once('=').ok_or_else(|| {
            Report::input(format!("“{entry}” is not language=file"), "for example en=terms.en.md")
        })?;
        texts.push((language.to_owned(), files::bytes(Path::new(file))?));
    }
    let now = Timestamp::now();
    let serial = file.serial;
    let mut description = file.described(service.digest, &known, signer.name(), now)?;
    let digests = texts.iter().map(|(language, text)| (language.clone(), Digest::of(text)));
    description.texts = digests.collect();
    let digest = bundle::terms(&mut layout, &description, &texts, &signer, now);
    files::write_bundle(&arguments.bundle, &layout)?;
    let mut text = format!("terms {digest}\n  of {}, serial number {serial}", signer.name());
    for module in &unknown {
        text += &format!(
            "\nCAUTION: semper's own hosts have no payment module “{module}”, only “{PURSE}”; they will \
             not pay by it"
        );
    }
    let value = json!({
        "terms": digest, "merchant": signer.name(), "serial": serial, "unknown_payment": unknown,
    });
    Ok(Said::new(text, value).warned(keys.warning(now)))
}

impl TermsFile {
    /// The terms of this merchant for a service, valid from a moment on; without texts.
    pub fn described(
        self,
        service: Digest,
        known: &ServiceDescription,
        merchant: String,
        from: Timestamp,
    ) -> Result<TermsDescription, Report> {
        Ok(TermsDescription {
            service,
            merchant,
            serial: self.serial,
            parameters: values(self.parameters, known)?,
            texts: BTreeMap::new(),
            payment: self.payment,
            valid_from: from,
            valid_until: from.after(Duration::from_secs(self.valid_days.saturating_mul(86_400))),
        })
    }
}

/// The payment modules that the project's own hosts do not have; other hosts may.
fn unknown_modules(payment: &[String]) -> Result<Vec<String>, Report> {
    if payment.is_empty() {
        let mend = format!("write payment = [\"{PURSE}\"]");
        return Err(Report::input("the terms accept no payment module", mend));
    }
    Ok(payment.iter().filter(|module| *module != PURSE).cloned().collect())
}

/// Asks for everything at the terminal, each value within its bounds.
fn form(service: &ServiceDescription) -> Result<TermsFile, Report> {
    let (name, version) = (&service.name, &service.version);
    say::note(format_args!("Terms for {name} {version}: {}", service.summary));
    let serial = ask("serial number (rises with every change)", "1", |text| {
        text.parse::<u64>().map_err(|_| "a whole number from 0 on".to_owned())
    })?;
    let valid_days = ask("valid for how many days", "365", |text| {
        text.parse::<u64>().map_err(|_| "a whole number of days".to_owned())
    })?;
    let payment = ask("payment modules, most liked first", PURSE, |text| {
        Ok(text.split([',', ' ']).filter(|it| !it.is_empty()).map(str::to_owned).collect())
    })?;
    let mut parameters = BTreeMap::new();
    for (name, parameter) in &service.parameters {
        let label = format!("{name} ({}; {})", parameter.meaning, parameter.bounds);
        let value = ask(&label, "", |text| {
            let value = match &parameter.bounds {
                Bounds::Number { .. } => {
                    ValueFile::Number(text.parse().map_err(|_| "a whole number".to_owned())?)
                }
                _ => ValueFile::Text(text.to_owned()),
            };
            let parsed = parsed(&value, &parameter.bounds).map_err(|it| it.what)?;
            if parameter.bounds.allow(&parsed) { Ok(value) } else { Err("out of bounds".into()) }
        })?;
        parameters.insert(name.clone(), value);
    }
    Ok(TermsFile { serial, payment, valid_days, parameters })
}

/// One line from standard input, again until it is good.
fn ask<T>(
    label: &str,
    usual: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Report> {
    let failed = |error: std::io::Error| Report::input(error, "give --description FILE instead");
    loop {
        let hint = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
        let mut shown = std::io::stderr();
        write!(shown, "{label}{hint}: ").and_then(|()| shown.flush()).map_err(failed)?;
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line).map_err(failed)? == 0 {
            let what = "the form was left before its end; nothing has been signed";
            return Err(Report::input(what, "give --description FILE instead"));
        }
        let text = if line.trim().is_empty() { usual } else { line.trim() };
        match parse(text) {
            Ok(value) => return Ok(value),
            Err(why) => say::note(format_args!("  that does not do: {why}")),
        }
    }
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
        let value = parsed(&value, &parameter.bounds)?;
        if !parameter.bounds.allow(&value) {
            let what = format!("the parameter “{name}” is out of its bounds");
            return Err(Report::input(what, format!("give {}", parameter.bounds)));
        }
        values.insert(name, value);
    }
    Ok(values)
}

fn parsed(value: &ValueFile, bounds: &Bounds) -> Result<Value, Report> {
    Ok(match (value, bounds) {
        (ValueFile::Text(text), Bounds::Money { .. }) => Value::Money(text.parse::<Amount>()?),
        (ValueFile::Text(text), _) => Value::Text(text.clone()),
        (ValueFile::Number(number), _) => Value::Number(*number),
    })
}
