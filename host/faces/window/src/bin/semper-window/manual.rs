//! The manual page and the completions, from the arguments.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{Arguments, Trouble};

/// Writes them into a folder.
pub fn write(folder: &Path) -> Result<(), Trouble> {
    let made = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        clap_mangen::generate_to(Arguments::command(), folder)?;
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            clap_complete::generate_to(shell, &mut Arguments::command(), "semper-window", folder)?;
        }
        Ok(())
    };
    made().map_err(|error| Trouble {
        what: format!("{}: {error}", folder.display()),
        mend: "choose another folder".into(),
    })
}
