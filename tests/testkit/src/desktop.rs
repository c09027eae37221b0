//! A person's desktop where there is no screen: a display of its own (Xvfb), keys and a pointer
//! (xdotool), and the bus by which programs for blind people read what stands in windows (AT-SPI).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{self, Running};

type Result<T> = std::result::Result<T, String>;

/// Only what hangs takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// A display, and what runs on it. It ends with its owner.
#[derive(Debug)]
pub struct Desktop {
    folder: PathBuf,
    display: String,
    bus: Option<(String, Running)>,
    pictures: Option<PathBuf>,
    server: Running,
}

impl Desktop {
    /// A display of its own. Logs go to the folder; screenshots too, if a folder is named for them.
    pub fn new(folder: &Path, pictures: Option<PathBuf>) -> Result<Self> {
        // It takes a display that is free, and says which once it listens there. It goes on as it is
        // when a client leaves: the bus of those who listen is written down there.
        let arguments = ["-displayfd", "1", "-screen", "0", "1024x768x24"];
        let arguments = [&arguments[..], &["-nolisten", "tcp", "-noreset"]].concat();
        let mut server = Running::start(folder, "xvfb", Path::new("Xvfb"), &arguments, &[])?;
        let log = folder.join("xvfb.log");
        let said = || first_line(&log, |it| it.parse::<u32>().is_ok());
        server.ready(|| said().is_some())?;
        let display = format!(":{}", said().unwrap_or_default());
        Ok(Self { folder: folder.to_owned(), display, bus: None, pictures, server })
    }

    /// With a session's bus, over which programs that read windows aloud find them.
    pub fn with_bus(mut self) -> Result<Self> {
        let log = self.folder.join("bus.log");
        let program = Path::new("dbus-daemon");
        let arguments = ["--session", "--nofork", "--nopidfile", "--print-address"];
        let env = [("DISPLAY", self.display.as_str())];
        let mut bus = Running::start(&self.folder, "bus", program, &arguments, &env)?;
        let address = || first_line(&log, |it| it.starts_with("unix:"));
        bus.ready(|| address().is_some())?;
        self.bus = Some((address().unwrap_or_default(), bus));
        Ok(self)
    }

    /// What a program finds in its environment on this desktop.
    pub fn environment(&self) -> Vec<(&str, &str)> {
        let bus = self.bus.iter().map(|it| ("DBUS_SESSION_BUS_ADDRESS", it.0.as_str()));
        let display = [("DISPLAY", self.display.as_str()), ("LIBGL_ALWAYS_SOFTWARE", "1")];
        display.into_iter().chain(bus).collect()
    }

    /// Runs a program to its end; whether all went well.
    pub fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let done = Command::new(program).args(arguments).envs(self.environment()).output();
        done.is_ok_and(|it| it.status.success())
    }

    /// Opens the window of a TINGUIN, and gives it the keyboard.
    pub fn window(&self, program: &Path, home: &str, language: &str) -> Result<Running> {
        let own = [("RUST_LOG", "info"), ("LANG", language), ("LC_ALL", ""), ("LC_MESSAGES", "")];
        let env = [&self.environment()[..], &own].concat();
        let mut window = Running::start(&self.folder, "window", program, &["--home", home], &env)?;
        // Nobody manages windows here: it gets the keyboard by hand.
        let focus = ["search", "--onlyvisible", "--name", "semper TINGUIN", "windowfocus"];
        window.ready(|| self.run("xdotool", &focus))?;
        Ok(window)
    }

    /// Presses keys, one after the other, as a person does.
    ///
    /// # Panics
    /// If there is no xdotool, or no such key.
    pub fn press(&self, keys: &[&str]) {
        for key in keys {
            assert!(self.run("xdotool", &["key", "--delay", "60", key]), "{key}");
            std::thread::sleep(Duration::from_millis(120));
        }
    }

    /// Types a text.
    ///
    /// # Panics
    /// If there is no xdotool.
    pub fn type_in(&self, text: &str) {
        assert!(self.run("xdotool", &["type", "--delay", "40", text]));
        std::thread::sleep(Duration::from_millis(200));
    }

    /// Keeps a picture of the display, if somebody wants to look.
    ///
    /// # Panics
    /// If there is no imagemagick.
    pub fn picture(&self, name: &str) {
        let Some(folder) = &self.pictures else { return };
        let file = folder.join(format!("{name}.png")).display().to_string();
        assert!(self.run("import", &["-window", "root", &file]), "no picture of {name}");
    }

    /// Takes the display away, as a window server that crashes does.
    pub fn goes_away(&mut self) {
        self.server.kill();
    }
}

/// The first whole line of a log that is like this.
fn first_line(log: &Path, is: impl Fn(&str) -> bool) -> Option<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter_map(|it| it.strip_suffix('\n'));
    whole.map(str::to_owned).find(|it| is(it))
}

/// Waits until something is so.
///
/// # Panics
/// If it hangs.
pub fn until(what: &str, done: impl Fn() -> bool) {
    process::until(PATIENCE, what, done);
}
