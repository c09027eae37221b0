//! The quotation service in other languages: their tools, from the languages' own registries,
//! and the components that they build. Kept in the target folder until a source changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::build;

/// The world that the services are written for.
const WORLD: &str = "commerce/1.2.0";
/// The packages that it imports.
const PACKAGES: [(&str, &str); 7] = [
    ("items", "1.0.0"),
    ("tinguin", "1.0.0"),
    ("transfer", "1.0.0"),
    ("archive", "1.0.0"),
    ("business", "1.0.0"),
    ("deal", "1.1.0"),
    ("exchange", "1.0.0"),
];

/// Builds both halves in both languages; the folder with `buyer-js.wasm` and its like.
pub fn all() -> Result<PathBuf, String> {
    let folder = build::target()?.join("languages");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let sources = build::repository().join("guest-services/quotation");
    let stamp = stamp(&sources)?;
    let mark = folder.join("stamp");
    if fs::read_to_string(&mark).is_ok_and(|before| before == stamp) {
        return Ok(folder);
    }
    let wit = worlds(&folder)?;
    javascript(&folder, &sources.join("javascript"), &wit)?;
    python(&folder, &sources.join("python"), &wit)?;
    fs::write(mark, stamp).map_err(|error| error.to_string())?;
    Ok(folder)
}

/// Everything that the components are made of, in one text.
fn stamp(sources: &Path) -> Result<String, String> {
    let mut all = String::new();
    let mut folders = vec![sources.to_owned(), build::repository().join("wit")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| error.to_string())? {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    for file in files {
        all.push_str(&String::from_utf8_lossy(&fs::read(&file).unwrap_or_default()));
    }
    Ok(all)
}

/// The world with its packages, as the languages' tools want it: one folder.
fn worlds(folder: &Path) -> Result<PathBuf, String> {
    let wit = folder.join("wit");
    let _ = fs::remove_dir_all(&wit);
    let source = build::repository().join("wit");
    copy(&source.join(WORLD), &wit)?;
    for (name, version) in PACKAGES {
        copy(&source.join(name).join(version), &wit.join("deps").join(name))?;
    }
    Ok(wit)
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            fs::copy(&path, to.join(name)).map_err(failed)?;
        }
    }
    Ok(())
}

fn javascript(folder: &Path, sources: &Path, wit: &Path) -> Result<(), String> {
    let tools = folder.join("javascript");
    let wanted = fs::read(sources.join("package.json")).map_err(|error| error.to_string())?;
    // A second installation over the first leaves out what the first needs.
    if !fs::read(tools.join("installed")).is_ok_and(|installed| installed == wanted) {
        let _ = fs::remove_dir_all(&tools);
        copy(sources, &tools)?;
        println!("JavaScript: componentize-js, from npm");
        let quiet = ["--no-package-lock", "--no-fund", "--no-audit", "--loglevel", "error"];
        run(&tools, "npm", &[["install"].as_slice(), &quiet].concat())?;
        fs::write(tools.join("installed"), wanted).map_err(|error| error.to_string())?;
    }
    copy(sources, &tools)?;
    let program = tools.join("node_modules/.bin/componentize-js").display().to_string();
    for half in ["buyer", "seller"] {
        let (world, source) = (format!("{half}-service"), format!("{half}.js"));
        let (wit, out) = (text(wit), text(&folder.join(format!("{half}-js.wasm"))));
        // HTTP is what a service has no business with; clocks, randomness and output come
        // from the host's deterministic subset.
        let arguments = [
            source.as_str(),
            "--wit",
            &wit,
            "--world-name",
            &world,
            "-d",
            "http",
            "-d",
            "fetch-event",
            "-o",
            &out,
        ];
        run(&tools, &program, &arguments)?;
    }
    Ok(())
}

fn python(folder: &Path, sources: &Path, wit: &Path) -> Result<(), String> {
    let tools = folder.join("python");
    copy(sources, &tools)?;
    println!("Python: componentize-py, from PyPI");
    run(&tools, "python3", &["-m", "venv", "venv"])?;
    let pip = text(&tools.join("venv/bin/pip"));
    run(&tools, &pip, &["install", "--quiet", "--requirement", "requirements.txt"])?;
    let program = text(&tools.join("venv/bin/componentize-py"));
    for half in ["buyer", "seller"] {
        let world = format!("{half}-service");
        let (wit, out) = (text(wit), text(&folder.join(format!("{half}-py.wasm"))));
        // Its runtime imports sockets, which no host offers: WASI is stubbed out altogether.
        let arguments =
            ["--quiet", "-d", &wit, "-w", &world, "componentize", "--stub-wasi", half, "-o", &out];
        run(&tools, &program, &arguments)?;
    }
    Ok(())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<(), String> {
    let status = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("{program}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{program} {}: {status}", arguments.join(" ")))
    }
}
