//! A `semper:` link that is clicked in a browser: the browser asks whether to leave it, the packages'
//! desktop file leads to `semper open`, and the TINGUIN shows what the link proposes before anything is
//! fetched.

use std::os::unix::fs::symlink;
use std::path::Path;

use semper_testkit::desktop::until;
use semper_testkit::{Desktop, Market, MarketOptions, Running};

use crate::common::{ended, market, small};
use crate::listener::{Listener, Window};
use crate::{BUTTON, Desk, YES, agrees};

/// A person's own folders, in which her desktop finds the program for `semper:` links.
struct Folders<'a> {
    market: &'a Market,
    desktop: &'a Desktop,
    own: String,
    path: String,
    home: String,
}

impl<'a> Folders<'a> {
    fn new(market: &'a Market, desktop: &'a Desktop) -> Self {
        let own = market.folder.join("desktop");
        for name in ["bin", "share/applications", "config"] {
            std::fs::create_dir_all(own.join(name)).unwrap();
        }
        symlink(&market.binaries.semper, own.join("bin/semper")).unwrap();
        let file = "semper-open.desktop";
        let packaged = market.binaries.repository.join("host/semper/packaging/desktop").join(file);
        std::fs::copy(packaged, own.join("share/applications").join(file)).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", own.join("bin").display());
        let home = market.folder.join("anna").display().to_string();
        let folders = Self { market, desktop, own: own.display().to_string(), path, home };
        let mime = ["default", file, "x-scheme-handler/semper"];
        let mut set = folders.start("xdg-mime", &mime);
        assert_eq!(set.wait(crate::HANG), Some(0), "{}", set.log_text());
        folders
    }

    fn start(&self, program: &str, arguments: &[&str]) -> Running {
        let (share, config) = (format!("{}/share", self.own), format!("{}/config", self.own));
        let own = [
            ("HOME", self.own.as_str()),
            ("XDG_DATA_HOME", &share),
            ("XDG_CONFIG_HOME", &config),
            ("XDG_CURRENT_DESKTOP", ""),
            ("PATH", &self.path),
            ("SEMPER_HOME", &self.home),
            ("SEMPER_ALONE", "1"),
            ("LANG", "en_GB.UTF-8"),
            ("LC_ALL", ""),
        ];
        let env = [&self.desktop.environment()[..], &own].concat();
        Running::start(&self.market.folder, program, Path::new(program), arguments, &env).unwrap()
    }

    /// A browser that shows a page, covers the TINGUIN, and tells whoever listens what is in its windows.
    fn browser(&self, page: &str) -> Running {
        let data = format!("--user-data-dir={}/browser", self.own);
        let first = ["--no-sandbox", "--no-first-run", "--no-default-browser-check"];
        let place = ["--window-position=0,0", "--window-size=1024,768"];
        let shown = ["--disable-gpu", "--force-renderer-accessibility"];
        self.start("chromium", &[&first[..], &place, &shown, &[&data, page]].concat())
    }
}

#[test]
fn a_link_that_is_clicked_in_a_browser_is_decided_in_the_tinguin_before_anything_is_fetched() {
    let (market, _folder) = market(&MarketOptions { scripted_buyer: false, ..small() });
    let Desk { desktop, mut listener, _window } = Desk::of(&market);
    let folders = Folders::new(&market, &desktop);
    let shop = market.merchant_url().replace("https://", "semper://");
    let page = market.folder.join("page.html");
    let html = format!(
        "<!doctype html><title>A shop</title>\
         <a href=\"{shop}/?search.words=woollen%20scarf\">a woollen scarf</a>"
    );
    std::fs::write(&page, html).unwrap();

    let _browser = folders.browser(&format!("file://{}", page.display()));
    let mut reader = Listener::of(&desktop, "Chromium");
    reader.press("link", "a woollen scarf");
    reader.press_away(BUTTON, "Open semper: open a link");

    // The TINGUIN is covered: over its window stands that it asks. She looks at it.
    let title = "your decision";
    until("the title", || desktop.run("xdotool", &["search", "--name", title]));
    assert!(desktop.run("xdotool", &["search", "--name", title, "windowraise", "windowfocus"]));

    // It asks, and nobody has asked the shop anything yet.
    let asked = listener.until("the link", |it: &Window| it.is_decision() && it.has("Open a link"));
    assert!(!market.folder.join("anna/terms").exists(), "{}", asked.told());
    let link = agrees(&mut listener, &desktop, "Open a link");
    assert_eq!(link.after("a shop at"), market.merchant_url());
    assert_eq!(link.after("it fills in"), "search, words: woollen scarf");
    assert_eq!(link.after("who made it"), "unknown: nobody has checked it");
    assert!(
        link.has("Nothing is signed by this.") && link.find(BUTTON, YES).is_some(),
        "{}",
        link.told()
    );

    // The deal begins with what the link has filled in, which is marked, and can be changed.
    let deal = agrees(&mut listener, &desktop, "Open a deal with Otto Versand");
    assert_eq!(deal.after("begun by"), "“a link”");
    let filled =
        |it: &Window| it.find("entry", "words").is_some_and(|it| it.text == "woollen scarf");
    let search = listener.until("the search", filled);
    let marked = search.find("label", "NOT CHECKED, by “a link”: ");
    assert!(marked.is_some_and(|it| it.name.contains("woollen scarf")), "{}", search.told());

    // She looks no further.
    listener.press(BUTTON, "Leave the deal");
    agrees(&mut listener, &desktop, "Withdraw from the deal with Otto Versand");
    assert_eq!(ended(&market, "anna"), "withdrawn");
}
