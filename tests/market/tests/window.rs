//! A purchase by somebody who does not see the window: what stands there she hears from another program,
//! over the bus by which all such programs read windows, and that program presses the buttons.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "window/browser.rs"]
mod browser;
mod common;
#[path = "window/listener.rs"]
mod listener;

use std::time::{Duration, Instant};

use common::{books, ended, market, small};
use listener::{Heard, Listener, Window};
use semper_testkit::desktop::until;
use semper_testkit::market::{Buying, PASS_PHRASE};
use semper_testkit::{Desktop, Market, MarketOptions, Running};

/// Only what hangs takes so long.
const HANG: Duration = Duration::from_secs(120);
const BUTTON: &str = "push button";
const OPTION: &str = "radio button";
const YES: &str = "✔ Yes";
const NO: &str = "✖ No, I decline";

/// Reads a decision to its end, and agrees by what a press of the button does. All of it is heard before
/// its buttons, also what does not stand on the screen yet; yes takes nothing until that has been gone
/// through.
fn agrees(listener: &mut Listener, desktop: &Desktop, headline: &str) -> Window {
    let is_asked = |it: &Window| it.is_decision() && it.has(headline);
    listener.until(headline, is_asked);
    let pause_is_over = |it: &Window| is_asked(it) && it.find(BUTTON, NO).is_some_and(Heard::is_on);
    let mut heard = listener.until("the end of the pause", pause_is_over);
    while !heard.find(BUTTON, YES).is_some_and(Heard::is_on) {
        desktop.press(&["Next"]);
        heard = listener.until("no", pause_is_over);
    }
    let yes = heard.find(BUTTON, YES).unwrap().name.clone();
    let places = ["YOUR DECISION", headline, "What a yes means", NO, &yes];
    assert!(places.map(|it| heard.place(it)).is_sorted(), "{}", heard.told());
    desktop.picture(headline);
    listener.press(BUTTON, &yes);
    heard
}

/// Answers a question of the service's: takes the option with these words, or what stands in the form.
fn answers(listener: &mut Listener, heard: &Window) {
    let wanted = [" · ", "order now", "ask for an offer"];
    let option = wanted.iter().rev().find_map(|it| heard.find(OPTION, it));
    if let Some(option) = option {
        listener.press(OPTION, &option.name);
        listener.press(BUTTON, "Take this one");
    } else if heard.find(BUTTON, "Seen").is_some() {
        listener.press(BUTTON, "Seen");
    } else {
        listener.press(BUTTON, "Send these answers");
    }
}

/// From the list of articles to the order, or to the end: each question is answered once.
fn goes_on(listener: &mut Listener, desktop: &Desktop, buying: &mut Buying, until: &str) {
    let mut before = String::new();
    let begun = Instant::now();
    while !buying.is_over() {
        let heard = listener.hear();
        assert!(begun.elapsed() < HANG, "it does not go on:\n{}", heard.told());
        if heard.is_decision() && heard.has(until) {
            return;
        }
        let asked = heard.asked();
        if asked.is_empty() || asked == before {
            std::thread::sleep(Duration::from_millis(50));
        } else if heard.is_decision() {
            agrees(listener, desktop, &heard.headline());
            before = asked;
        } else {
            answers(listener, &heard);
            before = asked;
        }
    }
}

/// Anna's desktop: her window, and the program that reads it to her. She has unlocked it.
struct Desk {
    desktop: Desktop,
    listener: Listener,
    _window: Running,
}

impl Desk {
    fn of(market: &Market) -> Self {
        let pictures = std::env::var_os("SEMPER_PICTURES").map(Into::into);
        let desktop = Desktop::new(&market.folder, pictures).unwrap().with_bus().unwrap();
        let mut listener = Listener::of(&desktop, "semper-window");
        let program = market.binaries.semper.with_file_name("semper-window");
        let window = desktop.window(&program, "anna", "en_GB.UTF-8").unwrap();

        // Locked: a field that has a name, and nothing that only the true window knows.
        let typed = |it: &Window| it.find("password text", "Your pass-phrase").is_some();
        let locked = listener.until("the locked window", typed);
        assert!(locked.find("frame", "Anna Berg — semper TINGUIN").is_some(), "{}", locked.told());
        assert!(locked.find("", "two owls").is_none(), "{}", locked.told());
        desktop.type_in(PASS_PHRASE);
        listener.press(BUTTON, "Open");
        Self { desktop, listener, _window: window }
    }
}

