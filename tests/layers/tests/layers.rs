//! Holds the drawing in ARCHITECTURE.md and the workspace together: arrows only point down. A crate
//! of the host uses none above or beside it; guests know nothing of the host; tests may look
//! anywhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use semper_layers::repository;

/// A crate of the workspace.
struct Package {
    /// Its folder, from the repository's root.
    folder: PathBuf,
    /// The crates of the workspace that it uses outside its tests.
    uses: Vec<String>,
}

impl Package {
    fn is_in(&self, folder: &str) -> bool {
        self.folder.starts_with(folder)
    }
}

fn packages() -> BTreeMap<String, Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(repository())
        .output()
        .unwrap();
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
    let package = |package: &serde_json::Value| {
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
        let folder = manifest.parent().unwrap().strip_prefix(repository()).unwrap().to_owned();
        let uses = package["dependencies"].as_array().unwrap().iter();
        let uses = uses.filter(|it| it["kind"].is_null() && it["path"].is_string()).map(name);
        (name(package), Package { folder, uses: uses.collect() })
    };
    value["packages"].as_array().unwrap().iter().map(package).collect()
}

/// The drawing: layers from top to bottom, each a line of crates.
fn drawing() -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let (_, after) = text.split_once("```layers\n").expect("ARCHITECTURE.md has a drawing");
    let (drawn, _) = after.split_once("```").unwrap();
    drawn.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn arrows_only_point_down() {
    let (packages, layers) = (packages(), drawing());
    let layer = |name: &str| layers.iter().position(|layer| layer.iter().any(|it| it == name));
    for (name, package) in &packages {
        let Some(own) = layer(name) else { continue };
        for other in &package.uses {
            let below = layer(other).is_some_and(|other| other > own);
            assert!(below, "{name} uses {other}, which is not below it in ARCHITECTURE.md");
        }
    }
}

#[test]
fn every_crate_of_the_host_stands_in_the_drawing_once() {
    let packages = packages();
    let drawn: Vec<String> = drawing().concat();
    let once: BTreeSet<&String> = drawn.iter().collect();
    assert_eq!(once.len(), drawn.len(), "a crate is drawn twice");
    for name in &drawn {
        assert!(packages.contains_key(name), "{name} is drawn, and is no crate");
    }
    for (name, package) in &packages {
        let of_the_host = package.is_in("host") || package.is_in("signing-tool");
        assert_eq!(once.contains(name), of_the_host, "{name} in {}", package.folder.display());
        let placed = of_the_host || package.is_in("guest-services") || package.is_in("tests");
        assert!(placed, "{name} stands in {}", package.folder.display());
    }
}

#[test]
fn guests_know_nothing_of_the_host() {
    let packages = packages();
    let guests: Vec<&str> = packages
        .iter()
        .filter(|(name, package)| {
            package.is_in("guest-services")
                || ["probe", "barter-buyer", "barter-seller", "unfair-buyer", "unfair-seller"]
                    .contains(&name.as_str())
        })
        .map(|(name, _)| name.as_str())
        .collect();
    assert!(guests.len() > 5, "{guests:?}");
    for name in &guests {
        for other in &packages[*name].uses {
            assert!(guests.contains(&other.as_str()), "{name} uses {other}");
        }
    }
}

#[test]
fn the_signing_tool_is_no_server_and_no_buyer() {
    // It brings the runtime and a stage, for exercising services, and nothing of those who deal.
    let packages = packages();
    let mut reached = BTreeSet::new();
    let mut next = vec!["semper-sign".to_owned()];
    while let Some(name) = next.pop() {
        if reached.insert(name.clone()) {
            next.extend(packages[&name].uses.iter().cloned());
        }
    }
    for heavy in [
        "semper",
        "semper-commerce",
        "semper-face-scripted",
        "semper-face-terminal",
        "semper-ledger",
        "semper-purse",
        "semper-roles",
        "semper-tinguin",
    ] {
        assert!(!reached.contains(heavy), "semper-sign reaches {heavy}: {reached:?}");
    }
    assert!(reached.contains("semper-runtime") && reached.contains("semper-stage"));
}

#[test]
fn hosts_do_not_link_what_speaks_to_them_across_a_protocol() {
    // The TINGUIN's key store, faces and memory stand behind its protocol, the bank behind its own.
    let packages = packages();
    let heavy = ["semper-tinguin", "semper-face-terminal", "semper-face-scripted"];
    for name in ["semper-runtime", "semper-commerce", "semper-examine", "semper-roles"] {
        for other in &packages[name].uses {
            assert!(!heavy.contains(&other.as_str()), "{name} uses {other}");
        }
    }
    assert!(!packages["semper-roles"].uses.is_empty());
}
