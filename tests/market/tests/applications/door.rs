//! A program at the door: HTTP as anybody can speak it, by hand, so that the hostile ones can, too.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use semper_testkit::{Market, Output, Running, process};
use serde_json::{Value, json};

/// Only what hangs takes so long.
pub const HANG: Duration = Duration::from_secs(120);

/// Waits until it is so.
pub fn until(what: &str, done: impl Fn() -> bool) {
    process::until(HANG, what, done);
}

/// The door of Anna's host.
pub struct Door<'a> {
    market: &'a Market,
    host: Running,
    /// The port at 127.0.0.1.
    pub port: u16,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.value()
    }

    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|it| it.split_once(": "));
        lines.rev().find(|it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1.to_owned())
    }
}

/// Starts Anna's host with a door.
pub fn open(market: &Market) -> Door<'_> {
    let file = market.folder.join("anna/semper.toml");
    let text = fs::read_to_string(&file).unwrap();
    if !text.contains("[applications]") {
        fs::write(&file, format!("{text}\n[applications]\nport = 0\n")).unwrap();
    }
    let mut door = start(market);
    let begun = Instant::now();
    while door.port == 0 {
        assert!(begun.elapsed() < HANG, "no door: {}", door.host.log_text());
        std::thread::sleep(Duration::from_millis(50));
        let status = door.semper(&["run", "--home", "anna", "--status", "--json"]);
        let status: Value = serde_json::from_str(&status.out).unwrap_or_default();
        let at = status["door"].as_str().and_then(|it| it.rsplit_once(':'));
        door.port = at.and_then(|it| it.1.parse().ok()).unwrap_or_default();
    }
    door
}

/// Starts Anna's host, whether its door opens or not.
pub fn start(market: &Market) -> Door<'_> {
    let _ = fs::remove_file(market.folder.join("host-of-anna.log"));
    let arguments = ["run", "--home", "anna"];
    let binary = &market.binaries.semper;
    let env = [("SEMPER_ALONE", "0")];
    let host = Running::start(&market.folder, "host-of-anna", binary, &arguments, &env).unwrap();
    Door { market, host, port: 0 }
}

impl Door<'_> {
    /// A command of Anna's that asks her resident host.
    pub fn semper(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.market.binaries.semper);
        command.args(arguments).current_dir(&self.market.folder).env_remove("SEMPER_ALONE");
        let done = command.stdin(Stdio::null()).output().unwrap();
        Output {
            code: done.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&done.stdout).into_owned(),
            err: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }

    /// Kills the host.
    pub fn kill(&mut self) {
        let id = self.host.id().to_string();
        assert!(Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
        self.host.wait(HANG);
    }

    /// Whether a market's Anna has no host that has a door.
    pub fn is_shut(market: &Market) -> bool {
        !market.folder.join("anna/host.sock").exists()
    }

    /// A request as these bytes; what comes back.
    pub fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.write_all(request).unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or_default();
        let body = bytes.get(end + 4..).unwrap_or_default().to_vec();
        let body =
            if head.contains("transfer-encoding: chunked") { unchunked(&body) } else { body };
        Answer { status, head, body }
    }

    /// A request with these headers beside the usual ones; a header of the same name takes its place.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let host = format!("127.0.0.1:{}", self.port);
        let length = body.len().to_string();
        let usual = [
            ("Host", host.as_str()),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("Content-Length", &length),
            ("Connection", "close"),
        ];
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        let named = |name: &str| headers.iter().any(|it| it.0.eq_ignore_ascii_case(name));
        for (name, value) in usual.iter().filter(|it| !named(it.0)).chain(headers) {
            if !value.is_empty() {
                text += &format!("{name}: {value}\r\n");
            }
        }
        text += "\r\n";
        self.raw(&[text.as_bytes(), body].concat())
    }

    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send("POST", path, headers, body.to_string().as_bytes())
    }

    pub fn call(&self, token: &str, name: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str())];
        self.post(&format!("/semper/v1/calls/{name}"), &headers, body)
    }

    /// What the person has decided about a pairing that was begun.
    pub fn decided(&self, begun: &Value) -> Answer {
        let path = format!("/semper/v1/pairings/{}", begun["pairing"].as_str().unwrap());
        let started = Instant::now();
        loop {
            let answer = self.post(&path, &[], &json!({ "wait_ms": 5_000 }));
            if answer.status != 200 || answer.value()["state"] != "deciding" {
                return answer;
            }
            assert!(started.elapsed() < HANG, "she does not decide");
        }
    }

    /// Pairs an application; its token.
    pub fn paired(&self, name: &str, may: &[&str]) -> String {
        let begun = self.post("/semper/v1/pairings", &[], &json!({ "name": name, "may": may }));
        assert_eq!(begun.status, 202, "{}", begun.text());
        let begun = begun.value();
        let token = self.decided(&begun).json()["token"].as_str().unwrap().to_owned();
        // The person has seen the code that the application has shown.
        let code = begun["code"].as_str().unwrap();
        let shown = transcript(self.market);
        let pairing = shown.iter().rfind(|it| it["topic"] == "pairing").unwrap().to_string();
        assert!(pairing.contains(code), "{code}: {pairing}");
        token
    }

    /// Begins a purchase; its name.
    pub fn start(&self, token: &str, merchant: &str, answers: &Value) -> String {
        let start = json!({ "merchant": merchant, "answers": answers });
        let begun = self.call(token, "start", &start).json();
        begun["purchase"].as_str().unwrap().to_owned()
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|it| it == b"\r\n") {
        let size = usize::from_str_radix(&String::from_utf8_lossy(&body[..end]), 16).unwrap_or(0);
        if size == 0 || body.len() < end + 2 + size {
            break;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = body.get(end + 4 + size..).unwrap_or_default();
    }
    whole
}