#[test]
fn somebody_who_does_not_see_the_window_hears_all_of_it_and_buys() {
    let (market, _folder) = market(&MarketOptions { scripted_buyer: false, ..small() });
    let mut buying = market.start_buying_when_ready().unwrap();
    let Desk { desktop, mut listener, _window } = Desk::of(&market);

    let deal = agrees(&mut listener, &desktop, "Open a deal with Otto Versand");
    assert!(deal.find("image", "Your picture").is_some(), "{}", deal.told());
    for name in ["“two owls in a pear tree”", "✔ Certified by Verbraucherbund"] {
        assert!(deal.place(name) < deal.place("YOUR DECISION"), "{}", deal.told());
    }
    assert_eq!(deal.after("with"), "Otto Versand (new to you)");
    assert_eq!(deal.after("messages"), "encrypted");
    assert!(deal.after("What a yes means").contains("you order and pay nothing yet"));

    // The search: each field has its name, and the keyboard is in the first.
    let field = |it: &Window| it.find("entry", "words").is_some_and(Heard::has_the_keyboard);
    listener.until("the field for words", field);
    desktop.type_in("woollen scarf");
    let filled =
        |it: &Window| it.find("entry", "words").is_some_and(|it| it.text == "woollen scarf");
    let search = listener.until("what was typed", filled);
    assert!(search.place("words") < search.place("Send these answers"), "{}", search.told());
    listener.press(BUTTON, "Send these answers");
    goes_on(&mut listener, &desktop, &mut buying, "Order from Otto Versand");

    // The order: what is paid is said three times, and each time it is the same.
    let order = agrees(&mut listener, &desktop, "Order from Otto Versand");
    let sum = order.after("to pay").to_owned();
    assert!(sum.ends_with(" EUR"), "{}", order.told());
    assert_eq!(order.after("Order from Otto Versand"), format!("Money at stake: {sum}"));
    assert_eq!(order.after("total"), sum);
    assert_eq!(order.after("deliver to"), "Anna Berg, Lindenweg 4, 22765 Hamburg, DE");
    let means = format!("You buy for {sum}; the order binds you.");
    assert_eq!(order.after("What a yes means"), means);
    goes_on(&mut listener, &desktop, &mut buying, "nothing more");

    assert_eq!(buying.join(), 0, "{}", buying.text());
    assert_eq!(ended(&market, "otto"), "completed");
    assert_eq!((books(&market).payments, books(&market).sum), (1, 0));

    // Afterwards the deal says what was done, step by step.
    listener.press("page tab", "Deals");
    listener.press("list item", "Otto Versand");
    let deal = listener.until("the steps", |it| it.has("Nothing is left to do."));
    let paid = "✔ exchange: Receipt for payment — the other side: done";
    let steps = ["✔ Offer — the other side: done", "✔ Order — you: done", paid];
    assert!(steps.map(|it| deal.place(it)).is_sorted(), "{}", deal.told());
}

#[test]
fn an_application_that_was_let_in_stands_among_the_consents_until_that_is_taken_back() {
    let (market, _folder) = market(&MarketOptions { scripted_buyer: false, ..small() });
    let program = &market.binaries.semper;
    // The one that has set her up has left its socket.
    let _ = std::fs::remove_file(market.folder.join("anna/tinguin.sock"));
    let Desk { desktop, mut listener, _window } = Desk::of(&market);
    until("the TINGUIN answers", || market.folder.join("anna/tinguin.sock").exists());
    let run = ["run", "--home", "anna"];
    let _host = Running::start(&market.folder, "host", program, &run, &[]).unwrap();
    until("the host answers", || market.folder.join("anna/host.sock").exists());

    let pair = ["applications", "pair", "--home", "anna", "--name", "Shopping list"];
    let may = ["--may", "look", "--may", "shop"];
    let arguments = [&pair[..], &may].concat();
    let mut pairing = Running::start(&market.folder, "pair", program, &arguments, &[]).unwrap();
    let heard = agrees(&mut listener, &desktop, "Let the application “Shopping list” shop for you");
    assert_eq!(heard.after("it may"), "see with whom you have dealt, and read terms of business");
    assert_eq!(pairing.wait(HANG), Some(0), "{}", pairing.log_text());

    listener.press("page tab", "Standing consents");
    let listed = |it: &Window| it.has("“Shopping list”");
    let heard = listener.until("the application", listed);
    assert_eq!(heard.after("has begun"), "no purchase yet");
    desktop.picture("consents");
    listener.press(BUTTON, "Take this back from “Shopping list” …");
    listener.press(BUTTON, "Yes, take it back from “Shopping list”");
    listener.until("that nobody may", |it| it.has("No program may shop for you."));

    let list = ["applications", "list", "--home", "anna", "--json"];
    assert_eq!(market.semper(&list).unwrap().json(), serde_json::json!([]));
}
