//! Homes: init, register, preferences.

use std::path::Path;

use semper_archive::{Archive, Home, Write};
use semper_base::cert::{Revocation, Roots};
use semper_base::{Certificate, Identity, Report, Timestamp, text};
use semper_commerce::host::evidence;
use semper_net::Client;
use semper_roles::ca::invitation::can_name;
use semper_roles::ca::{CRL, CRL_OF_ROOT, REGISTER, Registered, Registration};
use semper_roles::party::{self, Party, PartyConfig, PaymentConfig, TinguinConfig};
use semper_roles::web::WebRefusal;
use semper_tinguin::keystore::{self, Keystore};
use semper_token::Place;
use semper_trust::TrustFile;
use semper_trust::trustfile::BelievedThirdParty;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::address;
use crate::arguments::{InitArguments, RegisterArguments};
use crate::print;
use crate::trust;
use crate::unlock;

/// Largest answer of an authority or bank.
pub(crate) const MAX_ANSWER: usize = 64 * 1024;
/// What merchants may be told by default.
pub(crate) const PREFERENCES: [&str; 6] =
    ["name", "street", "postcode", "city", "country", "advertising"];

pub fn init(arguments: &InitArguments) -> Result<(), Report> {
    // Everything that can be wrong is looked at before anything is made.
    let root = root_certificate(&arguments.authority)?;
    let evaluators = arguments.evaluator.iter().map(|it| organisation(it));
    let evaluators = evaluators.collect::<Result<Vec<_>, Report>>()?;
    let third_parties = arguments.third_party.iter().map(|file| Ok(third_party(file)?.0));
    let third_parties = third_parties.collect::<Result<Vec<_>, Report>>()?;
    let path = &arguments.home.home;
    if Home::open(path).is_ok_and(|home| home.has(party::CONFIG)) {
        let what = format!("there is a home at {} already", path.display());
        return Err(Report::input(what, "choose another --home"));
    }
    let file = arguments.pass_phrase_file.as_deref();
    let token = arguments.token.as_deref().zip(arguments.library.as_deref());
    let token = token.map(|(name, library)| Place::find(library, name)).transpose()?;
    let keys = match (&token, arguments.device) {
        (_, true) => Keys::Elsewhere,
        (Some(place), _) => Keys::Token(place, unlock::pin(place, file)?),
        (None, _) => Keys::Here(unlock::chosen(file, "pass-phrase")?),
    };
    let making = Making {
        user: &arguments.user,
        phrase: &arguments.phrase,
        keys: &keys,
        root: &root,
        evaluators: &evaluators,
        third_parties: &third_parties,
    };
    make(path, &making)?;
    let home = Home::open(path)?;
    let mut words =
        format!("{} is ready; whom you believe stands in {}", path.display(), party::TRUST);
    if arguments.device {
        words += "; next: semper device pair";
    }
    print::said(&words, &json!({ "home": path, "trust": home.path().join(party::TRUST) }))
}

/// An organisation that is believed, from name=root.pem.
pub(crate) fn organisation(entry: &str) -> Result<(String, Certificate), Report> {
    let (name, file) = entry.split_once('=').ok_or_else(|| {
        Report::input(format!("“{entry}” is not name=root.pem"), "semper init --help")
    })?;
    names_organisation(name)?;
    Ok((name.to_owned(), root_certificate(Path::new(file))?))
}

/// Whether an organisation can be called so in a home.
pub(crate) fn names_organisation(name: &str) -> Result<(), Report> {
    if can_name(name) {
        return Ok(());
    }
    let what = format!("“{name}” cannot name an organisation here");
    Err(Report::input(what, "use small letters and hyphens"))
}

/// What a home is made of.
pub(crate) struct Making<'a> {
    /// The name by which the TINGUIN greets its user.
    pub user: &'a str,
    /// The personal phrase.
    pub phrase: &'a str,
    /// Where the keys are.
    pub keys: &'a Keys<'a>,
    /// The authority that is believed.
    pub root: &'a Certificate,
    /// Consumer organisations that are believed, by short names.
    pub evaluators: &'a [(String, Certificate)],
    /// Third parties that are believed, as trust files have them.
    pub third_parties: &'a [String],
}

/// Where a home's keys are.
pub(crate) enum Keys<'a> {
    /// In its key store, under this pass-phrase.
    Here(Zeroizing<String>),
    /// In a token that has this PIN.
    Token(&'a Place, Zeroizing<String>),
    /// On a second device.
    Elsewhere,
}

