//! Reading and writing keys, certificates, bundles, descriptions.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use semper_base::{Certificate, Report, SigningKey};
use semper_trust::Layout;
use serde::de::DeserializeOwned;

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
        Report::input(what, "compare with guest-services/mail-order/terms")
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
    Certificate::from_pem(&text(file)?).map_err(|error| {
        Report::input(format!("{}: {error}", file.display()), "give a PEM certificate")
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

/// Reads a bundle.
pub fn bundle(folder: &Path) -> Result<Layout, Report> {
    Ok(Layout::read(&open(folder)?)?)
}

/// Writes a bundle.
pub fn write_bundle(folder: &Path, layout: &Layout) -> Result<(), Report> {
    fs::create_dir_all(folder).map_err(|error| {
        Report::input(format!("{}: {error}", folder.display()), "choose another folder")
    })?;
    Ok(layout.write(&open(folder)?)?)
}

fn open(folder: &Path) -> Result<Dir, Report> {
    Dir::open_ambient_dir(folder, ambient_authority()).map_err(|error| {
        Report::input(format!("{}: {error}", folder.display()), "give a bundle's folder")
    })
}
