//! The commands of README.md, typed as they stand there: a marketplace by hand, a purchase in it,
//! its evidence looked at with openssl, the deal run again, the exchange judged.
//!
//! Three things are done as a person would do them: ports are free ones, a deal's id is the one
//! that was shown, and whoever starts a server waits until it answers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use common::binaries;
use semper_testkit::market::{BUYER_RULES, PASS_PHRASE};
use semper_testkit::process;

/// The sections whose commands are typed.
const SECTIONS: [&str; 4] =
    ["By hand, from nothing", "The archive", "A deal, run again", "Fair exchange"];

/// What a person has beside the README: a pass-phrase, a person at the buyer's TINGUIN, patience.
const PRELUDE: &str = r#"
set -eo pipefail
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
semper() {
    case "$1" in
        init) "$SEMPER" "$@" --pass-phrase-file pass-phrase ;;
        tinguin) exec "$SEMPER" "$@" --pass-phrase-file pass-phrase $(test "$3" = otto || echo --rules anna-rules.toml) ;;
        serve) exec "$SEMPER" "$@" ;;
        *) "$SEMPER" "$@" ;;
    esac
}
semper-sign() { "$SIGN" "$@"; }
cargo() { shift; "$XTASK" "$@"; }
answers() {   # the file of a server, or a TINGUIN's home
    for _ in $(seq 600); do
        if test -d "$1"; then test -S "$1/tinguin.sock" && return
        else (: < "/dev/tcp/127.0.0.1/$(sed -n 's/^listen *= *"127.0.0.1:\(.*\)"/\1/p' "$1")") 2>/dev/null && return
        fi
        sleep 0.1
    done
    echo "$1 does not answer" >&2; exit 1
}
"#;

/// The lines of code in these sections.
fn typed(readme: &str) -> Vec<&str> {
    let mut wanted = false;
    let mut lines = Vec::new();
    for line in readme.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            wanted = SECTIONS.contains(&heading);
        } else if let (true, Some(code)) = (wanted, line.strip_prefix("    ")) {
            lines.push(code);
        }
    }
    lines
}

/// The lines as a script: after a line that starts something, a wait until it answers; after the
/// purchase, what it was called.
fn script(readme: &str) -> String {
    let mut script = PRELUDE.to_owned();
    for line in typed(readme) {
        let line =
            line.replace("3fd20a11", "$deal").replace("--home anna 12 ", "--home anna $number ");
        script.push_str(&line);
        script.push('\n');
        let command = line.split(" #").next().unwrap_or_default().trim();
        if let Some(started) = command.strip_suffix('&') {
            let words: Vec<&str> = started.split_whitespace().collect();
            let what = if words[1] == "tinguin" { words[3] } else { words[2] };
            script.push_str(&format!("answers {what}\n"));
        }
        if command.starts_with("semper buy ") {
            script.push_str(
                "deal=$(semper deals --home anna --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[0][\"id\"])')\n\
                 number=$(semper archive show --home anna $deal --json | python3 -c 'import json,sys; print(next(it[\"number\"] for it in json.load(sys.stdin)[\"evidence\"] if it[\"kind\"] == \"exchange\"))')\n",
            );
        }
    }
    script
}

#[test]
fn the_readme_s_commands_sell_and_prove_it() {
    let built = binaries();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    file("pass-phrase", PASS_PHRASE);
    let owner_only = fs::Permissions::from_mode(0o600);
    fs::set_permissions(folder.path().join("pass-phrase"), owner_only).unwrap();
    file("anna-rules.toml", BUYER_RULES);

    let mut readme = fs::read_to_string(built.repository.join("README.md")).unwrap();
    for port in [8440, 8441, 8442, 8446] {
        assert!(readme.contains(&port.to_string()), "port {port} is not in the README");
        readme = readme.replace(&port.to_string(), &process::free_port().unwrap().to_string());
    }
    file("typed.sh", &script(&readme));
    let out = fs::File::create(folder.path().join("shown")).unwrap();
    let status = Command::new("timeout")
        .args(["--kill-after=5", "300", "bash", "typed.sh"])
        .current_dir(folder.path())
        .env("SEMPER_ALONE", "0")
        .env("SEMPER", &built.semper)
        .env("SIGN", &built.sign)
        .env("XTASK", built.semper.with_file_name("xtask"))
        .env("REPO", &built.repository)
        .env("GUESTS", &built.guests)
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .status()
        .unwrap();
    let shown = fs::read_to_string(folder.path().join("shown")).unwrap();
    assert!(status.success(), "{status}\n{shown}");
    for sentence in ["leaf.pem: OK", "Signature Verified Successfully"] {
        assert!(shown.contains(sentence), "“{sentence}” was not shown:\n{shown}");
    }
    let deals = process::run(folder.path(), &built.semper, &["deals", "--home", "anna", "--json"]);
    assert_eq!(deals.unwrap().json()[0]["state"], "completed");
}
