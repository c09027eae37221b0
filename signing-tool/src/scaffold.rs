//! New services: sources in three languages that build and run at once, and the way to build
//! them with their languages' own tools.

use std::path::Path;
use std::process::{Command, Stdio};

use semper_base::Report;
use serde_json::json;

use crate::files;
use crate::say::{self, Said};

/// The newest world and its packages, as the languages' tools want them: one folder.
const WIT: [(&str, &str); 8] = [
    ("wit/commerce.wit", include_str!("../../wit/commerce/1.2.0/commerce.wit")),
    ("wit/deps/items/items.wit", include_str!("../../wit/items/1.0.0/items.wit")),
    ("wit/deps/tinguin/tinguin.wit", include_str!("../../wit/tinguin/1.0.0/tinguin.wit")),
    ("wit/deps/transfer/transfer.wit", include_str!("../../wit/transfer/1.0.0/transfer.wit")),
    ("wit/deps/archive/archive.wit", include_str!("../../wit/archive/1.0.0/archive.wit")),
    ("wit/deps/business/business.wit", include_str!("../../wit/business/1.0.0/business.wit")),
    ("wit/deps/deal/deal.wit", include_str!("../../wit/deal/1.1.0/deal.wit")),
    ("wit/deps/exchange/exchange.wit", include_str!("../../wit/exchange/1.0.0/exchange.wit")),
];

const RUST: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("../templates/rust/Cargo.toml.template")),
    ("buyer/Cargo.toml", include_str!("../templates/rust/buyer/Cargo.toml.template")),
    ("buyer/src/lib.rs", include_str!("../templates/rust/buyer/src/lib.rs.template")),
    ("seller/Cargo.toml", include_str!("../templates/rust/seller/Cargo.toml.template")),
    ("seller/src/lib.rs", include_str!("../templates/rust/seller/src/lib.rs.template")),
];

const JAVASCRIPT: [(&str, &str); 3] = [
    ("package.json", include_str!("../../guest-services/quotation/javascript/package.json")),
    ("buyer.js", include_str!("../../guest-services/quotation/javascript/buyer.js")),
    ("seller.js", include_str!("../../guest-services/quotation/javascript/seller.js")),
];

const PYTHON: [(&str, &str); 3] = [
    ("requirements.txt", include_str!("../../guest-services/quotation/python/requirements.txt")),
    ("buyer.py", include_str!("../../guest-services/quotation/python/buyer.py")),
    ("seller.py", include_str!("../../guest-services/quotation/python/seller.py")),
];

const SERVICE: &str = include_str!("../../guest-services/quotation/terms/service.toml");
const TERMS: &str = include_str!("../../guest-services/quotation/terms/terms.toml");

/// The target that Rust services are built for.
const TARGET: &str = "wasm32-wasip2";

pub fn new(language: &str, name: &str, out: &Path) -> Result<Said, Report> {
    let sources: &[(&str, &str)] = match language {
        "rust" => &RUST,
        "javascript" => &JAVASCRIPT,
        "python" => &PYTHON,
        other => {
            let what = format!("“{other}” is not a language that there is a beginning for");
            return Err(Report::input(what, "rust, javascript or python"));
        }
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        let what = format!("“{name}” cannot be a service's name");
        return Err(Report::input(what, "lower-case letters, digits and hyphens"));
    }
    if out.exists() {
        let what = format!("{} is there already", out.display());
        return Err(Report::input(what, "choose another folder"));
    }
    let mut description = SERVICE.replace("\"quotation\"", &format!("\"{name}\""));
    // A Rust component needs no more than the usual limits.
    if let (true, Some(begin)) = (language == "rust", description.find("# What a language"))
        && let Some(end) = description.find("[flow]")
    {
        description.replace_range(begin..end, "");
    }
    let all = sources
        .iter()
        .chain(&WIT)
        .copied()
        .chain([("service.toml", description.as_str()), ("terms.toml", TERMS)]);
    for (file, text) in all {
        let path = out.join(file);
        let folder = path.parent().unwrap_or(out);
        std::fs::create_dir_all(folder).map_err(|error| {
            Report::input(format!("{}: {error}", folder.display()), "choose another folder")
        })?;
        files::create(&path, text.as_bytes(), 0o644)?;
    }
    let text = format!(
        "{} holds a service in {language}; next:\n  semper-sign build --folder {}\n  \
         semper-sign pack --author \"Your Name\" --description {}/service.toml \
         --buyer {}/buyer.wasm --seller {}/seller.wasm --out bundle",
        out.display(),
        out.display(),
        out.display(),
        out.display(),
        out.display()
    );
    Ok(Said::new(text, json!({ "folder": out, "language": language, "name": name })))
}

