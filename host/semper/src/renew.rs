//! Renewal: the old key has the next one certified, before its certificate ends. Whatever is killed
//! on the way is done by the same command again: the next key is the same, and so is the answer.

use std::path::Path;

use semper_archive::{Former, Pair};
use semper_bank_protocol::AccountAction;
use semper_base::cert::{Revocation, Roots, Verifier};
use semper_base::renewal::Renewal;
use semper_base::{Certificate, Identity, Report, Role, SigningKey, Timestamp};
use semper_net::Client;
use semper_roles::ca::RENEW;
use semper_roles::party::Party;
use serde_json::json;

use crate::account;
use crate::arguments::RenewArguments;
use crate::home::{self, Asked};
use crate::print;

/// A renewal as it goes to the authority.
const MEDIA: &str = "application/cose; cose-type=\"cose-sign1\"";

pub fn renew(arguments: &RenewArguments) -> Result<(), Report> {
    match (&arguments.key, &arguments.certificate, &arguments.authority, &arguments.home) {
        (Some(key), Some(certificate), Some(authority), _) => {
            let pair = Pair { key: key.clone(), certificate: certificate.clone() };
            of_files(&pair, &arguments.ca, authority)
        }
        (None, None, None, Some(home)) => of_home(&arguments.ca, home),
        _ => {
            let what = "--key, --certificate and --authority go together; or --home alone";
            Err(Report::input(what, "semper renew --help"))
        }
    }
}

fn of_home(ca: &str, home: &Path) -> Result<(), Report> {
    let party = Party::open(home)?;
    let tinguin = semper_tinguin_protocol::Client::new(party.home.path());
    let (name, _) = tinguin.who()?;
    let chain = asked(&party.net(), ca, tinguin.renew()?)?;
    let verifier = party.trust.authorities.asking(Revocation::OWN);
    let identity = accepted(&verifier, &chain, &name)?;
    let mut words = Vec::new();
    // First: the bank must believe the new key before the old one is out of use.
    if let Some(purse) = &party.config.payment.purse {
        let to = identity.key.id();
        let what = AccountAction::HandOver { account: purse.account.clone(), to };
        account::ask_bank(&party, &tinguin, (&purse.bank, &purse.name), what)?;
        words.push(format!("{} knows the new key of {}", purse.name, purse.account));
    }
    words.push(home::install(&party, &tinguin, chain, &identity)?);
    words.push("deals that run go on by the key that they began with".into());
    print::said(&words.join("\n"), &home::as_json(&identity))
}

fn asked(net: &Client, ca: &str, signed: Vec<u8>) -> Result<Vec<Certificate>, Report> {
    home::ask_authority(net, ca, Asked { route: RENEW, media: MEDIA, body: signed })
}

/// Whose the new certificate is: of the same name, by an authority that is believed.
fn accepted(verifier: &Verifier, chain: &[Certificate], name: &str) -> Result<Identity, Report> {
    let roles: Vec<Role> = Role::all().collect();
    let refused = |what: String| Report::refusal(what, "ask the organiser");
    let identity = verifier
        .verify_as(chain, &roles, Timestamp::now())
        .map_err(|error| refused(format!("the new certificate is not accepted: {error}")))?;
    match identity.name == name {
        true => Ok(identity),
        false => Err(refused(format!("the new certificate is for “{}”", identity.name))),
    }
}

/// A key and its certificate in files.
fn of_files(pair: &Pair, ca: &str, authority: &Path) -> Result<(), Report> {
    if pair.finish(Former::Old)?.is_some() {
        let words = "a renewal that had been interrupted is done";
        let files = json!({ "key": pair.key, "certificate": pair.certificate });
        return print::said(words, &files);
    }
    let old = key(&pair.key)?;
    let chain = home::certificates(&pair.certificate)?;
    let name = chain.first().map(Certificate::subject).unwrap_or_default();
    if chain.first().and_then(|it| it.key().ok()) != Some(old.public()) {
        let (file, key) = (pair.certificate.display(), pair.key.display());
        let what = format!("{file} does not belong to {key}");
        return Err(Report::input(what, "give the certificate of that key"));
    }
    let roots = Roots::new(home::certificates(authority)?);
    let next = pair.next_key()?;
    let signed = Renewal::sign(&old, chain, &next)
        .map_err(|error| Report::input(error, "register again"))?;
    let chain = asked(&Client::new(&roots), ca, signed)?;
    let identity = accepted(&roots.asking(Revocation::OWN), &chain, &name)?;
    if identity.key != next.public() {
        let what = "the certificate that came back is for another key";
        return Err(Report::refusal(what, "ask the organiser"));
    }
    let kept = pair.replace(&chain, Former::Old)?;
    let until = identity.certificate.validity().1.date();
    let old: Vec<String> = kept.iter().map(|it| it.display().to_string()).collect();
    let words = format!(
        "{} is certified as {} until {until}\nthe old ones are {}",
        identity.name,
        identity.role,
        old.join(" and ")
    );
    let mut value = home::as_json(&identity);
    value["old"] = json!(old);
    print::said(&words, &value)
}

fn key(file: &Path) -> Result<SigningKey, Report> {
    SigningKey::from_pem(&print::read(file)?).map_err(|error| {
        Report::input(format!("{}: {error}", file.display()), "give an Ed25519 key in PEM")
    })
}
