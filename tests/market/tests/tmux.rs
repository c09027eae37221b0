//! First use and a purchase at a real terminal: tmux types, changes the window's size in every state,
//! and reads what stands there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::{books, ended, market, small};
use semper_testkit::market::PASS_PHRASE;
use semper_testkit::{Market, Running};

/// Only what hangs takes so long.
const HANG: Duration = Duration::from_secs(60);
/// The window's sizes, each in every state. The last is that in which it goes on.
const SIZES: [(u16, u16); 4] = [(44, 18), (200, 60), (80, 24), (100, 40)];
const PHRASE: &str = "the green umbrella";

/// A terminal.
struct Tmux {
    name: String,
}

impl Tmux {
    /// Runs a command in a terminal of its own.
    fn run(market: &Market, name: &str, arguments: &[&str]) -> Self {
        let tmux = Self { name: format!("semper-{}-{name}", std::process::id()) };
        let program = market.binaries.semper.display().to_string();
        let folder = market.folder.display().to_string();
        let new = ["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40", "-c", &folder];
        tmux.tmux(&[&new[..], &[&program], arguments].concat());
        tmux.tmux(&["set-option", "-w", "remain-on-exit", "on"]);
        tmux
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let done = Command::new("tmux")
            .args(["-L", &self.name])
            .args(arguments)
            .env("SEMPER_ALONE", "1")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "tmux {arguments:?}: {err}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    fn presses(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    fn enters(&self, text: &str) {
        self.types(text);
        self.presses("Enter");
    }

