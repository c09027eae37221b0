//! The fuzz targets of `tests/fuzz`: everything that parses what comes from outside.

use std::path::PathBuf;

use crate::build;

/// The targets.
const TARGETS: [&str; 9] = [
    "message",
    "container",
    "bundle",
    "pipeline",
    "trust",
    "journal",
    "policy",
    "tinguin",
    "exchange",
];

/// Runs every target for so many seconds, from the seeds in the repository; what is found on
/// the way is kept in the target folder and gone on from next time.
pub fn run(seconds: u64) -> Result<(), String> {
    let folder = build::repository().join("tests/fuzz");
    let target = build::target()?.join("fuzz");
    let tool = tool()?;
    for name in TARGETS {
        println!("fuzzing {name} for {seconds} s");
        let kept = target.join("corpus").join(name);
        std::fs::create_dir_all(&kept).map_err(|error| error.to_string())?;
        // Without a sanitizer the one toolchain, a stable one, builds them: coverage guides
        // them all the same, and there is no unsafe code here for a sanitizer to watch.
        let output = build::command(&tool)
            .args(["fuzz", "run", "--fuzz-dir", ".", "--sanitizer", "none", name])
            .arg(&kept)
            .arg(folder.join("corpus").join(name))
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .args(["-timeout=10", "-rss_limit_mb=2048", "-verbosity=0", "-print_final_stats=1"])
            .current_dir(&folder)
            .env("CARGO_TARGET_DIR", &target)
            .output()
            .map_err(|error| format!("{}: {error}", tool.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            println!("{said}");
            return Err(format!("the fuzzer has found something in {name}: see above"));
        }
        for line in said.lines().filter(|line| line.contains("executed_units")) {
            println!("  {line}");
        }
    }
    Ok(())
}

/// `cargo fuzz`, installed beside the build when it is missing.
fn tool() -> Result<PathBuf, String> {
    build::tool("cargo-fuzz", "fuzz")
}
