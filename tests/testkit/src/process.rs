//! Running commands and servers.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binaries that were built.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// `semper`.
    pub semper: PathBuf,
    /// `semper-sign`.
    pub sign: PathBuf,
    /// The folder with the guests' components.
    pub guests: PathBuf,
    /// The folder with the components of other languages.
    pub languages: PathBuf,
    /// The repository.
    pub repository: PathBuf,
}

impl Binaries {
    /// The binaries that were built beside the running test or benchmark, which cargo has
    /// started.
    pub fn beside() -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let folder = own.ancestors().find(|folder| folder.join("semper").is_file());
        let folder = folder.ok_or("run this by `cargo xtask`, which builds the binaries first")?;
        let target = folder.parent().ok_or("no target folder")?;
        // Asked at run time: a shared target folder may hold what another clone has built.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let repository = manifest.as_deref().and_then(|it| it.ancestors().nth(2));
        Ok(Self {
            semper: folder.join("semper"),
            sign: folder.join("semper-sign"),
            guests: target.join("wasm32-wasip2/release"),
            languages: target.join("languages"),
            repository: repository.ok_or("run this by cargo")?.to_owned(),
        })
    }
}

/// What a command did.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit code; -1 when it was killed.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Output {
    /// The output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or(serde_json::Value::Null)
    }
}

/// Runs a command to its end, in a folder.
pub fn run(folder: &Path, program: &Path, arguments: &[&str]) -> Result<Output, String> {
    run_with(folder, program, arguments, &[])
}

/// As [`run`], with these in its environment.
pub fn run_with(
    folder: &Path,
    program: &Path,
    arguments: &[&str],
    env: &[(&str, &str)],
) -> Result<Output, String> {
    let done = Command::new(program)
        .args(arguments)
        .envs(env.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(Output {
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    })
}

/// Waits until something is so.
///
/// # Panics
/// If that takes longer than only what hangs does.
pub fn until(hang: Duration, what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < hang, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A process that is ended with its owner.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Running {
    /// Starts a process whose output goes to `NAME.log` in the folder.
    pub fn start(
        folder: &Path,
        name: &str,
        program: &Path,
        arguments: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Self, String> {
        let log = folder.join(format!("{name}.log"));
        let file = File::options()
            .append(true)
            .create(true)
            .open(&log)
            .map_err(|error| format!("{}: {error}", log.display()))?;
        let copy = file.try_clone().map_err(|error| error.to_string())?;
        let child = Command::new(program)
            .args(arguments)
            .envs(env.iter().copied())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        Ok(Self { child, name: name.to_owned(), log })
    }

    /// Waits until the probe succeeds; an error with the log's end if the process ends first.
    pub fn ready(&mut self, probe: impl Fn() -> bool) -> Result<(), String> {
        let start = Instant::now();
        while !probe() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{} ended with {status}:\n{}", self.name, self.log_text()));
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("{} does not answer:\n{}", self.name, self.log_text()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// What it has written.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The memory that it has, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
        let kib = line.and_then(|it| it.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Ends it as a power cut would (SIGKILL).
    pub fn kill(&mut self) {
        // It may have ended by itself; there is nothing to do then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it a signal: `TERM` asks it to end, `STOP` makes it silent, and `CONT` lets it go on.
    ///
    /// # Panics
    /// If there is no `kill`, or nobody to send it to.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.is_ok_and(|it| it.success()), "{} cannot be sent SIG{name}", self.name);
    }

    /// Waits for its end; the exit code.
    pub fn wait(&mut self, patience: Duration) -> Option<i32> {
        let start = Instant::now();
        while start.elapsed() < patience {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status.code().unwrap_or(-1));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Lets it run on after its owner.
    pub fn detach(self) {
        // Not dropped, so not killed.
        std::mem::forget(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port of the loopback address that is free, and stays so while its server is down: below
/// the range from which the system takes ports for connections, and never given out twice by
/// one process.
pub fn free_port() -> Result<u16, String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1000 {
        let step = NEXT.fetch_add(1, Ordering::SeqCst);
        let place = std::process::id().wrapping_mul(101).wrapping_add(step) % 12_000;
        let port = 20_000 + u16::try_from(place).map_err(|error| error.to_string())?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no port is free between 20000 and 32000".into())
}

/// Whether somebody listens on a port of the loopback address.
pub fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}