    /// Waits until this stands on the screen.
    fn shows(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(begun.elapsed() < HANG, "“{text}” does not come:\n{screen}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Has the window change its size to each, and looks at it each time.
    fn resized(&self, looks: impl Fn(&Self, (u16, u16))) {
        for (width, height) in SIZES {
            let (w, h) = (width.to_string(), height.to_string());
            self.tmux(&["resize-window", "-x", &w, "-y", &h]);
            looks(self, (width, height));
        }
    }

    /// In every size the whole frame comes to stand there: whose TINGUIN it is, and what is asked.
    fn whole(&self, title: &str) {
        self.resized(|it, (width, height)| {
            let begun = Instant::now();
            loop {
                let screen = it.screen();
                let lines: Vec<&str> = screen.lines().collect();
                let once = |text: &str| lines.iter().filter(|it| it.contains(text)).count() == 1;
                let corners = |line: Option<&&str>| {
                    line.is_some_and(|it| it.starts_with('┌') && it.trim_end().ends_with('┐'))
                };
                let whole = [" semper TINGUIN", title.trim(), " status ", PHRASE];
                if whole.iter().all(|it| once(it))
                    && corners(lines.first())
                    && lines.len() <= usize::from(height)
                {
                    return;
                }
                let late = begun.elapsed() > HANG;
                assert!(!late, "{width} × {height}, “{title}”:\n{screen}");
                std::thread::sleep(Duration::from_millis(30));
            }
        });
    }

    /// Reads a decision to its end, and types the word.
    fn decides(&self, word: &str) {
        let begun = Instant::now();
        while !self.screen().contains("Type yes to sign") {
            self.presses("PageDown");
            assert!(begun.elapsed() < HANG, "the end does not come:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(30));
        }
        self.enters(word);
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.name, "kill-server"]).output();
    }
}

/// Berta joins: one conversation, the window's size changed at each of its questions.
fn joins(market: &Market) {
    let (ca, bank) = (format!("https://localhost:{}", market.ports[0]), market.bank_url());
    let arguments = [
        &["ca", "invite", "--home", "ca", "--name", "Berta Blum", "--role", "buyer", "--json"][..],
        &["--invitation", "berta.invitation", "--address", &ca],
        &["--bank", &bank, "--bank-name", "Test Bank", "--third-party", "third-party.toml"],
        &["--evaluator", "verbraucherbund=verbraucherbund/root.pem"],
    ];
    let invited = market.semper(&arguments.concat()).unwrap();
    assert_eq!(invited.code, 0, "{}", invited.err);

    let tmux = Tmux::run(market, "join", &["join", "berta.invitation", "--home", "berta"]);
    let steps = [
        ("Is it the same? (yes or no)", "yes"),
        ("Your phrase, such as", PHRASE),
        ("Choose a pass-phrase:", PASS_PHRASE),
        ("Once more:", PASS_PHRASE),
        ("street:", "Lindenweg 4"),
        ("postcode:", "22765"),
        ("city:", "Hamburg"),
        ("country:", "DE"),
        ("File for the copy", ""),
    ];
    for (asks, answer) in steps {
        tmux.shows(asks);
        tmux.resized(|it, _| drop(it.screen()));
        tmux.enters(answer);
    }
    let screen = tmux.shows("berta is ready");
    assert!(!screen.contains(PASS_PHRASE), "a pass-phrase stands on the screen:\n{screen}");
}

/// Puts money on Berta's account.
fn funds(market: &Market) {
    let account = market.semper(&["account", "show", "--home", "berta", "--json"]).unwrap().json();
    let account = account["account"].as_str().unwrap().to_owned();
    let fund = ["bank", "fund", "--home", "bank", "--account", &account, "--amount", "500.00 EUR"];
    assert_eq!(market.semper(&fund).unwrap().code, 0);
}

#[test]
fn a_person_joins_and_buys_at_a_terminal_whose_size_changes_in_every_state() {
    let (market, _folder) = market(&small());
    joins(&market);

    let tinguin = Tmux::run(&market, "tinguin", &["tinguin", "--home", "berta"]);
    tinguin.shows("ass-phrase");
    tinguin.enters(PASS_PHRASE);
    tinguin.shows("Nothing is asked of you.");
    tinguin.whole("Nothing is asked of you.");
    funds(&market);
    let arguments = ["buy", "--home", "berta", &market.merchant_url()];
    let binary = &market.binaries.semper;
    let mut buying = Running::start(&market.folder, "buying", binary, &arguments, &[]).unwrap();

    tinguin.shows("Open a deal with Otto Versand");
    tinguin.whole(" your decision ");
    // A yes before the end was read, and a word that is none, sign nothing.
    tinguin.decides("maybe");
    tinguin.shows("“maybe” is neither");
    tinguin.decides("yes");

    // The search, with a size in the middle of a word.
    tinguin.shows("words:");
    tinguin.types("woollen ");
    tinguin.whole(" the service says (not checked by anyone) ");
    tinguin.types("scarf");
    tinguin.presses("Down");
    tinguin.shows("words: woollen scarf");
    tinguin.presses("Enter");
    shops(&tinguin);

    // The order, with the TINGUIN locked in the middle of the decision.
    tinguin.shows("Order from Otto Versand");
    tinguin.whole(" your decision ");
    tinguin.presses("C-l");
    let locked = tinguin.shows(" locked ");
    assert!(!locked.contains(PHRASE) && !locked.contains("Otto"), "{locked}");
    tinguin.resized(|it, _| {
        let screen = it.shows(" locked ");
        assert!(!screen.contains(PHRASE) && !screen.contains("Otto"), "{screen}");
    });
    tinguin.enters("not the pass-phrase");
    tinguin.shows("That was not the pass-phrase");
    tinguin.enters(PASS_PHRASE);
    tinguin.shows("Order from Otto Versand");
    tinguin.decides("yes");
    decides_the_rest(&tinguin, &mut buying);

    assert_eq!(buying.wait(HANG), Some(0), "{}", buying.log_text());
    assert_eq!(ended(&market, "otto"), "completed");
    assert_eq!((books(&market).payments, books(&market).sum), (1, 0));
    tinguin.shows("Nothing is asked of you.");
    tinguin.presses("q");
}

/// From the list of articles to the order.
fn shops(tinguin: &Tmux) {
    let mut seen = String::new();
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < HANG, "no order:\n{}", tinguin.screen());
        let screen = tinguin.screen();
        if screen.contains("Order from Otto Versand") {
            return;
        }
        // Each question once: the same screen is one that the deal has not gone on from.
        if !screen.contains(" the service says ") || screen == seen {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        }
        if screen.contains("order now") || screen.contains("ask for an offer") {
            let wanted =
                if screen.contains("order now") { "order now" } else { "ask for an offer" };
            chooses(tinguin, wanted);
        } else {
            // The first article, one of it, the address that is known.
            tinguin.presses("Enter");
        }
        seen = screen;
    }
}

/// Goes down until this is current, and takes it.
fn chooses(tinguin: &Tmux, wanted: &str) {
    for _ in 0..10 {
        let screen = tinguin.screen();
        if screen.lines().any(|line| line.contains('▶') && line.contains(wanted)) {
            return tinguin.presses("Enter");
        }
        tinguin.presses("Down");
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{wanted} cannot be chosen:\n{}", tinguin.screen());
}

/// Whatever is to be decided until the purchase is over: yes.
fn decides_the_rest(tinguin: &Tmux, buying: &mut Running) {
    let begun = Instant::now();
    while buying.wait(Duration::from_millis(200)).is_none() {
        assert!(begun.elapsed() < HANG, "it does not end:\n{}", tinguin.screen());
        let screen = tinguin.screen();
        if screen.contains(" your decision ") && !screen.contains("Order from Otto Versand") {
            tinguin.whole(" your decision ");
            tinguin.decides("yes");
        } else if screen.contains(" the service says ") {
            tinguin.presses("Enter");
        }
    }
}
