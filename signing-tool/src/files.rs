//! Reading and writing keys, certificates, bundles, descriptions.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use semper_archive::Pair;
use semper_base::cert::ServerRoot;
use semper_base::{Certificate, Report, Role, SigningKey, Timestamp, renewal};
use semper_distribution::{Fetcher, Options, Place};
use semper_net::Believed;
use semper_trust::bundle::Signer;
use semper_trust::describe::{self, ServiceDescription, TermsDescription};
use semper_trust::envelope::{AUTHORED, CERTIFIED, DELEGATED, OFFERED};
use semper_trust::layout::Descriptor;
use semper_trust::{Layout, TrustFile};
use serde::de::DeserializeOwned;

use crate::arguments::SignerArguments;

/// A signer's key and chain, out of files.
pub struct Keys {
    files: Pair,
    key: SigningKey,
    chain: Vec<Certificate>,
}

impl Keys {
    /// Reads both and checks that they belong together, and that whoever signs may do so: what is
    /// signed in another role would be refused later, by everybody else.
    pub fn read(arguments: &SignerArguments, roles: &[Role]) -> Result<Self, Report> {
        let (key_file, certificate) = (arguments.key.clone(), arguments.certificate.clone());
        let files = Pair { key: key_file, certificate };
        let key = key(&files.key)?;
        let is_of = |chain: &[Certificate]| {
            chain.first().and_then(|it| it.key().ok()) == Some(key.public())
        };
        let mut chain = chain(&files.certificate)?;
        if !is_of(&chain) && files.waiting().exists() {
            // A renewal was interrupted after the new key was put in its place.
            chain = self::chain(&files.waiting())?;
        }
        if !is_of(&chain) {
            let (certificate, key) = (arguments.certificate.display(), arguments.key.display());
            let what = format!("{certificate} does not belong to {key}");
            return Err(Report::input(what, "give the certificate that was issued for this key"));
        }
        let named = chain[0].roles();
        if !named.iter().any(|it| roles.contains(it)) {
            return Err(other_role(&arguments.certificate, &named, roles));
        }
        Ok(Self { files, key, chain })
    }

    /// What a signer hears weeks before its certificate ends: what it signs ends with it.
    pub fn warning(&self, now: Timestamp) -> Option<String> {
        let until = self.leaf().validity().1;
        if !renewal::is_due(until, now) {
            return None;
        }
        let mend = if self.leaf().roles().contains(&Role::Evaluator) {
            let folder = self.files.certificate.parent().filter(|it| !it.as_os_str().is_empty());
            let folder = shown(folder.unwrap_or(Path::new(".")));
            format!("semper-sign organisation --renew --out {folder}")
        } else {
            let (key, certificate) = (shown(&self.files.key), shown(&self.files.certificate));
            format!("semper renew --key {key} --certificate {certificate} --ca … --authority …")
        };
        let (name, date) = (self.leaf().subject(), until.date());
        Some(match until > now {
            true => format!(
                "the certificate of “{name}” ends on {date}, and so does what is signed by it: {mend}"
            ),
            false => format!(
                "the certificate of “{name}” ended on {date}, and nobody believes what is signed by it: {mend}"
            ),
        })
    }

    pub fn signer(&self) -> Signer<'_> {
        Signer { key: &self.key, chain: &self.chain }
    }

    /// The root's digest: of a chain that is a leaf below its root, the caller gives the root.
    pub fn leaf(&self) -> &Certificate {
        &self.chain[0]
    }
}

fn other_role(file: &Path, named: &[Role], wanted: &[Role]) -> Report {
    let list = |roles: &[Role]| match roles {
        [] => "in no role".to_owned(),
        roles => {
            let names: Vec<String> = roles.iter().map(ToString::to_string).collect();
            format!("as {}", names.join(" or "))
        }
    };
    let (file, is, want) = (file.display(), list(named), list(wanted));
    let mend = match wanted {
        [Role::Evaluator] => {
            "give evaluator.key and evaluator.pem, which semper-sign organisation has made"
                .to_owned()
        }
        [role, ..] => format!(
            "give the key and the certificate of the {role}: its registration key is handed out with semper ca invite --role {role}"
        ),
        [] => String::new(),
    };
    Report::input(format!("{file} certifies {is}, and this is signed {want}"), mend)
}

