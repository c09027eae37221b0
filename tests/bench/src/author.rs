//! From `semper-sign new` to the first deal on the stage, in each language: with the ordinary tools,
//! fetched from their registries, in a folder outside the repository.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use semper_testkit::Binaries;
use semper_testkit::process;

use crate::note;

type Outcome<T> = Result<T, Box<dyn Error>>;

pub fn run(binaries: &Binaries) -> Outcome<()> {
    for (language, file) in
        [("rust", "seller/src/lib.rs"), ("javascript", "seller.js"), ("python", "seller.py")]
    {
        let folder = tempfile::tempdir()?;
        let made = timed(binaries, folder.path(), &["new", "shop", "--language", language])?;
        let shop = folder.path().join("shop");
        let built = timed(binaries, &shop, &["build"])?;
        let tried = timed(binaries, &shop, &["try"])?;
        let whole = made + built + tried;
        note(
            &format!("from `semper-sign new` to the first deal on the stage, {language}"),
            &format!("{whole:.1?}: new {made:.1?}, build {built:.1?}, try {tried:.1?}"),
        );
        let source = shop.join(file);
        let text = std::fs::read_to_string(&source)?;
        std::fs::write(&source, text.replace("not in stock", "sold out"))?;
        let built = timed(binaries, &shop, &["build"])?;
        let tried = timed(binaries, &shop, &["try"])?;
        note(
            &format!(
                "the same after a change: build, and `semper-sign try` after it (target: 2 s), {language}"
            ),
            &format!("build {built:.1?}, try {tried:.1?}"),
        );
    }
    Ok(())
}

/// How long a command takes that must succeed.
fn timed(binaries: &Binaries, folder: &Path, arguments: &[&str]) -> Outcome<Duration> {
    let start = Instant::now();
    let output = process::run(folder, &binaries.sign, arguments)?;
    let took = start.elapsed();
    if output.code != 0 {
        return Err(format!("{}: {}{}", arguments.join(" "), output.out, output.err).into());
    }
    Ok(took)
}
