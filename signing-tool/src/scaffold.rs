//! New services: sources in three languages that build, play and sell at once, and the way to build
//! them with their languages' own tools.

use std::path::Path;
use std::process::{Command, Stdio};

use semper_base::Report;
use semper_base::text::counted;
use semper_trust::capability::{Capability, World};
use serde_json::json;

use crate::language::Language;
use crate::say::{self, Said};
use crate::{files, trial};

/// A file of a new service, and its text.
type File = (&'static str, &'static str);

/// The newest world and its packages, as the languages' tools want them: one folder.
const WIT: [File; 8] = [
    ("wit/commerce.wit", include_str!("../../wit/commerce/1.2.0/commerce.wit")),
    ("wit/deps/items/items.wit", include_str!("../../wit/items/1.0.0/items.wit")),
    ("wit/deps/tinguin/tinguin.wit", include_str!("../../wit/tinguin/1.0.0/tinguin.wit")),
    ("wit/deps/transfer/transfer.wit", include_str!("../../wit/transfer/1.0.0/transfer.wit")),
    ("wit/deps/archive/archive.wit", include_str!("../../wit/archive/1.0.0/archive.wit")),
    ("wit/deps/business/business.wit", include_str!("../../wit/business/1.0.0/business.wit")),
    ("wit/deps/deal/deal.wit", include_str!("../../wit/deal/1.1.0/deal.wit")),
    ("wit/deps/exchange/exchange.wit", include_str!("../../wit/exchange/1.0.0/exchange.wit")),
];

/// The SDK that the services of the repository are written with, and what it says of where the
/// world's packages are: there, and in a folder outside.
const SDK: &str = include_str!("../../guest-services/sdk/src/lib.rs");
const PACKAGES: [&str; 2] = ["path: [", "],"];
const PACKAGED: &str = "path: \"../wit\",";

/// What is the same in all languages.
const COMMON: [File; 13] = [
    ("README.md", include_str!("../templates/common/README.md.template")),
    (".gitignore", include_str!("../templates/common/gitignore.template")),
    ("service.toml", include_str!("../templates/common/service.toml.template")),
    ("terms.toml", include_str!("../templates/common/terms.toml.template")),
    ("terms.en.md", include_str!("../templates/common/terms.en.md.template")),
    ("certificate.toml", include_str!("../templates/common/certificate.toml.template")),
    ("articles.csv", include_str!("../templates/common/articles.csv.template")),
    ("try.toml", include_str!("../templates/common/try.toml.template")),
    ("tests/leaves.toml", include_str!("../templates/common/tests/leaves.toml.template")),
    ("tests/no-money.toml", include_str!("../templates/common/tests/no-money.toml.template")),
    (
        "tests/not-in-stock.toml",
        include_str!("../templates/common/tests/not-in-stock.toml.template"),
    ),
    ("tests/too-late.toml", include_str!("../templates/common/tests/too-late.toml.template")),
    ("market.sh", include_str!("../templates/common/market.sh.template")),
];

const RUST: [File; 6] = [
    ("Cargo.toml", include_str!("../templates/rust/Cargo.toml.template")),
    ("buyer/Cargo.toml", include_str!("../templates/rust/buyer/Cargo.toml.template")),
    ("buyer/src/lib.rs", include_str!("../templates/rust/buyer/src/lib.rs.template")),
    ("seller/Cargo.toml", include_str!("../templates/rust/seller/Cargo.toml.template")),
    ("seller/src/lib.rs", include_str!("../templates/rust/seller/src/lib.rs.template")),
    ("sdk/Cargo.toml", include_str!("../templates/rust/sdk/Cargo.toml.template")),
];

const JAVASCRIPT: [File; 4] = [
    ("package.json", include_str!("../templates/javascript/package.json.template")),
    ("buyer.js", include_str!("../templates/javascript/buyer.js.template")),
    ("seller.js", include_str!("../templates/javascript/seller.js.template")),
    ("semper.js", include_str!("../templates/javascript/semper.js.template")),
];

const PYTHON: [File; 4] = [
    ("requirements.txt", include_str!("../templates/python/requirements.txt.template")),
    ("buyer.py", include_str!("../templates/python/buyer.py.template")),
    ("seller.py", include_str!("../templates/python/seller.py.template")),
    ("semper.py", include_str!("../templates/python/semper.py.template")),
];

