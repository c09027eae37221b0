//! Agents: the Model Context Protocol's own client shops, over standard streams and over HTTP.

use std::process::Command;

use semper_testkit::Market;
use serde_json::Value;

use crate::common::{self, books};
use crate::door::{Door, open, transcript};

/// Runs the agent; what it says at the end.
fn agent(market: &Market, door: &Door<'_>, way: &[&str]) -> Value {
    let python = market.binaries.languages.parent().unwrap().join("strangers/bin/python");
    let script = market.binaries.repository.join("tests/market/tests/applications/agent.py");
    let done = Command::new(python)
        .arg(script)
        .arg(market.merchant_url())
        .args(way)
        .current_dir(&market.folder)
        .env_remove("SEMPER_ALONE")
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "port {}: {out}{err}", door.port);
    serde_json::from_str(out.lines().last().unwrap()).unwrap()
}

#[test]
fn an_agent_shops_over_standard_streams_and_the_person_decides() {
    let (market, _folder) = common::market(&crate::decides(""));
    let door = open(&market);
    let semper = market.binaries.semper.display().to_string();
    let home = market.folder.join("anna").display().to_string();
    let way = ["stdio", &semper, "mcp", "--home", &home, "--name", "Agent"];
    let said = agent(&market, &door, &way);
    assert_eq!(said["state"], "completed", "{said}");
    assert_eq!(said["receipt"], true, "{said}");
    assert_eq!(said["tools"].as_array().unwrap().len(), 7, "{said}");
    assert_eq!(books(&market).payments, 1);
    let shown: String = transcript(&market).iter().map(Value::to_string).collect();
    assert!(shown.contains("NOT CHECKED, by “Agent”"), "{shown}");
    // It comes back, and is known: nobody is asked again.
    let again = agent(&market, &door, &way);
    assert_eq!(again["state"], "completed", "{again}");
    assert_eq!(transcript(&market).iter().filter(|it| it["topic"] == "pairing").count(), 1);
}

#[test]
fn an_agent_shops_over_http_with_its_token() {
    let (market, _folder) = common::market(&crate::decides(""));
    let door = open(&market);
    let token = door.paired("Agent", &["look", "shop", "receipts"]);
    let url = format!("http://127.0.0.1:{}/mcp", door.port);
    let said = agent(&market, &door, &["http", &url, &token]);
    assert_eq!(said["state"], "completed", "{said}");
    assert_eq!(books(&market).payments, 1);
    // Without a token there is no conversation.
    let list = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let refused = door.post("/mcp", &[], &list);
    assert_eq!(refused.status, 401, "{}", refused.text());
}
