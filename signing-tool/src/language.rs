//! The languages that services are begun in.

use clap::ValueEnum;

/// A language that there is a beginning for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// With semper's SDK, which comes along; components of 50 KiB. Needs rustup.
    Rust,
    /// By componentize-js; components of 12 MiB. Needs Node.js with npm.
    Javascript,
    /// By componentize-py; components of 18 MiB. Needs Python with venv.
    Python,
}
