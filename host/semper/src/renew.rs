//! Renewal: the old key has the next one certified, before its certificate ends. Whatever is killed
//! on the way is done by the same command again: the next key is the same, and so is the answer.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use semper_bank_protocol::AccountAction;
use semper_base::cert::{Revocation, Roots, Verifier};
use semper_base::renewal::Renewal;
use semper_base::{Certificate, Identity, Report, Role, SigningKey, Timestamp};
use semper_net::Client;
use semper_roles::ca::RENEW;
use semper_roles::party::Party;
use serde_json::json;

use crate::arguments::RenewArguments;
use crate::home::{self, Asked};
use crate::print;

/// A renewal as it goes to the authority.
const MEDIA: &str = "application/cose; cose-type=\"cose-sign1\"";

pub fn renew(arguments: &RenewArguments) -> Result<(), Report> {
    match (&arguments.key, &arguments.certificate, &arguments.authority, &arguments.home) {
        (Some(key), Some(certificate), Some(authority), _) => {
            let files = Files { key: key.clone(), certificate: certificate.clone() };
            files.renew(&arguments.ca, authority)
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
        home::ask_bank(&party, &purse.bank, &purse.name, what)?;
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
struct Files {
    key: PathBuf,
    certificate: PathBuf,
}

impl Files {
    fn renew(&self, ca: &str, authority: &Path) -> Result<(), Report> {
        if self.finish()? {
            let words = "a renewal that had been interrupted is done";
            let files = json!({ "key": self.key, "certificate": self.certificate });
            return print::said(words, &files);
        }
        let old = key(&self.key)?;
        let chain = home::certificates(&self.certificate)?;
        let name = chain.first().map(Certificate::subject).unwrap_or_default();
        if chain.first().and_then(|it| it.key().ok()) != Some(old.public()) {
            let (file, key) = (self.certificate.display(), self.key.display());
            let what = format!("{file} does not belong to {key}");
            return Err(Report::input(what, "give the certificate of that key"));
        }
        let roots = Roots::new(home::certificates(authority)?);
        let waiting = beside(&self.key, "next");
        let next = match waiting.exists() {
            true => key(&waiting)?,
            false => {
                let next = SigningKey::generate();
                write(&waiting, next.to_pem().as_bytes())?;
                next
            }
        };
        let signed = Renewal::sign(&old, chain, &next)
            .map_err(|error| Report::input(error, "register again"))?;
        let chain = asked(&Client::new(&roots), ca, signed)?;
        let identity = accepted(&roots.asking(Revocation::OWN), &chain, &name)?;
        if identity.key != next.public() {
            let what = "the certificate that came back is for another key";
            return Err(Report::refusal(what, "ask the organiser"));
        }
        let pem = Certificate::chain_to_pem(&chain);
        write(&beside(&self.certificate, "next"), pem.as_bytes())?;
        self.finish()?;
        let until = identity.certificate.validity().1.date();
        let old = [&self.key, &self.certificate].map(|it| beside(it, "old").display().to_string());
        let words = format!(
            "{} is certified as {} until {until}\nthe old ones are {} and {}",
            identity.name, identity.role, old[0], old[1]
        );
        let mut value = home::as_json(&identity);
        value["old"] = json!(old);
        print::said(&words, &value)
    }

    /// Puts the next key and its certificate in their places, once both are there; whether they
    /// were.
    fn finish(&self) -> Result<bool, Report> {
        if !beside(&self.certificate, "next").exists() {
            return Ok(false);
        }
        for file in [&self.key, &self.certificate] {
            let next = beside(file, "next");
            // Gone if this was interrupted after the key was put in its place.
            if next.exists() {
                let moved = fs::read(file).and_then(|old| write_io(&beside(file, "old"), &old));
                let moved = moved.and_then(|()| fs::rename(&next, file));
                let moved = moved.and_then(|()| in_place(file));
                moved.map_err(|error| failed(file, &error))?;
            }
        }
        Ok(true)
    }
}

fn key(file: &Path) -> Result<SigningKey, Report> {
    SigningKey::from_pem(&print::read(file)?).map_err(|error| {
        Report::input(format!("{}: {error}", file.display()), "give an Ed25519 key in PEM")
    })
}

/// `bank.key.next` for `bank.key`.
fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".");
    name.push(end);
    name.into()
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Report> {
    write_io(file, bytes).map_err(|error| failed(file, &error))
}

/// Writes a file that is its owner's alone: the whole of it, or nothing.
fn write_io(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = beside(file, "part");
    let mut out =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    fs::rename(&part, file)?;
    in_place(file)
}

/// What was renamed is where it is after a power cut, too.
fn in_place(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn failed(file: &Path, error: &std::io::Error) -> Report {
    let mend = "make room for files there, and renew again: nothing is lost";
    Report::input(format!("{}: {error}", file.display()), mend)
}
