//! Figures of the window without a display: an archive of 100,000 entries, scrolled and searched.
//!
//!     cargo run -p semper-face-window --example figures [FOLDER]
//!
//! Frames are laid out and made into triangles, as for a display; what a graphics card does is not in
//! it. With a folder, the home is made there and kept, for `semper-window`.

#![allow(clippy::unwrap_used, clippy::float_arithmetic, reason = "a measurement")]

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use egui::{Event, Key, Modifiers, Pos2, RawInput, Rect, vec2};
use semper_archive::{Archive, DealRow, EvidenceRow, Home, Write};
use semper_base::text::Text;
use semper_base::{DealId, Digest, Timestamp};
use semper_face_window::model::Who;
use semper_face_window::picture::Picture;
use semper_face_window::records::archive::OfHome;
use semper_face_window::records::shelf::Shelf;
use semper_face_window::records::source::Behind;
use semper_face_window::settings::Settings;
use semper_face_window::{Model, Page, draw, pair};
use semper_items::Side;
use semper_keeper::Keeper;
use semper_tinguin_protocol::screen::{Consent, Screen};
use semper_tinguin_protocol::{Answer, Face as _, Frame};

const ENTRIES: usize = 100_000;
const FRAMES: usize = 2_000;
const ASKED: usize = 50;

fn main() {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let kept = folder.is_some();
    let path = folder.unwrap_or_else(|| std::env::temp_dir().join("semper-window-figures"));
    if !path.join("archive.sqlite").exists() {
        make(&path);
    }
    println!("home with {ENTRIES} entries: {}", path.display());
    measure(&path);
    if !kept {
        fs::remove_dir_all(&path).unwrap();
    }
}

fn make(path: &Path) {
    DirBuilder::new().recursive(true).mode(0o700).create(path).unwrap();
    let home = Home::open(path).unwrap();
    if !home.has("semper.toml") {
        home.write("semper.toml", b"user = \"Anna Berg\"\nphrase = \"two owls in a pear tree\"\n")
            .unwrap();
    }
    let archive = Archive::open(&home).unwrap();
    let at = |number: usize| {
        Timestamp::from_millis(1_700_000_000_000 + number as u64 * 600_000).unwrap()
    };
    let deals = ENTRIES / 5;
    let id = |number: usize| DealId::new(Digest::of(&number.to_be_bytes()));
    for first in (0..deals).step_by(1_000) {
        let row = |number| {
            let names = ("Otto Versand", "https://localhost:8442");
            let terms = Digest::of(b"terms");
            let opened = at(number * 5);
            Write::NewDeal(Box::new(DealRow::opened(
                id(number),
                Side::Buyer,
                names,
                terms,
                vec![0; 600],
                opened,
            )))
        };
        archive.commit((first..first + 1_000).map(row).collect()).unwrap();
    }
    for first in (0..ENTRIES).step_by(1_000) {
        let row = |number: usize| {
            let kinds = ["agreement", "offer", "order", "receipt", "shipping-note"];
            Write::Evidence(EvidenceRow {
                number: 0,
                deal: Some(id(number / 5)),
                kind: kinds[number % 5].into(),
                digest: Digest::of(&(number as u64 + 1_000_000_007).to_le_bytes()),
                signer: "Otto Versand".into(),
                summary: format!(
                    "{} number {number}: woollen scarf …, 44.88 EUR in total",
                    kinds[number % 5]
                ),
                stored: at(number),
                // As large as a signed offer is.
                bytes: vec![1; 1_200],
            })
        };
        archive.commit((first..first + 1_000).map(row).collect()).unwrap();
    }
}

fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|it| it.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

struct Bench {
    ctx: egui::Context,
    model: Model,
    time: f64,
}

impl Bench {
    /// One frame; how long it took.
    fn frame(&mut self, events: Vec<Event>) -> Duration {
        self.time += 0.016;
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, vec2(960.0, 700.0))),
            time: Some(self.time),
            events,
            ..RawInput::default()
        };
        let begun = Instant::now();
        let mut out = self.ctx.run_ui(input, |ui| draw(ui, &mut self.model));
        out.textures_delta.clear();
        let shapes = self.ctx.tessellate(out.shapes, out.pixels_per_point);
        std::hint::black_box(shapes);
        begun.elapsed()
    }

    /// Frames until this is so; how long that took.
    fn until(&mut self, ready: impl Fn(&Model) -> bool) -> Duration {
        let begun = Instant::now();
        while !ready(&self.model) {
            self.frame(Vec::new());
            std::thread::sleep(Duration::from_millis(1));
        }
        begun.elapsed()
    }
}

