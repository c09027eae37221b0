//! Tools of others that tests hold ours against: a Python environment with the libraries of
//! in-toto, securesystemslib, oras and jsonschema. Kept in the target folder until the list of
//! them changes.

use std::fs;
use std::path::PathBuf;

use crate::build;

/// Makes the environment; its folder.
pub fn all() -> Result<PathBuf, String> {
    let folder = build::target()?.join("strangers");
    let wanted = build::repository().join("tests/trust/strangers/requirements.txt");
    let list = fs::read(&wanted).map_err(|error| format!("{}: {error}", wanted.display()))?;
    let mark = folder.join("installed");
    if fs::read(&mark).is_ok_and(|installed| installed == list) {
        return Ok(folder);
    }
    println!("Python: tools of others, from PyPI");
    let text = |path: &PathBuf| path.display().to_string();
    build::run("python3", &["-m", "venv", &text(&folder)])?;
    let pip = text(&folder.join("bin/pip"));
    build::run(&pip, &["install", "--quiet", "--requirement", &text(&wanted)])?;
    fs::write(mark, list).map_err(|error| error.to_string())?;
    Ok(folder)
}