/// What a language's runtime needs beyond the usual.
const LIMITS: &str = "
# What a language's runtime needs beyond the usual; the buyer's trust file must allow it.
[limits]
memory          = 67108864
fuel            = 20000000000
time            = 20000
tables          = 60000
instances       = 64
call-bytes      = 4194304
component-bytes = 33554432
functions       = 60000
compile-time    = 240000
";

/// The target that Rust services are built for.
const TARGET: &str = "wasm32-wasip2";

impl Language {
    const fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Javascript => "JavaScript",
            Self::Python => "Python",
        }
    }

    const fn sources(self) -> &'static [File] {
        match self {
            Self::Rust => &RUST,
            Self::Javascript => &JAVASCRIPT,
            Self::Python => &PYTHON,
        }
    }

    /// What stands in the templates where the languages differ.
    fn fill(self, name: &str, text: &str) -> String {
        let (limits, log) = match self {
            Self::Rust => ("", "`deal::log`, a panic"),
            Self::Javascript => (LIMITS, "`console.log`, an exception that nobody catches"),
            Self::Python => (LIMITS, "`print`, an exception that nobody catches"),
        };
        let (files, notes) = match self {
            Self::Rust => (
                "| `buyer/`, `seller/` | the two halves |\n\
                 | `sdk/`, `wit/` | semper's SDK and the calls that there are, with what each does; copies |",
                "- The halves are `no_std` and import nothing but semper's calls: `alloc` has strings and vectors.",
            ),
            Self::Javascript => (
                "| `buyer.js`, `seller.js` | the two halves |\n\
                 | `semper.js` | what both need |\n\
                 | `wit/` | the calls that there are, with what each does; a copy |",
                "- The interfaces of `wit/` are modules; `s64` and `u64` are BigInt; a thrown string is the half's last \
                 word, and a thrown `Error` a crash.",
            ),
            Self::Python => (
                "| `buyer.py`, `seller.py` | the two halves |\n\
                 | `semper.py` | what both need |\n\
                 | `wit/` | the calls that there are, with what each does; a copy |",
                "- The interfaces of `wit/` are modules of `wit_world.imports`; `Err(\"…\")` is the half's last word, and \
                 any other exception a crash. There is no WASI: what a half needs comes through semper's calls.",
            ),
        };
        let all = [
            ("{{name}}", name),
            ("{{world}}", World::default().name()),
            ("{{version}}", env!("CARGO_PKG_VERSION")),
            ("{{limits}}", limits),
            ("{{imports}}", &self.imports()),
            ("{{files}}", files),
            ("{{log}}", log),
            ("{{notes}}", notes),
        ];
        all.iter().fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
    }

    /// What the components import, for the certificate: Rust's what they call, the others' all.
    fn imports(self) -> String {
        let unused = |it: &Capability| {
            self == Self::Rust && matches!(it, Capability::Continuation | Capability::Wasi)
        };
        let all = Capability::all().filter(|it| !unused(it));
        let lines: Vec<String> = all.map(|it| format!("    \"{it}\",\n")).collect();
        format!("imports    = [\n{}]", lines.concat())
    }
}

/// Writes a new service into a folder.
pub fn new(language: Language, name: &str, out: &Path) -> Result<Said, Report> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) {
        let what = format!("“{name}” cannot be a service's name");
        return Err(Report::input(what, "lower-case letters, digits and hyphens; first a letter"));
    }
    if out.exists() {
        let what = format!("{} is there already", out.display());
        return Err(Report::input(what, "choose another folder: --out FOLDER"));
    }
    let all = COMMON.iter().chain(language.sources()).chain(&WIT);
    let mut all: Vec<(&str, String)> =
        all.map(|(file, text)| (*file, language.fill(name, text))).collect();
    if language == Language::Rust {
        all.push(("sdk/src/lib.rs", outside(SDK)));
    }
    for (file, text) in all {
        let path = out.join(file);
        let folder = path.parent().unwrap_or(out);
        std::fs::create_dir_all(folder).map_err(|error| {
            Report::input(format!("{}: {error}", folder.display()), "choose another folder")
        })?;
        files::create(&path, text.as_bytes(), 0o644)?;
    }
    let next = next(language, out);
    let mut text = format!(
        "{} holds a service in {}: buyer's half, seller's half, terms, tests. Next:\n\n",
        out.display(),
        language.name()
    );
    for (command, what) in &next {
        text += &format!("    {command:44} # {what}\n");
    }
    text += "\nREADME.md says what each file is.";
    let next: Vec<&str> = next.iter().map(|it| it.0.as_str()).collect();
    let value = json!({ "folder": out, "language": language.name(), "name": name, "next": next });
    Ok(Said::new(text, value))
}

