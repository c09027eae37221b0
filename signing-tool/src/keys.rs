//! Keys and certificate requests.

use std::path::Path;

use semper_base::cert::Request;
use semper_base::{Report, SigningKey};
use serde_json::json;

use crate::files;
use crate::say::Said;

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
