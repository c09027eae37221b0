//! `semper-window`: the TINGUIN in a window of its own.
//!
//! The process of the window is the TINGUIN. It opens a home, asks for the pass-phrase, holds the keys,
//! and answers hosts at the home's socket; closing the window ends it in order. A window server that
//! goes away ends the process as a crash does: nothing is lost, nothing was answered, and what was asked
//! is asked again at the next start.
#![forbid(unsafe_code)]

mod app;
mod fonts;
mod manual;
mod signals;
mod start;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use semper_archive::home::usual;
use semper_keeper::Keeper;
use tracing_subscriber::EnvFilter;

use crate::app::App;
use crate::start::Start;

/// How long threads have to end before the process does.
const LAST: Duration = Duration::from_secs(2);

/// The TINGUIN in a window: it holds your keys, shows what is asked of you, and signs only what it
/// showed. It runs until its window is closed.
#[derive(Parser)]
#[command(name = "semper-window", version, after_help = "Example:\n  semper-window --home anna")]
struct Arguments {
    /// Your home, as `semper join` or `semper init` has made it; without it, ~/.local/share/semper.
    #[arg(long, env = "SEMPER_HOME", hide_env_values = true, default_value_os_t = usual(), hide_default_value = true)]
    home: PathBuf,
    /// Says how long it took until the first frame was drawn, and the slowest of a hundred frames.
    #[arg(long, hide = true)]
    figures: bool,
    /// Writes the manual page and the completions into this folder, and opens nothing.
    #[arg(long, hide = true, value_name = "FOLDER")]
    manual: Option<PathBuf>,
}

fn main() -> ExitCode {
    let begun = Instant::now();
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let done = match &arguments.manual {
        Some(folder) => manual::write(folder),
        None => run(&arguments, begun),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble { what, mend }) => {
            eprintln!("error: {what}");
            if !mend.is_empty() {
                eprintln!("  try  {mend}");
            }
            ExitCode::from(2)
        }
    }
}

/// Why there is no window: what went wrong, and what helps.
struct Trouble {
    what: String,
    mend: String,
}

impl<E: semper_base::Mend> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self { what: error.to_string(), mend: error.mend() }
    }
}

fn run(arguments: &Arguments, begun: Instant) -> Result<(), Trouble> {
    let start = Start::read(&arguments.home)?;
    let keeper = Keeper::new("semper-window");
    let viewport = egui::ViewportBuilder::default()
        .with_title(start.title())
        .with_app_id("semper-window")
        .with_inner_size([960.0, 700.0])
        .with_min_inner_size([420.0, 420.0]);
    let options = eframe::NativeOptions { viewport, ..Default::default() };
    let (own, figures) = (keeper.clone(), arguments.figures.then_some(begun));
    let made = move |context: &eframe::CreationContext<'_>| {
        let ctx = context.egui_ctx.clone();
        fonts::add(&ctx);
        // Before the first frame: that one is drawn as the others are.
        semper_face_window::set(&ctx, start.settings);
        signals::close_by_signal(&own, &ctx)?;
        let app: Box<dyn eframe::App> = Box::new(App::new(start, own, figures));
        Ok(app)
    };
    let shown = eframe::run_native("semper-window", options, Box::new(made));
    keeper.end();
    for name in keeper.join(LAST) {
        tracing::warn!(name, "does not end");
    }
    shown.map_err(|error| Trouble {
        what: format!("there is no window: {error}"),
        mend: "start it in a graphical session; semper tinguin is for terminals".into(),
    })
}