/// A path as it can be typed again in a shell.
pub fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%:,=~".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Reads a text file.
pub fn text(file: &Path) -> Result<String, Report> {
    fs::read_to_string(file)
        .map_err(|error| Report::input(format!("{}: {error}", file.display()), "check the path"))
}

/// Reads any file.
pub fn bytes(file: &Path) -> Result<Vec<u8>, Report> {
    fs::read(file)
        .map_err(|error| Report::input(format!("{}: {error}", file.display()), "check the path"))
}

/// Parses a TOML file that a person wrote.
pub fn parse<T: DeserializeOwned>(file: &Path) -> Result<T, Report> {
    toml::from_str(&text(file)?).map_err(|error| {
        let what = format!("{} is not valid: {error}", file.display());
        Report::input(what, "semper-sign reference explains every entry")
    })
}

/// Reads a private key that nobody else may read.
pub fn key(file: &Path) -> Result<SigningKey, Report> {
    if let Ok(meta) = file.metadata() {
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let what = format!("{} is open to others (mode {mode:03o})", file.display());
            return Err(Report::input(what, format!("chmod 600 {}", file.display())));
        }
    }
    SigningKey::from_pem(&text(file)?).map_err(|error| {
        let mend = "make one with semper-sign key, or openssl genpkey -algorithm ed25519";
        Report::input(format!("{}: {error}", file.display()), mend)
    })
}

/// Reads a certificate.
pub fn certificate(file: &Path) -> Result<Certificate, Report> {
    let mut all = chain(file)?;
    Ok(all.remove(0))
}

/// Reads a root's certificate; one that may certify nobody is none.
pub fn root(file: &Path) -> Result<Certificate, Report> {
    let root = certificate(file)?;
    if root.is_authority() {
        return Ok(root);
    }
    let (subject, issuer) = (root.subject(), root.issuer());
    let what = format!(
        "{} is no root: it is the certificate of “{subject}”, which may certify nobody",
        file.display()
    );
    Err(Report::input(what, format!("give the root certificate of “{issuer}”, root.pem")))
}

/// Reads a chain, leaf first; at least one.
pub fn chain(file: &Path) -> Result<Vec<Certificate>, Report> {
    Certificate::chain_from_pem(&text(file)?).map_err(|error| {
        Report::input(format!("{}: {error}", file.display()), "give PEM certificates, leaf first")
    })
}

/// Reads the roots that vouch for servers: of any kind of key, several in a file.
pub fn server_roots(file: &Path) -> Result<Vec<ServerRoot>, Report> {
    ServerRoot::all_from_pem(&text(file)?).map_err(|error| {
        Report::input(format!("{}: {error}", file.display()), "give PEM certificates")
    })
}

/// Writes a new file; one that is there is not overwritten.
pub fn create(file: &Path, content: &[u8], mode: u32) -> Result<(), Report> {
    let write = || -> std::io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let mut out = options.write(true).create_new(true).mode(mode).open(file)?;
        out.write_all(content)?;
        out.sync_all()
    };
    write().map_err(|error| {
        let what = format!("{}: {error}", file.display());
        Report::input(what, "choose another file, or remove that one first")
    })
}

/// Writes a file that may be there, whole or not at all.
pub fn replace(file: &Path, content: &[u8]) -> Result<(), Report> {
    let new = file.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut out = fs::File::create(&new)?;
        out.write_all(content)?;
        out.sync_all()?;
        fs::rename(&new, file)
    };
    write().map_err(|error| {
        Report::input(format!("{}: {error}", file.display()), "check the path and the disk")
    })
}

/// Reads a bundle that lies on this machine.
pub fn bundle(place: &Path) -> Result<Layout, Report> {
    Ok(semper_distribution::pull(&local(place)?, &nobody(), &())?)
}

