//! What a person sees in a terminal, and what it takes to say yes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use ratatui::Terminal;
use ratatui::backend::{Backend as _, TestBackend};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use semper_base::{Amount, DealId, Digest, Timestamp, cbor};
use semper_face_terminal::{Input, Typed, afterwards, depth, draw, meant, paint, press};
use semper_items::Statement;
use semper_items::statement::*;
use semper_tinguin_protocol::screen::{self, Locked, Question};
use semper_tinguin_protocol::{Answer, Frame, Screen};

fn time(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

fn order(deal: DealId, offer: Digest) -> Statement {
    let ship_to = Address {
        name: "Anna Berg".into(),
        street: "Lindenweg 4".into(),
        postcode: "22765".into(),
        city: "Hamburg".into(),
        country: "DE".into(),
    };
    let total: Amount = "44.88 EUR".parse().unwrap();
    Statement {
        deal,
        made: time(1_790_000_000_000),
        content: Content::Order(Order { offer, total, ship_to }),
    }
}

fn offer(deal: DealId) -> Statement {
    let line = Line {
        article: "A0000001".into(),
        title: "woollen scarf".into(),
        variant: "(L, red)".into(),
        quantity: 2,
        unit: "19.99 EUR".parse().unwrap(),
    };
    let offer = Offer {
        number: "A-1".into(),
        lines: vec![line],
        delivery: "4.90 EUR".parse().unwrap(),
        total: "44.88 EUR".parse().unwrap(),
        delivery_days: 3,
        valid_until: time(1_800_000_000_000),
        account: "acct:0123456789abcdef".into(),
    };
    Statement { deal, made: time(1_790_000_000_000), content: Content::Offer(offer) }
}

/// What a person sees, as text.
fn picture(frame: &Frame, input: &Input) -> String {
    let mut terminal = Terminal::new(TestBackend::new(84, 26)).unwrap();
    terminal.draw(|out| draw(out, frame, input)).unwrap();
    terminal.backend().to_string()
}

fn order_frame() -> Frame {
    let deal = DealId::new(Digest::of(b"deal"));
    let offer = offer(deal);
    let digest = Digest::of(&cbor::encode(&offer));
    let order = order(deal, digest);
    let consent = screen::statement(
        &order,
        Digest::of(&cbor::encode(&order)),
        "Otto Versand",
        &[(digest, offer)],
    );
    Frame {
        user: "Anna Berg".into(),
        phrase: "two owls in a pear tree".into(),
        peer: "Otto Versand".into(),
        service: "mail-order 1.0.0 — certified by Verbraucherbund".into(),
        status: "deciding whether to sign: Order from Otto Versand".into(),
        screen: Screen::Consent(consent),
        told: Vec::new(),
    }
}

#[test]
fn the_terminal_shows_a_decision_from_the_signed_bytes() {
    insta::assert_snapshot!(picture(&order_frame(), &Input { read: true, ..Input::default() }));
}

#[test]
fn a_decision_longer_than_the_window_is_read_to_its_end_first() {
    let mut frame = order_frame();
    let Screen::Consent(consent) = &mut frame.screen else { panic!() };
    for number in 0..40 {
        consent.rows.push((format!("line {number}").into(), "19.99 EUR each".into()));
    }
    let window = ratatui::layout::Rect::new(0, 0, 84, 26);

    let top = picture(&frame, &Input::default());
    assert!(top.contains("▼ more below: Page Down"), "{top}");
    assert!(top.contains("Read to the end first"), "{top}");
    assert!(!top.contains("line 39"), "{top}");
    let end = depth(&frame, &Input::default(), window);
    let bottom = picture(&frame, &Input { scroll: end, read: true, ..Input::default() });
    assert!(bottom.contains("line 39") && bottom.contains("Type yes to sign"), "{bottom}");

    let mut hasty = Input { text: "yes".into(), ..Input::default() };
    assert_eq!(press(&frame.screen, &mut hasty, KeyCode::Enter), None);
}

#[test]
fn the_terminal_shows_a_services_words_as_the_services() {
    let question = Question::Choose {
        topic: "article".into(),
        says: "2 of 2 articles".into(),
        options: vec!["A1 · woollen scarf · 19.99 EUR".into(), "search again".into()],
    };
    let frame = Frame { screen: Screen::Question(question), ..order_frame() };

    insta::assert_snapshot!(picture(&frame, &Input { current: 1, ..Input::default() }));
}

#[test]
fn a_yes_has_to_be_typed_whole() {
    let screen = order_frame().screen;
    let mut input = Input { read: true, ..Input::default() };
    assert_eq!(press(&screen, &mut input, KeyCode::Enter), None);
    for letter in "ye".chars() {
        assert_eq!(press(&screen, &mut input, KeyCode::Char(letter)), None);
    }
    assert_eq!(press(&screen, &mut input, KeyCode::Enter), None, "ye is not yes");
    for letter in "yes".chars() {
        press(&screen, &mut input, KeyCode::Char(letter));
    }
    assert_eq!(press(&screen, &mut input, KeyCode::Enter), Some(Answer::Yes));
    assert_eq!(press(&screen, &mut input, KeyCode::Esc), Some(Answer::No(String::new())));
}

#[test]
fn a_window_that_was_made_smaller_and_larger_again_shows_the_decision_and_nothing_else() {
    let (frame, mut input) = (order_frame(), Input::default());
    let mut terminal = Terminal::new(TestBackend::new(84, 26)).unwrap();
    paint(&mut terminal, &frame, &mut input, false).unwrap();
    let clean = terminal.backend().to_string();

    // The terminal moves about what stood there, and has its old size when the TINGUIN paints.
    let mut moved = ratatui::buffer::Cell::EMPTY;
    moved.set_symbol("#");
    let smeared = (0..84).map(|column| (column, 12, &moved));
    terminal.backend_mut().draw(smeared).unwrap();
    assert_ne!(terminal.backend().to_string(), clean);

    // It cannot know by itself; the resizing tells it.
    paint(&mut terminal, &frame, &mut input, true).unwrap();
    assert_eq!(terminal.backend().to_string(), clean);
}

/// A window of 80 by 24, as terminals begin.
fn usual(frame: &Frame, input: &mut Input) -> String {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    paint(&mut terminal, frame, input, false).unwrap();
    terminal.backend().to_string()
}

#[test]
fn a_list_that_is_longer_than_the_window_follows_the_mark_and_nothing_unseen_is_taken() {
    let options = (0..30).map(|number| format!("article {number}").into()).collect();
    let question =
        Question::Choose { topic: "article".into(), says: "30 of 30 articles".into(), options };
    let frame = Frame { screen: Screen::Question(question), ..order_frame() };
    let mut input = Input::default();
    usual(&frame, &mut input);
    for number in 1..30 {
        press(&frame.screen, &mut input, KeyCode::Down);
        let seen = usual(&frame, &mut input);
        assert!(seen.contains(&format!("▶ article {number}")), "{seen}");
    }
    press(&frame.screen, &mut input, KeyCode::PageUp);
    press(&frame.screen, &mut input, KeyCode::PageUp);
    assert!(!usual(&frame, &mut input).contains('▶'));

    assert_eq!(press(&frame.screen, &mut input, KeyCode::Enter), None);

    assert!(usual(&frame, &mut input).contains("▶ article 29"));
    assert_eq!(press(&frame.screen, &mut input, KeyCode::Enter), Some(Answer::Choice(29)));
}

#[test]
fn a_form_is_sent_off_by_enter_alone() {
    let fields = vec![("street".into(), "Lindenweg 4".into()), ("city".into(), "Hamburg".into())];
    let question = Question::Form { topic: "address".into(), says: "Where to?".into(), fields };
    let screen = Screen::Question(question);
    let mut input = Input {
        text: "Lindenweg 4".into(),
        fields: vec!["Lindenweg 4".into(), "Hamburg".into()],
        ..Input::default()
    };
    for key in [KeyCode::Down, KeyCode::Down, KeyCode::Tab] {
        assert_eq!(press(&screen, &mut input, key), None);
    }
    let filled = vec!["Lindenweg 4".to_owned(), "Hamburg".to_owned()];
    assert_eq!(press(&screen, &mut input, KeyCode::Enter), Some(Answer::Fields(filled)));
}

#[test]
fn what_is_typed_is_understood_or_said_not_to_be() {
    let (frame, mut input) = (order_frame(), Input { read: true, ..Input::default() });
    let type_in = |text: &str, input: &mut Input| {
        for letter in text.chars() {
            press(&frame.screen, input, KeyCode::Char(letter));
        }
        press(&frame.screen, input, KeyCode::Enter)
    };
    assert_eq!(type_in("ja", &mut input), None);
    assert!(picture(&frame, &input).contains("“ja” is neither. Type yes to sign"));
    assert_eq!(type_in("YES", &mut input), Some(Answer::Yes));

    let control = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
    assert_eq!(meant(&control('h')), KeyCode::Backspace);
    assert_eq!(meant(&control('w')), KeyCode::Null);
}

#[test]
fn after_a_decision_nobody_is_deciding_any_more() {
    let after = afterwards(&order_frame(), &Answer::Yes);
    let seen = picture(&after, &Input::default());
    assert!(seen.contains("you have said yes: Order from Otto Versand"), "{seen}");
    assert!(!seen.contains("deciding"), "{seen}");
}

#[test]
fn lines_end_between_words() {
    let mut frame = order_frame();
    let Screen::Consent(consent) = &mut frame.screen else { panic!() };
    consent.means = "reading ".repeat(30).into();
    let seen = picture(&frame, &Input { read: true, ..Input::default() });
    assert_eq!(seen.matches("reading").count(), 30, "{seen}");
}

#[test]
fn a_locked_screen_shows_no_phrase_no_deal_and_no_letter_of_what_is_typed() {
    let locked = Locked {
        token: "".into(),
        wrong: 2,
        since: Some(time(1_790_000_000_000)),
        wait: 0,
        waiting: 3,
        said: "That was not the pass-phrase.".into(),
    };
    let frame = |locked: &Locked| Frame {
        user: "Anna Berg".into(),
        phrase: "".into(),
        peer: "".into(),
        service: "".into(),
        status: "locked".into(),
        screen: Screen::Locked(locked.clone()),
        told: Vec::new(),
    };
    let mut typed = Typed::new();
    for key in "wrong".chars().map(KeyCode::Char).chain([KeyCode::Backspace]) {
        assert!(!typed.press(key));
    }
    let seen = picture(&frame(&locked), &Input { letters: typed.letters(), ..Input::default() });
    for words in [
        "Anna Berg",
        "That was not the pass-phrase.",
        "3 questions wait for you.",
        "2 wrong pass-phrases since",
        "Pass-phrase: ••••▏",
    ] {
        assert!(seen.contains(words), "{words} in {seen}");
    }
    assert!(!seen.contains("wron▏") && !seen.contains('“'), "{seen}");
    let waits = picture(&frame(&Locked { wait: 8, ..locked.clone() }), &Input::default());
    assert!(waits.contains("The next one in 8 s"), "{waits}");
    let by_token = picture(&frame(&Locked { token: "blue".into(), ..locked }), &Input::default());
    for words in ["PIN of the token “blue”: ▏", "the PIN of your", "2 wrong PINs since"] {
        assert!(by_token.contains(words), "{words} in {by_token}");
    }

    assert!(typed.press(KeyCode::Enter));
    assert_eq!(typed.done().as_str(), "wron");
    // Nothing typed is no try, and nothing is longer than anybody types.
    let mut typed = Typed::new();
    assert!(!typed.press(KeyCode::Enter));
    (0..5_000).for_each(|_| assert!(!typed.press(KeyCode::Char('x'))));
    assert_eq!(typed.letters(), 1_024);
    typed.press(KeyCode::Esc);
    assert_eq!(typed.letters(), 0);
}
