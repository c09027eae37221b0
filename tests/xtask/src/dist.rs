//! What people install: Debian packages, an image for containers, a plain archive; and the test that
//! installs them.
//!
//! | module | what it is for |
//! |---|---|
//! | `stage` | release binaries, stripped, with their manual pages and completions |
//! | `packages` | Debian packages, by `cargo deb` from the metadata of `semper` and `semper-sign` |
//! | `image` | what is made of the packages' files: an OCI image layout, an archive, their digests |
//! | `units` | what is cheap to check: units, desktop files, pages |
//! | `root` | a clean Debian in a folder, and services started in it by their units |
//! | `trial` | installed, used, upgraded while a deal runs, removed |
//! | `market` | the marketplace that is set up in it, by the examples that are installed |
//!
//! What is packaged stands in `host/semper/packaging` and in the manifests of the two packages.

mod image;
mod market;
mod packages;
mod root;
mod stage;
mod trial;
mod units;

use std::path::{Path, PathBuf};

use crate::{build, checks};
use packages::Packages;
use stage::Stage;
pub use trial::inside;
pub use units::check;

/// Commands that show whether a program that is needed is there, and its Debian package.
const PROGRAMS: [(&[&str], &str); 7] = [
    (&["dpkg-shlibdeps", "--version"], "dpkg-dev"),
    (&["lintian", "--version"], "lintian"),
    (&["umoci", "--version"], "umoci"),
    (&["xz", "--version"], "xz-utils"),
    // What the window is built with.
    (&["pkg-config", "--version"], "pkg-config"),
    (&["pkg-config", "--exists", "wayland-client"], "libwayland-dev"),
    (&["mmdebstrap", "--version"], "mmdebstrap"),
];

/// Makes everything in a folder; with `--test`, installs and uses it.
pub fn run(options: &[&str]) -> Result<(), String> {
    let (mut out, mut test) = (None, false);
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match *word {
            "--test" => test = true,
            "--out" => out = Some(words.next().ok_or("--out wants a folder")?),
            other => return Err(format!("“{other}” is not an option: --out FOLDER, --test")),
        }
    }
    checks::install(&PROGRAMS)?;
    let out = match out {
        // As the person means it, wherever cargo was called.
        Some(folder) => {
            std::path::absolute(folder).map_err(|error| format!("{folder}: {error}"))?
        }
        None => build::target()?.join("dist"),
    };
    let made = make(&out)?;
    if test { trial::run(&made) } else { Ok(()) }
}

/// What was made.
struct Made {
    out: PathBuf,
    stage: Stage,
    packages: Packages,
}

fn make(out: &Path) -> Result<Made, String> {
    let stage = stage::build()?;
    std::fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    let packages = Packages::make(&stage, out, None)?;
    packages.examine()?;
    image::make(&stage, &packages, out)?;
    image::sizes(out)?;
    Ok(Made { out: out.to_owned(), stage, packages })
}

fn step(text: &str) {
    println!("\n── {text}");
}