/// Writes a bundle on this machine.
pub fn write_bundle(place: &Path, layout: &Layout) -> Result<(), Report> {
    Ok(semper_distribution::push(layout, &local(place)?, &nobody(), &())?)
}

/// Writes a bundle that was not read from this place, on this machine. What lies there is replaced
/// by what is newer of it; what would be lost is not.
pub fn write_new(place: &Path, layout: &Layout) -> Result<(), Report> {
    may_replace(&local(place)?, layout)?;
    write_bundle(place, layout)
}

/// Whether everything that others have signed in the bundle at a place stands in this one, too, or
/// in a newer form of it.
pub fn may_replace(place: &Place, layout: &Layout) -> Result<(), Report> {
    let path = match place {
        Place::Folder(path) if path.join("index.json").exists() => path,
        Place::Archive(path) if path.exists() => path,
        _ => return Ok(()),
    };
    let mend = || {
        let path = path.display();
        format!("choose another place, or move {path} away first")
    };
    let there = semper_distribution::pull(place, &nobody(), &()).map_err(|error| {
        let what = format!("{} is there, and cannot be read as a bundle: {error}", path.display());
        Report::input(what, mend())
    })?;
    let (kept, new) = (signed(&there)?, signed(layout)?);
    let lost: Vec<&str> = kept.difference(&new).map(String::as_str).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let what = format!("{} has what would be lost: {}", path.display(), lost.join(", "));
    Err(Report::input(what, mend()))
}

/// What was signed in a bundle, and by whom.
fn signed(layout: &Layout) -> Result<BTreeSet<String>, Report> {
    let mut all = BTreeSet::new();
    for (_, envelope) in semper_trust::bundle::statements(layout)? {
        let Ok(claim) = semper_trust::envelope::claim(&envelope) else { continue };
        let what = match claim.predicate_type.as_str() {
            AUTHORED => "a service",
            OFFERED => "terms",
            CERTIFIED => "a certificate",
            DELEGATED => "a delegation",
            other => other,
        };
        all.extend(claim.signers.iter().map(|by| format!("{what} signed by “{by}”")));
    }
    Ok(all)
}

fn local(place: &Path) -> Result<Place, Report> {
    match place.to_string_lossy().parse::<Place>()? {
        it @ (Place::Folder(_) | Place::Archive(_) | Place::Named(..)) => Ok(it),
        _ => {
            let what = format!("{} is not on this machine", place.display());
            Err(Report::input(what, "semper-sign pull brings it here"))
        }
    }
}

/// For places that need no network.
fn nobody() -> Fetcher {
    Fetcher::new(Believed::nobody(), Options::default())
}

/// Reads a trust file, with what it names beside it.
pub fn trust(file: &Path) -> Result<TrustFile, Report> {
    let base = file.parent().unwrap_or(Path::new("."));
    Ok(TrustFile::parse(&text(file)?, |name| {
        fs::read_to_string(base.join(name)).map_err(|error| error.to_string())
    })?)
}

/// The service in a bundle.
pub fn service(layout: &Layout) -> Result<(Descriptor, ServiceDescription), Report> {
    described(layout, describe::SERVICE)?.ok_or_else(|| {
        Report::input("there is no service in the bundle", "make it with semper-sign service")
    })
}

/// The terms in a bundle, if there are any.
pub fn terms(layout: &Layout) -> Result<Option<(Descriptor, TermsDescription)>, Report> {
    described(layout, describe::TERMS)
}

fn described<T>(layout: &Layout, kind: &str) -> Result<Option<(Descriptor, T)>, Report>
where
    T: serde::Serialize + DeserializeOwned,
{
    let Some(descriptor) = layout.artifacts(kind).next() else { return Ok(None) };
    let config = layout.manifest(descriptor)?.config;
    let value = describe::parse(kind, layout.blob(&config.digest)?)?;
    Ok(Some((descriptor.clone(), value)))
}
