//! Arrows only point down: no crate of the host uses one above or beside it unless drawn in
//! ARCHITECTURE.md.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::process::Command;

/// Layers from the bottom up; crates of one layer do not use each other.
const LAYERS: [&[&str]; 12] = [
    &["semper-base"],
    &["semper-items", "semper-keeper", "semper-tlog"],
    &["semper-exchange"],
    &["semper-bank-protocol"],
    &["semper-archive", "semper-net", "semper-tinguin", "semper-trust"],
    &["semper-distribution"],
    &["semper-transfer", "semper-payment", "semper-ledger"],
    &["semper-purse"],
    &["semper-commerce"],
    &["semper-roles"],
    &["semper"],
    &["semper-sign"],
];

/// What stands beside the host and uses nothing of it.
const APART: [&str; 11] = [
    "probe",
    "unfair-buyer",
    "unfair-seller",
    "semper-guest",
    "mail-order-buyer",
    "mail-order-seller",
    "mail-order-language",
    "market-report-buyer",
    "market-report-seller",
    "semper-testkit",
    "xtask",
];

fn packages() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()
        .unwrap();
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = value["packages"].as_array().unwrap();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
    packages
        .iter()
        .map(|package| {
            let uses = package["dependencies"].as_array().unwrap().iter();
            // Tests may look anywhere.
            let uses = uses.filter(|it| it["kind"].is_null() && it["path"].is_string()).map(name);
            (name(package), uses.collect())
        })
        .collect()
}

#[test]
fn arrows_only_point_down() {
    let packages = packages();
    let layer = |name: &str| LAYERS.iter().position(|layer| layer.contains(&name));
    for (name, uses) in &packages {
        let Some(own) = layer(name) else { continue };
        for other in uses {
            let below = layer(other).is_some_and(|other| other < own);
            assert!(below, "{name} uses {other}, which is not below it");
        }
    }
}

#[test]
fn guests_and_tools_know_nothing_of_the_host() {
    let packages = packages();
    for name in APART {
        for other in &packages[name] {
            assert!(APART.contains(&other.as_str()), "{name} uses {other}");
        }
    }
}

#[test]
fn every_crate_has_its_place() {
    let tests = [
        "semper-bench",
        "semper-exchange-tests",
        "semper-hostile-tests",
        "semper-layers",
        "semper-market-tests",
        "semper-model",
        "semper-simulation",
        "semper-trust-tests",
        "semper-workbench",
    ];
    for name in packages().keys() {
        let placed = LAYERS.iter().any(|layer| layer.contains(&name.as_str()))
            || APART.contains(&name.as_str())
            || tests.contains(&name.as_str());
        assert!(placed, "{name} stands in no layer");
    }
}

#[test]
fn the_signing_tool_is_no_server_and_no_buyer() {
    // It brings the runtime, for exercising services, and nothing of those who deal.
    let uses = &packages()["semper-sign"];
    for heavy in ["semper", "semper-purse", "semper-ledger", "semper-roles"] {
        assert!(!uses.iter().any(|it| it == heavy), "semper-sign uses {heavy}");
    }
}