/// Makes a home; its key store, if it has one.
pub(crate) fn make(path: &Path, making: &Making<'_>) -> Result<Option<Keystore>, Report> {
    let mut trust = trust_file(making.evaluators);
    for text in making.third_parties {
        trust += &format!("\n{text}");
    }
    if let Ok(kind) = Home::open(path).and_then(|home| home.kind()) {
        let what = format!("there is {} home at {} already", kind.whose(), path.display());
        return Err(Report::input(what, "choose another --home"));
    }
    let (home, keys) = begun(path, making.keys)?;
    home.write("root.pem", making.root.to_pem().as_bytes())?;
    for (name, certificate) in making.evaluators {
        home.write(&format!("{name}.pem"), certificate.to_pem().as_bytes())?;
    }
    home.write(party::TRUST, trust.as_bytes())?;
    configured(&home, making.user, making.phrase)?;
    Ok(keys)
}

/// A home that has its keys, and nothing else yet.
pub(crate) fn begun(path: &Path, keys: &Keys<'_>) -> Result<(Home, Option<Keystore>), Report> {
    let made = match keys {
        Keys::Here(pass_phrase) => Some(Keystore::create(pass_phrase)?),
        Keys::Token(place, pin) => Some(Keystore::create_in_token(place, pin)?),
        Keys::Elsewhere => None,
    };
    let home = Home::create(path)?;
    if let Some((_, stored)) = &made {
        home.write(keystore::FILE, stored.as_bytes())?;
    }
    Ok((home, made.map(|(keys, _)| keys)))
}

/// Gives a home its archive and its configuration: that is last, because it is what makes a home.
pub(crate) fn configured(home: &Home, user: &str, phrase: &str) -> Result<(), Report> {
    Archive::open(home)?;
    let config = PartyConfig {
        user: user.to_owned(),
        phrase: phrase.to_owned(),
        payment: PaymentConfig::default(),
        tinguin: TinguinConfig::default(),
        applications: None,
    };
    Ok(party::write_config(home, &config)?)
}

/// What a third party has printed for trust files, if that is what it is; and its keys, the newest
/// first.
pub(crate) fn third_party(file: &Path) -> Result<(String, Vec<BelievedThirdParty>), Report> {
    let text = print::read(file)?;
    let alone = format!("authorities = []\n{text}");
    let wrong = |error: &dyn std::fmt::Display| {
        let mend = "give the file with what semper third-party-init has printed";
        Report::input(format!("{}: {error}", file.display()), mend)
    };
    let parsed = TrustFile::parse(&alone, |_| Err("no file belongs here".into()))
        .map_err(|error| wrong(&error))?;
    match parsed.third_parties.is_empty() {
        true => Err(wrong(&"it names no third party")),
        false => Ok((text, parsed.third_parties)),
    }
}

/// One organisation is enough; whoever wants more edits the file.
fn trust_file(evaluators: &[(String, Certificate)]) -> String {
    let mut text = String::from(
        "# Whom you believe, and for what. See policies/trust.toml of the project.\n\
         authorities = [\"root.pem\"]\n",
    );
    let criteria = "https://semper.example/criteria/consumer/1";
    for (name, _) in evaluators {
        text += &format!(
            "\n[evaluator.{name}]\nroot     = \"{name}.pem\"\ncriteria = [\"{criteria}\"]\n"
        );
    }
    if !evaluators.is_empty() {
        let names: Vec<String> = evaluators.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        text += &format!(
            "\n[[require]]\nthreshold = 1\nof        = [{}]\ncriteria  = \"{criteria}\"\nlevel     = 2\n",
            names.join(", ")
        );
    }
    text
}

/// The first certificate of a file, if it is one to believe others by: an authority's or an
/// organisation's root. A party's certificate in its place would vouch for nobody.
pub(crate) fn root_certificate(file: &Path) -> Result<Certificate, Report> {
    let certificate = certificate(file)?;
    if certificate.is_authority() {
        return Ok(certificate);
    }
    let (subject, issuer) = (certificate.subject(), certificate.issuer());
    let what = format!(
        "{} is no root: it is the certificate of “{subject}”, which may certify nobody",
        file.display()
    );
    Err(Report::input(what, format!("give the root certificate of “{issuer}”, root.pem")))
}

/// The first certificate of a file.
pub(crate) fn certificate(file: &Path) -> Result<Certificate, Report> {
    Ok(certificates(file)?.swap_remove(0))
}

/// The certificates of a file; at least one.
pub(crate) fn certificates(file: &Path) -> Result<Vec<Certificate>, Report> {
    Certificate::chain_from_pem(&print::read(file)?).map_err(|error| {
        Report::input(format!("{}: {error}", file.display()), "give a PEM certificate")
    })
}

