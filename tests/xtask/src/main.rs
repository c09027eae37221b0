//! `cargo xtask`: everything that is done with this repository.
//!
//! | module | what it is for |
//! |---|---|
//! | `build` | the wasm target, guests, host binaries |
//! | `demo` | a marketplace on loopback and one purchase, step by step |
//! | `languages` | the quotation service in JavaScript and Python |
//! | `strangers` | tools of others that tests hold ours against |
//! | `model` | the model of fair exchange, and its part of BENCHMARKS.md |
//! | `schedules` | schedules between real processes, and their part of BENCHMARKS.md |
//! | `fuzz` | the fuzz targets |
//! | `checks` | everything that must pass |
//! | `dist` | what people install: packages, an image, an archive; installed and used in a test |
//! | `costs` | what each step and suite costs |
#![forbid(unsafe_code)]

mod build;
mod checks;
mod costs;
mod demo;
mod dist;
mod fuzz;
mod languages;
mod model;
mod schedules;
mod strangers;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask demo [--keep] [--interactive]   a marketplace from nothing, and a purchase in it
cargo xtask test [FILTER]                   everything that must pass
cargo xtask bench [PART …]                  the figures of BENCHMARKS.md (release build)
cargo xtask wit                             build the guests and print what they import
cargo xtask nightly                         what takes hours: schedules, random components, fuzzing
cargo xtask model [two]                     explore fair exchange, with every rule left out in turn
cargo xtask schedules [COUNT]               so many schedules of exchanges between processes (40)
cargo xtask fuzz [SECONDS]                  each fuzz target for so long (600)
cargo xtask dist [--out FOLDER] [--test]    Debian packages, an OCI image, an archive; installed and used
cargo xtask languages                       build the quotation service in JavaScript and Python
cargo xtask reference                       write docs/reference.md, from the types
cargo xtask catalogue ARTICLES FILE         write a catalogue of so many articles as CSV";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if words.iter().any(|word| matches!(*word, "--help" | "-h" | "help")) {
        println!("usage:\n{HELP}");
        return ExitCode::SUCCESS;
    }
    let done = match words.as_slice() {
        ["demo", options @ ..] => demo::run(options),
        ["test", filter @ ..] => checks::run(filter),
        ["bench", parts @ ..] => checks::bench(parts),
        ["wit"] => build::guests().and_then(|guests| build::print_imports(&guests)),
        ["nightly"] => checks::nightly(),
        ["model"] => model::run(false),
        ["model", "two"] => model::run(true),
        ["schedules"] => schedules::run(40),
        ["schedules", count] => match count.parse() {
            Ok(count) => schedules::run(count),
            Err(_) => Err(format!("“{count}” is not a number of schedules")),
        },
        ["fuzz"] => fuzz::run(600),
        ["fuzz", seconds] => match seconds.parse() {
            Ok(seconds) => fuzz::run(seconds),
            Err(_) => Err(format!("“{seconds}” is not a number of seconds")),
        },
        ["dist", options @ ..] => dist::run(options),
        // What `dist --test` starts in namespaces of its own.
        ["dist-inside", root, upgrade] => dist::inside(root, upgrade),
        ["languages"] => languages::all().map(|folder| println!("in {}", folder.display())),
        ["reference"] => reference(),
        ["catalogue", articles, file] => catalogue(articles, file),
        _ => Err(format!("usage:\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn reference() -> Result<(), String> {
    build::run("cargo", &["build", "--quiet", "--package", "semper", "--package", "semper-sign"])?;
    let program = build::target()?.join("debug/semper-sign");
    let page = build::command(&program).arg("reference").output();
    let page = page.map_err(|error| format!("{}: {error}", program.display()))?;
    let file = build::repository().join("docs/reference.md");
    std::fs::write(&file, page.stdout).map_err(|error| format!("{}: {error}", file.display()))
}

fn catalogue(articles: &str, file: &str) -> Result<(), String> {
    let articles = articles.parse().map_err(|_| format!("“{articles}” is not a number"))?;
    let csv = semper_testkit::catalogue::csv(articles, 1996);
    std::fs::write(file, csv).map_err(|error| format!("{file}: {error}"))
}
