//! Manual pages and completions: what the arguments say of themselves, for `man` and for shells.

use std::io::Write as _;
use std::path::Path;

use clap::CommandFactory as _;
use semper_base::Report;
use serde_json::json;

use crate::arguments::Arguments;
use crate::print;

pub fn completions(shell: clap_complete::Shell) -> Result<(), Report> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "semper", &mut script);
    if print::is_for_machines() {
        let script = String::from_utf8_lossy(&script);
        return print::json(&json!({ "shell": shell.to_string(), "script": script }));
    }
    // As it is: a shell reads it, no person. A reader that has gone away is no error.
    let _ = std::io::stdout().write_all(&script);
    Ok(())
}

pub fn pages(out: &Path) -> Result<(), Report> {
    let failed = |error: std::io::Error| {
        Report::input(format!("{}: {error}", out.display()), "choose another folder")
    };
    std::fs::create_dir_all(out).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), out).map_err(failed)?;
    let words = format!("manual pages in {}", out.display());
    print::said(&words, &json!({ "folder": out }))
}
