//! A `semper:` link that is clicked in a browser: Chromium asks whether to leave it, xdg-open finds
//! `semper open` by the packages' desktop file and starts a terminal, that shows what the link proposes,
//! and a purchase begins with it. Part of `cargo xtask nightly`.
//!
//!     cargo xtask wit
//!     cargo build -p semper -p semper-sign
//!     cargo run -p semper-testkit --example browser_link [SCREENSHOTS]
//!
//! It wants Debian's chromium, xdg-utils, xterm, xvfb and xdotool; screenshots by imagemagick.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use semper_testkit::{BUYER_RULES, Binaries, Market, MarketOptions, Running};

const PATIENCE: Duration = Duration::from_secs(120);

/// A person's desktop: a display, her folders, the programs that she has installed.
struct Desktop {
    folder: PathBuf,
    display: String,
    pictures: Option<PathBuf>,
    _server: Running,
}

impl Desktop {
    fn new(folder: &Path, binaries: &Binaries, pictures: Option<PathBuf>) -> Self {
        for name in ["bin", "share/applications", "config", "browser"] {
            fs::create_dir_all(folder.join("desktop").join(name)).unwrap();
        }
        let own = folder.join("desktop");
        symlink(&binaries.semper, own.join("bin/semper")).unwrap();
        let packaged =
            binaries.repository.join("host/semper/packaging/desktop/semper-open.desktop");
        fs::copy(packaged, own.join("share/applications/semper-open.desktop")).unwrap();
        let display = format!(":{}", 90 + std::process::id() % 900);
        let screen = ["-screen", "0", "1024x768x24", "-nolisten", "tcp"];
        let arguments = [&[display.as_str()][..], &screen].concat();
        let mut server =
            Running::start(folder, "xvfb", Path::new("Xvfb"), &arguments, &[]).unwrap();
        let socket = PathBuf::from(format!("/tmp/.X11-unix/X{}", display.trim_start_matches(':')));
        server.ready(|| socket.exists()).unwrap();
        Self { folder: folder.to_owned(), display, pictures, _server: server }
    }

    /// What every program of hers finds.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let own = |name: &str| self.folder.join("desktop").join(name).display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        vec![
            ("DISPLAY", self.display.clone()),
            ("HOME", own("")),
            ("XDG_DATA_HOME", own("share")),
            ("XDG_CONFIG_HOME", own("config")),
            ("PATH", format!("{}:{path}", own("bin"))),
            ("SEMPER_HOME", self.folder.join("anna").display().to_string()),
            ("SEMPER_ALONE", "1".into()),
            ("XDG_CURRENT_DESKTOP", String::new()),
        ]
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let mut command = Command::new(program);
        command.args(arguments).envs(self.environment());
        command.output().is_ok_and(|it| it.status.success())
    }

    fn browser(&self, page: &Path) -> Running {
        let (data, page) = (self.folder.join("desktop/browser"), page.display().to_string());
        let data = format!("--user-data-dir={}", data.display());
        let page = format!("file://{page}");
        let usual =
            ["--no-sandbox", "--no-first-run", "--no-default-browser-check", "--disable-gpu"];
        let place = ["--window-size=1024,768", "--window-position=0,0"];
        let arguments = [&usual[..], &place, &[&data, &page]].concat();
        let environment = self.environment();
        let env: Vec<(&str, &str)> = environment.iter().map(|it| (it.0, it.1.as_str())).collect();
        Running::start(&self.folder, "browser", Path::new("chromium"), &arguments, &env).unwrap()
    }

    fn picture(&self, name: &str) {
        let Some(folder) = &self.pictures else { return };
        let file = folder.join(format!("{name}.png")).display().to_string();
        assert!(self.run("import", &["-window", "root", &file]));
    }
}

fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn main() {
    let pictures = std::env::args_os().nth(1).map(PathBuf::from);
    let binaries = Binaries::beside().unwrap();
    let folder = tempfile::tempdir().unwrap();
    // She opens links, and leaves what they fill in.
    let rules = "[[rule]]\ntopic = \"link\"\nanswer = \"yes\"\n\
                 [[rule]]\ntopic = \"search\"\nfields = {}\n";
    let buyer_rules = format!("{rules}{BUYER_RULES}");
    let options = MarketOptions { articles: 2_000, buyer_rules, ..MarketOptions::default() };
    let market = Market::build(folder.path(), &binaries, &options, &|it| println!("{it}")).unwrap();
    let desktop = Desktop::new(folder.path(), &binaries, pictures);
    let kind = "x-scheme-handler/semper";
    assert!(desktop.run("xdg-mime", &["default", "semper-open.desktop", kind]));

    let shop = market.merchant_url().replace("https://", "semper://");
    let link = format!("{shop}/?search.words=woollen%20scarf");
    let style = "display:block;font-size:200px;height:700px";
    let page = folder.path().join("page.html");
    let html = format!(
        "<!doctype html><title>A shop</title><a href=\"{link}\" style=\"{style}\">scarf</a>"
    );
    fs::write(&page, html).unwrap();
    let mut browser = desktop.browser(&page);
    until("the page is there", || desktop.run("xdotool", &["search", "--name", "A shop"]));

    // The browser asks whether to leave it; then a terminal shows what the link proposes, and asks. The
    // keyboard is that of the window below the pointer.
    let deals = || market.semper(&["deals", "--home", "anna", "--json"]).unwrap().json();
    let begun = Instant::now();
    while deals().as_array().is_none_or(Vec::is_empty) {
        assert!(begun.elapsed() < PATIENCE, "{}", browser.log_text());
        desktop.run("xdotool", &["mousemove", "500", "400", "click", "1"]);
        std::thread::sleep(Duration::from_secs(3));
        desktop.picture("00-browser-asks");
        desktop.run("xdotool", &["key", "Tab"]);
        desktop.run("xdotool", &["key", "Return"]);
        std::thread::sleep(Duration::from_secs(4));
        desktop.picture("01-semper-asks");
        desktop.run("xdotool", &["type", "--delay", "40", "yes\n"]);
        std::thread::sleep(Duration::from_secs(5));
        desktop.picture("02-semper-buys");
    }
    until("the purchase is done", || deals()[0]["state"] == "completed");
    browser.kill();

    let shown = fs::read_to_string(folder.path().join("anna-transcript.jsonl")).unwrap();
    assert!(shown.contains("NOT CHECKED, by “a link”: words: woollen scarf"));
    println!("bought by a link in a browser");
}