/// The SDK's text, for a folder outside the repository.
fn outside(sdk: &str) -> String {
    let [begin, end] = PACKAGES;
    let Some((before, rest)) = sdk.split_once(begin) else { return sdk.to_owned() };
    let after = rest.split_once(end).map_or("", |it| it.1);
    format!("{before}{PACKAGED}{after}")
}

/// The commands from here to a purchase, and what each is for.
fn next(language: Language, out: &Path) -> Vec<(String, &'static str)> {
    let tools = match language {
        Language::Rust => "both components; the tools are rustup and cargo",
        Language::Javascript => "both components; npm fetches the tool, minutes at first",
        Language::Python => "both components; pip fetches the tool, minutes at first",
    };
    vec![
        (format!("cd {}", files::shown(out)), "each of the following in this folder"),
        ("semper-sign build".into(), tools),
        ("semper-sign try".into(), "both halves against each other, step by step"),
        ("semper-sign try --tests".into(), "more plays, and what must come of them"),
        ("semper-sign check --bundle .".into(), "whether the flow is fair, on every path"),
        ("semper-sign exercise --bundle . --runs 200".into(), "against every mood, and forgers"),
        ("bash market.sh".into(), "certified, sold and bought: a marketplace on this machine"),
    ]
}

/// Builds both components, and makes them ready to be tried.
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
        let mend = "semper-sign new NAME --language rust begins one; build wants its folder";
        return Err(Report::input(what, mend));
    }
    let mut text = String::new();
    let mut sizes = Vec::new();
    for half in ["buyer", "seller"] {
        let file = folder.join(format!("{half}.wasm"));
        let bytes = files::bytes(&file)?;
        let imports = semper_trust::verify::imports(&bytes)?;
        let count = counted(imports.len(), "import", "imports");
        text += &format!("{}, {} bytes, {count}\n", file.display(), bytes.len());
        sizes.push(json!({ "file": file, "bytes": bytes.len(), "imports": imports }));
    }
    // What hinders this hinders try, too, which says so; a build is a build without it.
    if let Err(report) = trial::make_ready(folder) {
        text += &format!("not ready to be tried: {}\n  try  {}\n", report.what, report.mend);
    }
    Ok(Said::new(text, json!({ "components": sizes })))
}

fn rust(folder: &Path) -> Result<(), Report> {
    if !has_target(folder) {
        run(folder, "rustup", &["target", "add", TARGET])?;
    }
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

/// Whether the compiler of this folder has the target already: rustup need not be asked then.
fn has_target(folder: &Path) -> bool {
    let asked = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(folder)
        .stderr(Stdio::null())
        .output();
    let place = asked.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
    place.is_ok_and(|it| !it.is_empty() && Path::new(&it).is_dir())
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
        // HTTP is what a service has no business with.
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
        // Its runtime imports sockets, which no host offers: WASI is stubbed out altogether.
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

/// Where a language's tool is had, if it is missing.
fn tool(program: &str) -> &'static str {
    match program {
        "rustup" => "install rustup; or, with a cargo of your system's, its target wasm32-wasip2",
        "cargo" => "install Rust with rustup",
        "npm" => "install Node.js 20 or newer, with npm",
        "python3" => "install Python 3.10 or newer, with venv",
        _ => "remove node_modules or venv, and build again: they are fetched anew",
    }
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
        .map_err(|error| Report::input(format!("{program}: {error}"), tool(program)))?;
    if status.success() {
        return Ok(());
    }
    let what = format!("{program} {}: {status}", arguments.join(" "));
    Err(Report::refusal(what, "what it said stands above"))
}