pub fn build(folder: &Path) -> Result<Said, Report> {
    let has = |name: &str| folder.join(name).is_file();
    if has("Cargo.toml") {
        rust(folder)?;
    } else if has("package.json") {
        javascript(folder)?;
    } else if has("requirements.txt") {
        python(folder)?;
    } else {
        let what = format!("{} holds no service that is known here", folder.display());
        return Err(Report::input(what, "begin one with semper-sign new"));
    }
    let mut text = String::new();
    let mut sizes = Vec::new();
    for half in ["buyer", "seller"] {
        let file = folder.join(format!("{half}.wasm"));
        let bytes = files::bytes(&file)?;
        let imports = semper_trust::verify::imports(&bytes)?;
        text += &format!("{}, {} bytes, {} imports\n", file.display(), bytes.len(), imports.len());
        sizes.push(json!({ "file": file, "bytes": bytes.len(), "imports": imports }));
    }
    Ok(Said::new(text, json!({ "components": sizes })))
}

fn rust(folder: &Path) -> Result<(), Report> {
    run(folder, "rustup", &["target", "add", TARGET])?;
    // Its own target folder, whatever the caller's environment says.
    let target = folder.join("target");
    let target = target.canonicalize().unwrap_or(std::path::absolute(&target).unwrap_or(target));
    let target_text = target.display().to_string();
    let arguments =
        ["build", "--quiet", "--release", "--target", TARGET, "--target-dir", &target_text];
    run(folder, "cargo", &arguments)?;
    for half in ["buyer", "seller"] {
        let built = target.join(TARGET).join("release").join(format!("{half}.wasm"));
        files::replace(&folder.join(format!("{half}.wasm")), &files::bytes(&built)?)?;
    }
    Ok(())
}

fn javascript(folder: &Path) -> Result<(), Report> {
    if !folder.join("node_modules").is_dir() {
        let quiet =
            ["install", "--no-package-lock", "--no-fund", "--no-audit", "--loglevel", "error"];
        run(folder, "npm", &quiet)?;
    }
    for half in ["buyer", "seller"] {
        let (world, source, out) =
            (format!("{half}-service"), format!("{half}.js"), format!("{half}.wasm"));
        let program = absolute(folder, "node_modules/.bin/componentize-js");
        let arguments = [
            source.as_str(),
            "--wit",
            "wit",
            "--world-name",
            &world,
            "-d",
            "http",
            "-d",
            "fetch-event",
            "-o",
            &out,
        ];
        run(folder, &program, &arguments)?;
    }
    Ok(())
}

fn python(folder: &Path) -> Result<(), Report> {
    if !folder.join("venv").is_dir() {
        run(folder, "python3", &["-m", "venv", "venv"])?;
    }
    let pip = absolute(folder, "venv/bin/pip");
    run(folder, &pip, &["install", "--quiet", "--requirement", "requirements.txt"])?;
    let program = absolute(folder, "venv/bin/componentize-py");
    for half in ["buyer", "seller"] {
        let (world, out) = (format!("{half}-service"), format!("{half}.wasm"));
        let arguments =
            ["--quiet", "-d", "wit", "-w", &world, "componentize", "--stub-wasi", half, "-o", &out];
        run(folder, &program, &arguments)?;
    }
    Ok(())
}

fn absolute(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    std::path::absolute(&path).unwrap_or(path).display().to_string()
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<(), Report> {
    say::note(format_args!("{program} {}", arguments.join(" ")));
    let status = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env_remove("CARGO_TARGET_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| {
            Report::input(format!("{program}: {error}"), "install the language's own tools")
        })?;
    if status.success() {
        return Ok(());
    }
    let what = format!("{program} {}: {status}", arguments.join(" "));
    Err(Report::refusal(what, "what it said stands above"))
}