fn measure(path: &Path) {
    let keeper = Keeper::new("figures");
    let shelf = Shelf::new(Behind::new(OfHome::at(path.to_owned()), &keeper, || {}));
    let (name, phrase) = ("Anna Berg", "two owls in a pear tree");
    let who = Who { name: name.into(), phrase: phrase.into(), picture: Picture::of(name, phrase) };
    let mut model = Model::new(who, Settings::default(), shelf);
    let mut bench = {
        model.page = Page::Now;
        Bench { ctx: egui::Context::default(), model, time: 0.0 }
    };
    let first = bench.frame(Vec::new());
    println!("first frame: {} ms", first.as_millis());
    bench.model.page = Page::Archive;
    let shown = bench.until(|it| it.shelf.entries.all.is_some());
    println!("archive opened, checked and first page shown: {} ms", shown.as_millis());
    println!("memory: {} MiB", memory());

    let mut times: Vec<Duration> = Vec::new();
    for number in 0..FRAMES {
        // A page down each frame, and now and then a jump to the end or the beginning.
        let key = match number % 100 {
            50 => Key::End,
            99 => Key::Home,
            _ => Key::PageDown,
        };
        let pressed = Event::Key {
            key,
            physical_key: None,
            pressed: true,
            repeat: false,
            modifiers: Modifiers::NONE,
        };
        times.push(bench.frame(vec![pressed]));
    }
    times.sort_unstable();
    let at = |part: usize| times[(FRAMES * part / 1_000).min(FRAMES - 1)].as_micros();
    println!(
        "frame while scrolling: p50 {} µs, p99 {} µs, most {} µs",
        at(500),
        at(990),
        at(1_000)
    );
    println!("memory: {} MiB", memory());

    for text in ["number 4711:", "scarf", "nothing has this in it"] {
        bench.model.find.words = text.into();
        bench.frame(Vec::new());
        let took =
            bench.until(|it| it.shelf.found().words == text && it.shelf.entries.all.is_some());
        let all = bench.model.shelf.entries.all.unwrap();
        println!("search for “{text}”: {all} found after {} ms", took.as_millis());
    }
    appear(&mut bench);
    keeper.end();
}

/// How long a decision takes from when it is asked until it is on the screen, as far as that is without
/// one; the window sleeps before each.
fn appear(bench: &mut Bench) {
    let (face, desk) = pair();
    let (wake, woken) = channel();
    desk.wake_by(move || {
        // Nobody hears it after the last.
        let _ = wake.send(());
    });
    let mut times = Vec::new();
    for number in 0..ASKED {
        let face = &face;
        std::thread::scope(|scope| {
            let (ask, asked) = channel();
            scope.spawn(move || {
                ask.send(Instant::now()).unwrap();
                face.ask(&decision(number), &|| false)
            });
            let begun = asked.recv().unwrap();
            while bench.model.asked.is_none() {
                woken.recv().unwrap();
                bench.model.meet(&desk);
            }
            bench.frame(Vec::new());
            times.push(begun.elapsed());
            bench.model.answered = bench.model.asked.take().map(|it| (it.number, Answer::Yes));
            bench.model.meet(&desk);
        });
        std::thread::sleep(Duration::from_millis(20));
    }
    times.sort_unstable();
    let (half, most) = (times[ASKED / 2].as_micros(), times[ASKED - 1].as_micros());
    println!(
        "a decision on the screen after it is asked, of {ASKED}: p50 {half} µs, most {most} µs"
    );
}

fn decision(number: usize) -> Frame {
    let row = |at: usize| {
        (Text::from(format!("row {at}")), Text::from("what stands there, in so many words"))
    };
    let consent = Consent {
        topic: "order".into(),
        title: format!("Order {number} from Otto Versand").into(),
        rows: (0..12).map(row).collect(),
        means: "You buy for 44.88 EUR; the order binds you.".into(),
        amount: "44.88 EUR".parse().ok(),
        also: None,
        digest: Digest::of(&number.to_be_bytes()),
    };
    Frame {
        user: "Anna Berg".into(),
        phrase: "two owls in a pear tree".into(),
        peer: "Otto Versand".into(),
        service: "mail-order 1.0.0 — certified by Verbraucherbund".into(),
        status: "deciding whether to sign".into(),
        screen: Screen::Consent(consent),
        told: Vec::new(),
    }
}