pub fn register(arguments: &RegisterArguments) -> Result<(), Report> {
    match (&arguments.request, &arguments.home) {
        (Some(request), _) => register_request(arguments, request),
        (None, Some(home)) => register_home(arguments, home),
        (None, None) => Err(Report::input("no --home and no --request", "semper register --help")),
    }
}

fn register_request(arguments: &RegisterArguments, request: &Path) -> Result<(), Report> {
    let (Some(out), Some(authority)) = (&arguments.out, &arguments.authority) else {
        return Err(Report::input(
            "--request needs --out and --authority",
            "semper register --help",
        ));
    };
    let pem = print::read(request)?;
    let roots = Roots::new(vec![root_certificate(authority)?]);
    let asked = registration(&arguments.key, pem)?;
    let chain = ask_authority(&Client::new(&roots), &arguments.ca, asked)?;
    write_chain(out, &chain)?;
    let words = format!("certified: {}", out.display());
    let (name, until) = (chain[0].subject(), chain[0].validity().1);
    print::said(
        &words,
        &json!({ "file": out, "name": name, "roles": chain[0].roles(), "until": until }),
    )
}

fn register_home(arguments: &RegisterArguments, home: &Path) -> Result<(), Report> {
    let party = Party::open(home)?;
    let name = arguments.name.as_deref().unwrap_or_default();
    let tinguin = semper_tinguin_protocol::Client::new(party.home.path());
    let request = match arguments.new_key {
        true => tinguin.request_next_certificate(name)?,
        false => tinguin.request_certificate(name)?,
    };
    let (words, identity) = certified(&party, &tinguin, (&arguments.ca, &arguments.key), request)?;
    if let Some(out) = &arguments.out {
        write_chain(out, &tinguin.who()?.1)?;
    }
    print::said(&words.join("\n"), &as_json(&identity))
}

/// Has an authority, which was asked with a registration key, certify what a TINGUIN requests; what
/// there is to say.
pub(crate) fn certified(
    party: &Party,
    tinguin: &semper_tinguin_protocol::Client,
    (ca, key): (&str, &str),
    request: String,
) -> Result<(Vec<String>, Identity), Report> {
    let chain = ask_authority(&party.net(), ca, registration(key, request)?)?;
    // Checked against the root in the trust file before it is kept.
    let now = Timestamp::now();
    let roles = [semper_base::Role::Buyer, semper_base::Role::Merchant];
    let verifier = party.trust.authorities.asking(Revocation::OWN);
    let identity = verifier.verify_as(&chain, &roles, now).map_err(|error| {
        let what = format!("the certificate that came back is not accepted: {error}");
        Report::refusal(what, "compare root.pem with the organiser's")
    })?;
    let below = identity.certificate.issuer() != identity.root;
    let mut words = vec![install(party, tinguin, chain, &identity)?];
    let ca = address::https(ca, "authority")?;
    let mut lists = vec![format!("{ca}{CRL}")];
    // An authority below a root shows the root's list, too.
    lists.extend(below.then(|| format!("{ca}{CRL_OF_ROOT}")));
    let asked = ask_for_revoked(party, lists)?;
    if let Some(lists) = asked {
        words.push(format!("revoked certificates are asked for at {}", lists.join(" and ")));
    }
    Ok((words, identity))
}

/// Who has been certified, for machines.
pub(crate) fn as_json(identity: &Identity) -> Value {
    let (name, role, root) = (&identity.name, identity.role, &identity.root);
    json!({ "name": name, "role": role, "by": root, "until": identity.certificate.validity().1 })
}

fn write_chain(out: &Path, chain: &[Certificate]) -> Result<(), Report> {
    std::fs::write(out, Certificate::chain_to_pem(chain)).map_err(|error| {
        Report::input(format!("{}: {error}", out.display()), "choose another --out; ask again")
    })
}

/// Has the TINGUIN use a certificate from now on, and keeps it as evidence; what there is to say.
pub(crate) fn install(
    party: &Party,
    tinguin: &semper_tinguin_protocol::Client,
    chain: Vec<Certificate>,
    identity: &Identity,
) -> Result<String, Report> {
    let leaf = &identity.certificate;
    let until = leaf.validity().1.date();
    let summary = format!("certificate as {}, until {until}", identity.role);
    let now = Timestamp::now();
    let write = evidence(None, "certificate", &identity.root, &summary, leaf.der(), now);
    // First: what is in use is in the evidence, whatever happens in between.
    party.archive.commit(vec![write])?;
    tinguin.install_certificate(chain)?;
    let (name, role, root) = (&identity.name, identity.role, &identity.root);
    Ok(format!("{name} is certified as {role} by {root}, until {until}"))
}

