//! Seeded schedules between real processes: runs so many, and writes what came of them into
//! BENCHMARKS.md, between two marks.

use crate::build;

const BEGIN: &str = "<!-- written by cargo xtask schedules -->";
const END: &str = "<!-- end of what cargo xtask schedules writes -->";

/// Runs the seeds 1 to `count`.
pub fn run(count: u64) -> Result<(), String> {
    build::all()?;
    let table = build::target()?.join("schedules.md");
    let status = build::command("cargo")
        .args(["test", "--package", "semper-exchange-tests", "--test", "schedules"])
        .args(["--", "--nocapture"])
        .env("SEMPER_EXCHANGE_SCHEDULES", count.to_string())
        .env("SEMPER_SCHEDULE_TABLE", &table)
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    if !status.success() {
        return Err(format!("the schedules: {status}"));
    }
    let read = |file: &std::path::Path| {
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
    };
    let file = build::repository().join("BENCHMARKS.md");
    let (rows, old) = (read(&table)?, read(&file)?);
    let (Some(begin), Some(end)) = (old.find(BEGIN), old.find(END)) else {
        return Err(format!("BENCHMARKS.md has lost its marks: {BEGIN}"));
    };
    let text = format!("{BEGIN}\n\nSeeds 1 to {count}.\n\n{rows}\n");
    let new = format!("{}{text}{}", &old[..begin], &old[end..]);
    std::fs::write(&file, new).map_err(|error| error.to_string())?;
    println!("written to {}", file.display());
    Ok(())
}
