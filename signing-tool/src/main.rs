//! `semper-sign`: the tool of two professions, those who write and offer services and those who
//! examine and certify them.
//!
//! | module | what it is for |
//! |---|---|
//! | `arguments` | the commands and their help |
//! | `say` | what commands print: for people, for machines, progress |
//! | `files` | reading and writing keys, certificates, bundles, descriptions |
//! | `keys` | keys, requests |
//! | `organisation` | an organisation's root, and the key below it: made, renewed |
//! | `scaffold` | new services that build, play and sell at once; building them |
//! | `draft` | a service in its author's folder, which nobody has signed yet |
//! | `trial` | both halves at once, in a world from a file |
//! | `language`, `mend` | which languages there is a beginning in; what an author can do about a half that ended badly |
//! | `service`, `terms` | what authors and merchants sign |
//! | `certify` | what consumer organisations sign |
//! | `look` | inspect, digest, verify |
//! | `check` | the flow: properties, pictures, differences |
//! | `exercise` | both components on a stage, thousands of times |
//! | `bench`, `table` | what both of these need: terms and a runtime for the stage; both halves at one table |
//! | `report` | everything on one page |
//! | `reference` | every entry of every file that people write, from the types |
//! | `moving` | pull, push, copy, publish; logs |
//! | `verdicts` | what is wrong with a third party's log of verdicts |
#![forbid(unsafe_code)]

mod arguments;
mod bench;
mod certify;
mod check;
mod draft;
mod exercise;
mod files;
mod keys;
mod language;
mod look;
mod mend;
mod moving;
mod organisation;
mod reference;
mod report;
mod say;
mod scaffold;
mod service;
mod table;
mod terms;
mod trial;
mod verdicts;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use semper_base::{Report, text};
use serde_json::json;

use arguments::{Arguments, Command, LogCommand, NewArguments, OrganisationArguments};
use say::Said;

fn main() -> ExitCode {
    // What the exercise's runtime starts to compile a component is this program.
    if let Some(code) = exercise::compile_worker() {
        return code;
    }
    // Looked for by hand: arguments that cannot be read are an error, too.
    let json = std::env::args_os().skip(1).take_while(|it| it != "--").any(|it| it == "--json");
    let done = text::arguments(std::env::args_os()).and_then(|()| {
        let arguments = typed(json)?;
        let said = run(arguments.command, arguments.json)?;
        said.print(arguments.json).map(|()| said.refused)
    });
    match done {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(1),
        Err(report) => {
            say::error(&report, json);
            ExitCode::from(report.code)
        }
    }
}

/// What the person has typed. Help is printed here, and so is what she may have meant.
fn typed(json: bool) -> Result<Arguments, Report> {
    Arguments::try_parse().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
        _ if !json => error.exit(),
        _ => Report::of_arguments(&error.render().to_string()),
    })
}

fn run(command: Command, json: bool) -> Result<Said, Report> {
    match command {
        Command::Key { out } => keys::key(&out),
        Command::Csr { key, name, out } => keys::request(&key, &name, &out),
        Command::Organisation(OrganisationArguments { renew: true, out, .. }) => {
            organisation::renew(&out)
        }
        Command::Organisation(OrganisationArguments { name, out, .. }) => {
            organisation::make(&name.unwrap_or_default(), &out)
        }
        Command::New(NewArguments { name, language, out, named }) => {
            let name = name.or(named).unwrap_or_default();
            scaffold::new(language, &name, &out.unwrap_or_else(|| PathBuf::from(&name)))
        }
        Command::Build { folder, named } => scaffold::build(&named.unwrap_or(folder)),
        Command::Try(arguments) => trial::try_it(&arguments, json),
        Command::Reference => reference::reference(),
        Command::Pack { pack, author } => service::pack(&pack, &author),
        Command::Sign { bundle, signer } => service::sign(&bundle, &signer),
        Command::Service { pack, signer } => service::service(&pack, &signer),
        Command::Terms(arguments) => terms::terms(&arguments),
        Command::Publish(arguments) => moving::publish(&arguments),
        Command::Inspect { bundle } => look::inspect(&bundle),
        Command::Draw { bundle, out, property, dot } => {
            check::draw(&bundle, &out, property.as_deref(), dot)
        }
        Command::Diff { old, new } => check::diff(&old, &new),
        Command::Check { bundle } => check::check(&bundle),
        Command::Exercise(arguments) => exercise::exercise(&arguments),
        Command::Report { exercise, out } => report::report(&exercise, &out),
        Command::Certify(arguments) => certify::certify(&arguments),
        Command::Delegate(arguments) => certify::delegate(&arguments),
        Command::Revoke(arguments) => certify::revoke(&arguments),
        Command::Log(LogCommand::Add { bundle, log, net }) => moving::log_add(&bundle, &log, &net),
        Command::Log(LogCommand::Monitor(arguments)) => moving::monitor(&arguments),
        Command::Pull { from, out, net } => moving::pull(&from, &out, &net),
        Command::Push { bundle, to, net } => moving::push(&bundle, &to, &net),
        Command::Copy { from, to, net } => moving::copy(&from, &to, &net),
        Command::Digest { bundle } => look::digest(&bundle),
        Command::Verify(arguments) => look::verify(&arguments),
        Command::Completions { shell } => Ok(completions(shell)),
        Command::Man { out } => manual(&out),
    }
}

fn completions(shell: clap_complete::Shell) -> Said {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "semper-sign", &mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let value = json!({ "shell": shell.to_string(), "script": text });
    Said::new(text, value)
}

fn manual(out: &Path) -> Result<Said, Report> {
    let failed = |error: std::io::Error| {
        Report::input(format!("{}: {error}", out.display()), "choose another folder")
    };
    std::fs::create_dir_all(out).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), out).map_err(failed)?;
    let text = format!("manual pages in {}", out.display());
    Ok(Said::new(text, json!({ "folder": out })))
}
