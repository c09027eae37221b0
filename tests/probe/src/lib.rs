//! A guest for tests: does, line by line, what the terms' parameter `script` says.
//!
//! | line | what it does |
//! |---|---|
//! | `note TEXT` | sends a note |
//! | `notes N` | sends N notes |
//! | `receive` | waits for a message; sends `got TEXT` |
//! | `first [message] [MS] [ask]` | waits for the first of these; sends what came |
//! | `now N` | asks for the time N times |
//! | `log N BYTES` | logs N lines of so many bytes |
//! | `progress N` | tells progress N times |
//! | `ask` | puts a question; sends the answer |
//! | `preference KEY` | sends what the person tells merchants of that name |
//! | `order` | signs and sends an order for the last offer received |
//! | `withdraw` | signs and sends a withdrawal |
//! | `handles N` | holds N consents at once |
//! | `fields N` | puts a form with N fields |
//! | `checkpoint TEXT` | a checkpoint; the next run starts after this line, with TEXT |
//! | `state` | sends the state that the run began with |
//! | `big BYTES` | sends information of so many bytes |
//! | `spin`, `deep`, `grow`, `trap` | an endless loop, recursion, memory, a crash |
//! | `again` | starts from the first line |
//! | `fail TEXT` | gives up |
#![no_std]
// The bindings' export glue is generated unsafe code.
#![allow(unsafe_code)]

extern crate alloc;

use semper_guest::buyer::*;

struct Probe;

semper_guest::export!(Probe);

impl Guest for Probe {
    fn run() -> Result<(), String> {
        let script = match deal::parameter("script") {
            Some(deal::Value::Text(script)) => script,
            _ => return Err("there is no script".to_owned()),
        };
        let lines: Vec<&str> = script.lines().collect();
        // A state is the number of the line to go on with, and a text.
        let mut at = match continuation::resumed() {
            Some(state) => {
                let text = String::from_utf8_lossy(&state).into_owned();
                text.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0)
            }
            None => 0,
        };
        let mut offer = None;
        while let Some(line) = lines.get(at) {
            at += 1;
            let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            if word == "again" {
                at = 0;
                continue;
            }
            step(word, rest, at, &mut offer)?;
        }
        Ok(())
    }
}

fn step(
    word: &str,
    rest: &str,
    next: usize,
    offer: &mut Option<(String, Amount)>,
) -> Result<(), String> {
    match word {
        "note" => note(rest),
        "notes" => (0..number(rest)).for_each(|_| note("n")),
        "receive" => note(&told(receive(), offer)),
        "first" => first(rest, offer),
        "now" => (0..number(rest)).for_each(|_| {
            let _ = deal::now();
        }),
        "log" => {
            let (count, size) = rest.split_once(' ').unwrap_or((rest, "1"));
            let text = "l".repeat(number(size) as usize);
            (0..number(count)).for_each(|_| deal::log(&text));
        }
        "progress" => (0..number(rest)).for_each(|_| display::progress("going on")),
        "ask" => {
            let options = ["one".to_owned(), "two".to_owned()];
            match display::choose("probe", "One or two?", &options) {
                Ok(index) => note(&format!("answer {index}")),
                Err(_) => note("left"),
            }
        }
        "fields" => {
            let fields: Vec<_> =
                (0..number(rest)).map(|n| (format!("f{n}"), String::new())).collect();
            let filled = display::form("form", "Fill in", &fields);
            note(if filled.is_ok() { "filled" } else { "left" });
        }
        "preference" => note(&preferences::get(rest).unwrap_or_else(|| "not set".to_owned())),
        "order" => order(offer)?,
        "withdraw" => withdraw()?,
        "handles" => handles(number(rest))?,
        "checkpoint" => continuation::checkpoint(format!("{next} {rest}").as_bytes()),
        "state" => match continuation::resumed() {
            Some(state) => note(&String::from_utf8_lossy(&state)),
            None => note("no state"),
        },
        "big" => information::send("note", &vec![7; number(rest) as usize]),
        "spin" => loop {
            core::hint::black_box(next);
        },
        "deep" => drop(deep(number(rest))),
        "grow" => {
            let mut all: Vec<Vec<u8>> = Vec::new();
            loop {
                all.push(vec![1; 1 << 20]);
            }
        }
        "trap" => panic!("as the script says"),
        "fail" => return Err(rest.to_owned()),
        _ => return Err(format!("the script says “{word}”")),
    }
    Ok(())
}

fn note(text: &str) {
    information::send("note", text.as_bytes());
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or(0)
}

fn told(received: Received, offer: &mut Option<(String, Amount)>) -> String {
    match received {
        Received::Information((_, body)) => format!("got {}", String::from_utf8_lossy(&body)),
        Received::Statement(statement) => match statement.content() {
            Content::Offer(it) => {
                *offer = Some((statement.digest(), it.total));
                "got an offer".to_owned()
            }
            _ => "got a statement".to_owned(),
        },
        Received::Payment(_) => "got money".to_owned(),
    }
}

fn first(words: &str, offer: &mut Option<(String, Amount)>) {
    let mut wanted = waiting::Wanted { message: false, until: None, answer: None };
    for word in words.split(' ') {
        match word {
            "message" => wanted.message = true,
            "ask" => {
                let options = vec!["one".to_owned(), "two".to_owned()];
                let (topic, says) = ("probe".to_owned(), "One or two?".to_owned());
                wanted.answer = Some(waiting::Question { topic, says, options });
            }
            ms => wanted.until = Some(deal::now() + number(ms)),
        }
    }
    match waiting::first_of(&wanted) {
        waiting::Event::Message(received) => note(&told(received, offer)),
        waiting::Event::Time(_) => note("time"),
        waiting::Event::Answer(index) => note(&format!("answer {index}")),
        waiting::Event::Cancelled(reason) => note(&format!("cancelled: {reason}")),
    }
}

fn order(offer: &Option<(String, Amount)>) -> Result<(), String> {
    let Some((digest, total)) = offer else { return Err("there is no offer".to_owned()) };
    let text = || "x".to_owned();
    let ship_to = Address {
        name: text(),
        street: text(),
        postcode: text(),
        city: text(),
        country: "DE".to_owned(),
    };
    let order = Order { offer: digest.clone(), total: total.clone(), ship_to };
    match consent::sign(&Content::Order(order)) {
        Ok(consent) => {
            statements::send(consent);
        }
        Err(why) => note(&format!("declined: {why}")),
    }
    Ok(())
}

fn withdraw() -> Result<(), String> {
    let consent = consent::sign(&Content::Withdrawal("as the script says".to_owned()))?;
    statements::send(consent);
    Ok(())
}

fn handles(count: u64) -> Result<(), String> {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(consent::sign(&Content::Withdrawal("h".to_owned()))?);
    }
    Ok(())
}

#[allow(unconditional_recursion, reason = "that is what it is for")]
fn deep(n: u64) -> u64 {
    core::hint::black_box(deep(core::hint::black_box(n + 1)) + 1)
}
