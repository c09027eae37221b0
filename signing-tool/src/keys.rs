//! Keys, requests, organisations.

use std::path::Path;
use std::time::Duration;

use semper_base::cert::{Authority, CertError, Request};
use semper_base::{Report, Role, SigningKey, Timestamp};
use serde_json::json;

use crate::files;
use crate::say::Said;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

pub fn key(out: &Path) -> Result<Said, Report> {
    let key = SigningKey::generate();
    files::create(out, key.to_pem().as_bytes(), 0o600)?;
    let id = key.public().id();
    Ok(Said::new(format!("{} holds {id}", out.display()), json!({ "file": out, "key": id })))
}

pub fn request(key: &Path, name: &str, out: &Path) -> Result<Said, Report> {
    let request = Request::new(name, &files::key(key)?)
        .map_err(|error| Report::input(error, "choose another name"))?;
    files::create(out, request.pem().as_bytes(), 0o644)?;
    let text = format!("{} asks for “{name}”", out.display());
    Ok(Said::new(text, json!({ "file": out, "name": name })))
}

pub fn organisation(name: &str, out: &Path) -> Result<Said, Report> {
    let wrong = |error: CertError| Report::input(error, "choose another name");
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
    let text = format!("{}: give root.pem to buyers, keep root.key off line", out.display());
    Ok(Said::new(text, json!({ "folder": out, "root": authority.certificate.digest() })))
}