/// Has a home that asks no list for revoked certificates ask the one of the authority that has
/// certified it; the lists that it asks from then on. An authority without a list is no reason to
/// fail.
fn ask_for_revoked(party: &Party, lists: Vec<String>) -> Result<Option<Vec<String>>, Report> {
    if !party.trust.crls.is_empty() {
        return Ok(None);
    }
    let trust = TrustFile { crls: lists.clone(), ..party.trust.clone() };
    if let Some(error) = party.lists.refresh(&party.net(), &trust, None).first() {
        print::note(format_args!("CAUTION: nobody is asked for revoked certificates: {error}"));
        print::note(format_args!(
            "         give an authority's list under crls in {}",
            party::TRUST
        ));
        return Ok(None);
    }
    trust::ask_for_revoked(party.home.path(), &lists)?;
    Ok(Some(lists))
}

/// What an authority is asked, and where.
pub(crate) struct Asked {
    pub route: &'static str,
    pub media: &'static str,
    pub body: Vec<u8>,
}

fn registration(key: &str, request: String) -> Result<Asked, Report> {
    let registration = Registration { key: key.to_owned(), request };
    let body = serde_json::to_vec(&registration)
        .map_err(|error| Report::refusal(error, "report this to the project"))?;
    Ok(Asked { route: REGISTER, media: "application/json", body })
}

/// A certificate from an authority: the leaf, and the authorities between it and its root.
pub(crate) fn ask_authority(
    net: &Client,
    ca: &str,
    asked: Asked,
) -> Result<Vec<Certificate>, Report> {
    let url = format!("{}{}", address::https(ca, "authority")?, asked.route);
    let response = net.post(&url, asked.media, asked.body, MAX_ANSWER)?;
    if response.status == 200 {
        let registered: Registered = serde_json::from_slice(&response.body).map_err(|error| {
            Report::refusal(
                format!("the authority's answer is not valid: {error}"),
                "ask the organiser",
            )
        })?;
        if registered.chain.is_empty() {
            let what = "the authority sent no certificate";
            return Err(Report::refusal(what, "ask the organiser"));
        }
        return Ok(registered.chain);
    }
    Err(match serde_json::from_slice::<WebRefusal>(&response.body) {
        Ok(refusal) => {
            Report::refusal(format!("the authority refuses: {}", refusal.error), refusal.mend)
        }
        Err(_) => {
            let what = format!("{url} answers with status {}", response.status);
            Report::refusal(what, "check the address")
        }
    })
}

/// A preference as orders want it.
fn preferred(key: &str, value: &str) -> Result<String, Report> {
    let line = text::one_line(value).map_err(|hidden| {
        let what = format!("{key} “{}” {hidden}", text::shown(value, 60));
        Report::input(what, "type it again")
    })?;
    if key == "advertising" {
        return match line.as_str() {
            "yes" | "no" => Ok(line),
            _ => {
                let what =
                    format!("advertising “{}” is neither yes nor no", text::shown(&line, 60));
                Err(Report::input(what, "say yes or no; without it, it is no"))
            }
        };
    }
    if key != "country" {
        return Ok(line);
    }
    let code = line.to_ascii_uppercase();
    if code.len() == 2 && code.bytes().all(|c| c.is_ascii_uppercase()) {
        return Ok(code);
    }
    let what = format!("country “{line}” is not the two letters of a country");
    Err(Report::input(what, "use its code of ISO 3166: DE for Germany, FR for France, US, GB, JP"))
}

/// A preference from key=value.
pub(crate) fn preference_of(entry: &str) -> Result<Write, Report> {
    let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
    if !PREFERENCES.contains(&key) || value.is_empty() || value.chars().count() > 200 {
        let what = format!("“{entry}” is not a preference");
        let mend = format!("key=value, with key {}", PREFERENCES.join(", "));
        return Err(Report::input(what, mend));
    }
    Ok(Write::Preference(key.into(), preferred(key, value)?))
}

pub fn preference(home: &Path, set: &[String], json: bool) -> Result<(), Report> {
    let party = Party::open(home)?;
    let mut writes = Vec::new();
    for entry in set {
        writes.push(preference_of(entry)?);
    }
    party.archive.commit(writes)?;
    let mut all = std::collections::BTreeMap::new();
    for key in PREFERENCES {
        if let Some(value) = party.archive.preference(key)? {
            all.insert(key, value);
        }
    }
    if json {
        return print::json(&all);
    }
    for (key, value) in all {
        print::line(&format!("{key:10} {value}"));
    }
    Ok(())
}