/// Looks at a purchase until it is so.
pub fn purchase_is(
    door: &Door<'_>,
    token: &str,
    purchase: &str,
    so: impl Fn(&Value) -> bool,
) -> Value {
    let (started, mut known) = (Instant::now(), Value::Null);
    loop {
        let look = json!({ "purchase": purchase, "unless": known, "wait_ms": 5_000 });
        let now = door.call(token, "purchase", &look).json();
        if so(&now) {
            return now;
        }
        assert!(started.elapsed() < HANG, "{now}");
        known = now["version"].clone();
    }
}

/// Answers whatever is asked, until the purchase has ended: the article that costs something, one of
/// it, and an order.
pub fn shop(door: &Door<'_>, token: &str, purchase: &str) -> Value {
    let mut answered = Vec::new();
    loop {
        let now = purchase_is(door, token, purchase, |it| {
            let over = !matches!(it["state"].as_str(), Some("opening" | "open"));
            over || it["question"].is_object() && !answered.contains(&it["question"]["id"])
        });
        let question = &now["question"];
        if !question.is_object() {
            return now;
        }
        let mut answer = json!({ "purchase": purchase, "question": question["id"] });
        let option = |text: &str| {
            let options = question["merchant_options"].as_array().unwrap();
            options.iter().position(|it| it.as_str().unwrap().contains(text)).unwrap()
        };
        match question["topic"].as_str().unwrap() {
            "search" => answer["fields"] = json!({ "words": "woollen scarf", "at most": "150" }),
            "article" => answer["option"] = json!(option(" · ")),
            "quantity" => answer["fields"] = json!({ "quantity": "1" }),
            "cart" => answer["option"] = json!(option("order now")),
            "availability" => answer["option"] = json!(option("ask for an offer")),
            "address" => answer["fields"] = json!({}),
            _ => {}
        }
        let done = door.call(token, "answer", &answer);
        assert_eq!(done.status, 200, "{}: {answer}", done.text());
        answered.push(question["id"].clone());
    }
}

/// What the person was asked, from her TINGUIN's transcript: each consent or question once.
pub fn transcript(market: &Market) -> Vec<Value> {
    let text = fs::read_to_string(market.folder.join("anna-transcript.jsonl")).unwrap();
    let lines = text.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
    let asked = lines.filter(|it| !it["answer"].is_null());
    asked
        .filter_map(|it| {
            let screen = &it["frame"]["screen"];
            let consent = screen.get("consent").cloned();
            let question = || screen.get("question")?.as_object()?.values().next().cloned();
            consent.or_else(question)
        })
        .collect()
}
