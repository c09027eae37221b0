//! A purchase through the window, as a person makes it who has no mouse: on a display of its own, with
//! keys pressed by xdotool. Part of `cargo xtask nightly`.
//!
//!     cargo xtask wit
//!     cargo build -p semper -p semper-sign
//!     cargo build -p semper-face-window --features native
//!     cargo run -p semper-testkit --example window_purchase [SCREENSHOTS]
//!
//! It wants Debian's xvfb and xdotool; screenshots, to be looked at, are put into the folder that is named,
//! by imagemagick.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use semper_testkit::desktop::until;
use semper_testkit::market::PASS_PHRASE;
use semper_testkit::{Binaries, Desktop, Market, MarketOptions, Running};

/// Longer than a decision has to stand before it can be answered.
const ARMED: Duration = Duration::from_millis(1_500);

/// The topics that were asked so far.
fn topics(window: &Running) -> Vec<String> {
    let log = window.log_text();
    let asked = log.lines().filter_map(|line| line.split_once("topic=\"")?.1.split_once('"'));
    asked.map(|it| it.0.to_owned()).collect()
}

/// Answers the question as somebody does who wants a scarf.
fn answer(desktop: &Desktop, topic: &str) {
    match topic {
        "search" => {
            // Words; category, size and colour are left open; the most that it may cost.
            desktop.type_in("woollen scarf");
            desktop.press(&["Return"; 4]);
            desktop.type_in("150");
            desktop.picture("60-search-filled-in");
            desktop.press(&["Return"]);
        }
        "article" | "cart" | "availability" => desktop.press(&["space", "Return"]),
        "agreement" | "order" | "exchange" | "completion" => {
            desktop.press(&["Next", "Next", "Next", "Next", "shift+Tab", "Return"]);
        }
        // What stands there is right.
        "quantity" | "address" => desktop.press(&["Return"; 6]),
        _ => desktop.press(&["Return"]),
    }
}

/// Locks by the keyboard, and unlocks.
fn lock_and_unlock(desktop: &Desktop) {
    desktop.press(&["ctrl+l"]);
    std::thread::sleep(ARMED);
    desktop.picture("70-locked");
    desktop.type_in(PASS_PHRASE);
    desktop.press(&["Return"]);
}

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let binaries = Binaries::beside().unwrap();
    let program = binaries.semper.with_file_name("semper-window");
    let folder = tempfile::tempdir().unwrap();
    let options =
        MarketOptions { articles: 2_000, scripted_buyer: false, ..MarketOptions::default() };
    let market = Market::build(folder.path(), &binaries, &options, &|it| println!("{it}")).unwrap();
    let mut desktop = Desktop::new(folder.path(), arguments.next()).unwrap();
    let mut buying = market.start_buying_when_ready().unwrap();
    let mut window = desktop.window(&program, "anna", "en_GB.UTF-8").unwrap();
    desktop.picture("00-locked");

    // A wrong pass-phrase first.
    std::thread::sleep(Duration::from_secs(1));
    desktop.type_in("wrong pass-phrase");
    desktop.press(&["Return"]);
    std::thread::sleep(Duration::from_secs(1));
    desktop.picture("01-wrong");
    std::thread::sleep(Duration::from_secs(2));
    desktop.type_in(PASS_PHRASE);
    desktop.press(&["Return"]);
    until("the TINGUIN is there", || folder.path().join("anna/tinguin.sock").exists());
    std::thread::sleep(Duration::from_millis(500));
    desktop.picture("02-idle");

    let (mut answered, begun) = (0, Instant::now());
    while !buying.is_over() {
        assert!(begun.elapsed() < Duration::from_secs(300), "{:?}", topics(&window));
        let Some(topic) = topics(&window).get(answered).cloned() else {
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        std::thread::sleep(ARMED);
        desktop.picture(&format!("{:02}-{topic}", answered + 3));
        answered += 1;
        // Amid the first order she leaves her desk; it is asked again when she is back.
        if topic == "order" && !topics(&window)[..answered - 1].contains(&topic) {
            lock_and_unlock(&desktop);
            continue;
        }
        answer(&desktop, &topic);
    }

    desktop.picture("80-bought");
    assert_eq!(buying.join(), 0, "{}\n{:?}", buying.text(), topics(&window));
    let asked = topics(&window);
    for (topic, times) in [("agreement", 1), ("search", 1), ("order", 2), ("exchange", 1)] {
        let asked_for = asked.iter().filter(|it| *it == topic).count();
        assert_eq!(asked_for, times, "{topic} in {asked:?}");
    }

    // A display that goes away ends the window, and nothing else.
    desktop.goes_away();
    until("the window has ended", || {
        !Path::new(&format!("/proc/{}/fd", window.id())).exists() || is_dead(window.id())
    });
    assert!(window.has_ended());
    assert_eq!(market.semper(&["archive", "verify", "--home", "anna"]).unwrap().code, 0);
    println!("bought without a mouse: {asked:?}");
}

fn is_dead(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|it| it.1.trim_start().starts_with('Z'))
}
