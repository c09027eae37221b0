//! A program that reads the window aloud, driven by the test: it hears what any such program hears.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use semper_testkit::Desktop;
use serde_json::{Value, json};

/// Only what hangs takes so long.
const HANG: Duration = Duration::from_secs(60);

/// What is heard of one thing in the window.
#[derive(Clone, Debug)]
pub struct Heard {
    pub role: String,
    pub name: String,
    /// What stands in a field.
    pub text: String,
    states: Vec<String>,
}

impl Heard {
    fn of(it: &Value) -> Self {
        let text = |name: &str| it[name].as_str().unwrap_or_default().to_owned();
        let states = it["states"].as_array().into_iter().flatten();
        let states = states.filter_map(|it| it.as_str()).map(str::to_owned).collect();
        // A text has no name but what it says.
        let (name, says) = (text("name"), text("text"));
        let name = if name.is_empty() { says.clone() } else { name };
        Self { role: text("role"), name, text: says, states }
    }

    /// Whether what is typed goes there.
    pub fn has_the_keyboard(&self) -> bool {
        self.states.iter().any(|it| it == "focused")
    }

    /// Whether it can be pressed or filled in.
    pub fn is_on(&self) -> bool {
        self.states.iter().any(|it| it == "enabled")
    }
}

/// Everything in the window, in the order in which it is read.
#[derive(Clone, Debug)]
pub struct Window(pub Vec<Heard>);

impl Window {
    /// Whether something with this name is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|it| it.name == name)
    }

    /// The thing of this role, or of any, whose name contains this.
    pub fn find(&self, role: &str, part: &str) -> Option<&Heard> {
        let is_role = |it: &&Heard| role.is_empty() || it.role == role;
        self.0.iter().filter(is_role).find(|it| it.name.contains(part))
    }

    /// Whether a decision is on the screen.
    pub fn is_decision(&self) -> bool {
        self.has("YOUR DECISION")
    }

    /// A decision's headline.
    pub fn headline(&self) -> String {
        self.after("YOUR DECISION").to_owned()
    }

    /// The words of what is asked, if something is.
    pub fn asked(&self) -> String {
        let headings = ["YOUR DECISION", "THE SERVICE SAYS — checked by nobody"];
        let begin = self.0.iter().position(|it| headings.contains(&it.name.as_str()));
        let words =
            self.0.iter().skip(begin.unwrap_or(self.0.len())).filter(|it| it.role == "label");
        words
            .map(|it| format!("{}\n", it.name))
            .filter(|it| !it.contains("You can answer in"))
            .collect()
    }

    /// Where the thing with this name stands.
    pub fn place(&self, name: &str) -> usize {
        let found = self.0.iter().position(|it| it.name == name);
        found.unwrap_or_else(|| panic!("“{name}” is not heard:\n{}", self.told()))
    }

    /// What follows on the thing with this name: what a row says, after its label.
    pub fn after(&self, name: &str) -> &str {
        self.0.get(self.place(name) + 1).map_or("", |it| &it.name)
    }

    pub fn told(&self) -> String {
        let mut all = String::new();
        for Heard { role, name, text, states } in &self.0 {
            let _ = writeln!(all, "{role}: {name} [{text}] {}", states.join(" "));
        }
        all
    }
}

/// The program.
pub struct Listener {
    child: Child,
    asks: ChildStdin,
    hears: BufReader<ChildStdout>,
}

impl Listener {
    /// Listens to the windows of this program.
    pub fn of(desktop: &Desktop, program: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/window/listener.py");
        // Debian's own: others have no way to its libraries.
        let mut child = Command::new("/usr/bin/python3")
            .args([script, program])
            .envs(desktop.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (asks, hears) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut listener = Self { child, asks, hears: BufReader::new(hears) };
        assert_eq!(listener.said(), json!("listens"));
        listener
    }

    fn said(&mut self) -> Value {
        let mut line = String::new();
        self.hears.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("it has ended: {line}"))
    }

    fn ask(&mut self, what: &Value) -> Value {
        writeln!(self.asks, "{what}").unwrap();
        self.said()
    }

    /// What is heard of the window now.
    pub fn hear(&mut self) -> Window {
        let all = self.ask(&json!({ "hear": true }));
        let all = all.as_array().unwrap_or_else(|| panic!("{all}"));
        Window(all.iter().map(Heard::of).collect())
    }

    /// Waits until what is heard is like this.
    pub fn until(&mut self, what: &str, is: impl Fn(&Window) -> bool) -> Window {
        let begun = Instant::now();
        loop {
            let heard = self.hear();
            if is(&heard) {
                return heard;
            }
            assert!(begun.elapsed() < HANG, "{what} is not heard:\n{}", heard.told());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses the thing of this role and name, as soon as it can be pressed.
    pub fn press(&mut self, role: &str, part: &str) {
        let on = |it: &Window| it.find(role, part).is_some_and(Heard::is_on);
        let heard = self.until(&format!("{role} “{part}”, and that it can be pressed"), on);
        let name = heard.find(role, part).unwrap().name.clone();
        assert!(self.presses(role, &name), "{role} “{name}” cannot be pressed:\n{}", heard.told());
    }

    /// Presses it until it has gone. What a browser asks takes no press at first, as no decision does, and
    /// each press that comes too early begins that pause again.
    pub fn press_away(&mut self, role: &str, part: &str) {
        let is_there = |it: &Window| it.find(role, part).is_some();
        let mut there = self.until(&format!("{role} “{part}”"), is_there);
        let begun = Instant::now();
        while let Some(still) = there.find(role, part).cloned() {
            assert!(begun.elapsed() < HANG, "{role} “{part}” does not go");
            std::thread::sleep(Duration::from_millis(1_200));
            self.presses(role, &still.name);
            std::thread::sleep(Duration::from_millis(200));
            there = self.hear();
        }
    }

    /// Presses the thing of exactly this name; whether there is one that takes it.
    pub fn presses(&mut self, role: &str, name: &str) -> bool {
        self.ask(&json!({ "press": role, "name": name })) == json!(true)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
