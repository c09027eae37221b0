//! From a component's bytes to machine code: looked over first, compiled by a worker process
//! that has limits of its own, kept in a cache that only this host can have written.
//!
//! A compiler is the largest program that a stranger's bytes meet. So it runs in another
//! process, with a bounded processor time and memory, and what does not compile within them is
//! refused. The cache is keyed by the component's digest and everything that code depends on
//! (compiler version, settings, processor), and authenticated with a key of the home's: what is
//! changed, cut off, swapped or of another version is compiled again, never loaded.

use std::hash::{Hash as _, Hasher as _};
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use semper_archive::Home;
use semper_base::{Digest, fault, keys};
use semper_trust::{Limit, Limits};
use sha2::Sha256;
use wasmparser::{Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::stop::{Needed, Stop};

/// The hidden command of a worker process: `PROGRAM compile-component MS`, a component on
/// standard input, machine code on standard output.
pub const WORKER: &str = "compile-component";
/// Memory of a worker process, in bytes.
const WORKER_MEMORY: u64 = 6 << 30;
/// Components in components in components: more than any tool makes.
const NESTING: u32 = 16;
/// What a cache file begins with.
const MAGIC: &[u8] = b"semper-code-v1\n";
/// Largest cache file that is read.
const LARGEST: u64 = 1 << 30;
const MAC: usize = 32;
/// Bytes of a page of linear memory.
const PAGE: u64 = 65_536;

/// Compiles components for one home.
#[derive(Debug)]
pub struct Compiler {
    home: Arc<Home>,
    /// A `semper` binary of this build.
    program: PathBuf,
    key: Digest,
}

impl Compiler {
    /// A compiler with this home's cache; `program` is a `semper` binary of this build.
    pub fn new(home: Arc<Home>, program: PathBuf) -> Result<Self, Stop> {
        let failed = |error: &dyn std::fmt::Display| {
            Stop::away(Needed::Runtime, format!("the key of the code cache: {error}"))
        };
        let stored = if home.has(KEY) {
            let text = home.read_secret(KEY).map_err(|error| failed(&error))?;
            Digest::from_hex(text.trim()).ok()
        } else {
            None
        };
        let key = match stored {
            Some(key) => key,
            None => {
                // A damaged key makes every file of the cache worthless, and no more.
                let key = Digest::from_bytes(keys::random());
                home.write(KEY, key.hex().as_bytes()).map_err(|error| failed(&error))?;
                key
            }
        };
        Ok(Self { home, program, key })
    }

    /// The component's code: from the cache, or compiled and put there.
    pub fn component(
        &self,
        engine: &Engine,
        bytes: &[u8],
        limits: Limits,
    ) -> Result<Component, Stop> {
        examine(bytes, limits)?;
        let name = self.name(engine, bytes);
        // Code of another version is not ours to complain about: it is made anew.
        if let Some(Ok(component)) = self.cached(&name).map(|code| load(engine, &code)) {
            return Ok(component);
        }
        let start = Instant::now();
        let code = self.compile(bytes, limits)?;
        tracing::debug!(bytes = bytes.len(), time = ?start.elapsed(), "component compiled");
        if let Err(error) = self.home.write(&name, &self.seal(&name, &code)) {
            tracing::warn!(%error, "compiled code cannot be kept; it is compiled again next time");
        }
        load(engine, &code).map_err(|error| {
            if is_the_systems(&error) {
                return Stop::away(Needed::Runtime, format!("{error:#}"));
            }
            // It was made by this very build, and looked over before: it is larger than the pool.
            tracing::debug!(%error, "a component does not fit into the pool");
            Stop::limit(Limit::Instances, limits.get(Limit::Instances))
        })
    }

    /// A file's name says what the code in it is for.
    fn name(&self, engine: &Engine, bytes: &[u8]) -> String {
        let component = Digest::of(bytes);
        let environment = environment(engine);
        let name = Digest::of_parts(&[b"semper/code/v1", component.as_bytes(), &environment]);
        format!("cache/{}.code", name.hex())
    }

    /// The code in a file of the cache, if it is one that this host wrote under this name.
    fn cached(&self, name: &str) -> Option<Vec<u8>> {
        let (folder, file) = name.rsplit_once('/')?;
        let file = self.home.folder(folder).ok()?.open(file).ok()?;
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).ok()?;
        let rest = bytes.strip_prefix(MAGIC)?;
        let (mac, code) = rest.split_at_checked(MAC)?;
        if self.mac(name, code).verify_slice(mac).is_err() {
            tracing::warn!(name, "a file of the code cache is not ours; it is compiled again");
            return None;
        }
        Some(code.to_vec())
    }

    fn seal(&self, name: &str, code: &[u8]) -> Vec<u8> {
        let mac = self.mac(name, code).finalize().into_bytes();
        [MAGIC, mac.as_slice(), code].concat()
    }

    fn mac(&self, name: &str, code: &[u8]) -> Hmac<Sha256> {
        // HMAC pads a key to the hash's block with zeros; so do we, for a constructor that
        // cannot fail.
        let mut block = [0; 64];
        block[..MAC].copy_from_slice(self.key.as_bytes());
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(&(name.len() as u64).to_be_bytes());
        mac.update(name.as_bytes());
        mac.update(code);
        mac
    }

    /// Has a worker process compile; it is killed when its time is over.
    fn compile(&self, bytes: &[u8], limits: Limits) -> Result<Vec<u8>, Stop> {
        let most = limits.get(Limit::CompileTime);
        let mut child =
            self.start(most).map_err(|error| self.away(&format!("cannot be started: {error}")))?;
        let (input, output, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut input), Some(mut output), Some(mut errors)) = (input, output, errors) else {
            return Err(self.away(&"has no pipes"));
        };
        if fault::fails("compiler.end") {
            let _ = child.kill();
        }
        let until = Instant::now() + 3 * Duration::from_millis(most) + Duration::from_secs(5);
        let (code, said, ended) = std::thread::scope(|scope| {
            // A worker that ends early leaves the pipe broken; its end says why.
            scope.spawn(move || input.write_all(bytes));
            let code = scope.spawn(move || {
                let mut code = Vec::new();
                output.read_to_end(&mut code).map(|_| code)
            });
            let said = scope.spawn(move || {
                let mut said = String::new();
                let _ = std::io::Read::by_ref(&mut errors).take(4096).read_to_string(&mut said);
                let _ = std::io::copy(&mut errors, &mut std::io::sink());
                said
            });
            let ended = loop {
                match child.try_wait() {
                    Ok(Some(status)) => break Some(status),
                    Ok(None) if Instant::now() < until => {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    _ => {
                        let _ = child.kill();
                        let _ = child.wait();
                        break None;
                    }
                }
            };
            (code.join(), said.join().unwrap_or_default(), ended)
        });
        let code = code.ok().and_then(Result::ok);
        match End::of(ended) {
            End::Done => match code.as_deref().and_then(|code| code.split_first_chunk()) {
                Some((build, code)) if *build == this_build()? => Ok(code.to_vec()),
                Some(_) => Err(self.away(&"is of another version: start the host again")),
                None => Err(self.away(&"has not said everything")),
            },
            End::Refused => Err(Stop::unfit(format!("it does not compile: {}", said.trim()))),
            End::Over => Err(Stop::limit(Limit::CompileTime, most)),
            End::Panicked => Err(Stop::broken(format!("the compiler: {}", said.trim()))),
            End::FromOutside => Err(self.away(&"was ended before it was done")),
        }
    }

    fn start(&self, milliseconds: u64) -> std::io::Result<Child> {
        if fault::fails("compiler.start") {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        Command::new(&self.program)
            .arg(WORKER)
            .arg(milliseconds.to_string())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    /// The compiler does not do its work now; that says nothing about the component.
    fn away(&self, how: &dyn std::fmt::Display) -> Stop {
        Stop::away(Needed::Runtime, format!("the compiler {} {how}", self.program.display()))
    }
}

/// How a worker process has ended, and so what is known of the component.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// It has compiled.
    Done,
    /// The component has a fault.
    Refused,
    /// It met its own limits: of processor time, by a signal that the system keeps for it, or of
    /// memory, by which it cannot go on and ends itself.
    Over,
    /// A fault of the compiler's.
    Panicked,
    /// Somebody has ended it, the machine was too busy to let it run, or a pipe broke: that is no
    /// word about the component.
    FromOutside,
}

impl End {
    fn of(status: Option<ExitStatus>) -> Self {
        use rustix::process::Signal;
        const PANICKED: i32 = 101;
        let Some(status) = status else { return Self::FromOutside };
        let own = [Signal::XCPU, Signal::ABORT, Signal::SEGV, Signal::BUS, Signal::ILL];
        match (status.code(), status.signal()) {
            (Some(0), _) => Self::Done,
            (Some(REFUSED), _) => Self::Refused,
            (Some(PANICKED), _) => Self::Panicked,
            (None, Some(signal)) if own.iter().any(|it| it.as_raw() == signal) => Self::Over,
            _ => Self::FromOutside,
        }
    }
}

/// What this build's code depends on: a worker says it before the code that it has made.
fn this_build() -> Result<[u8; 8], Stop> {
    let engine = Engine::new(&crate::settings::config(false)).map_err(Stop::broken)?;
    Ok(environment(&engine))
}

fn environment(engine: &Engine) -> [u8; 8] {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish().to_be_bytes()
}

/// Where the cache's key lies in a home.
const KEY: &str = "cache.key";
/// How a worker ends that has found a fault in the component.
const REFUSED: i32 = 65;

/// Loads code that [`Compiler::compile`] made or [`Compiler::cached`] has authenticated. An
/// error says that it is of another version or other settings, or larger than the pool.
#[allow(unsafe_code, reason = "the only place: wasmtime's deserialize")]
fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` demands bytes that come from `Engine::precompile_component` of this
    // wasmtime, unmodified. This function is private and has two callers, both in
    // `Compiler::component`: one hands over what a worker process of our own binary, started
    // by us, wrote into our own pipe and ended with success; the other what `cached` has found
    // to carry a MAC under this home's key (0600, never sent anywhere) over the file's name
    // and these very bytes, in memory, after they were read, so that a file that changes later
    // changes nothing. Only `seal` makes such MACs, and only of a worker's output. wasmtime
    // itself refuses another version or other settings.
    unsafe { Component::deserialize(engine, code) }
}

/// Whether the operating system has refused something.
pub(crate) fn is_the_systems(error: &wasmtime::Error) -> bool {
    error.chain().any(|it| {
        it.is::<std::io::Error>()
            || it.is::<rustix::io::Errno>()
            || it.is::<wasmtime::OutOfMemory>()
    })
}

/// What can be seen without compiling: size, functions, nesting, what memories and tables begin
/// with.
pub fn examine(bytes: &[u8], limits: Limits) -> Result<(), Stop> {
    let over = |limit| Stop::limit(limit, limits.get(limit));
    if bytes.len() as u64 > limits.get(Limit::ComponentBytes) {
        return Err(over(Limit::ComponentBytes));
    }
    let unreadable =
        |error: wasmparser::BinaryReaderError| Stop::unfit(format!("it cannot be read: {error}"));
    let (mut functions, mut depth) = (0_u64, 0_u32);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(unreadable)? {
            Payload::Version { encoding: wasmparser::Encoding::Module, .. } if depth == 0 => {
                return Err(Stop::unfit("it is a core module, not a component"));
            }
            Payload::FunctionSection(section) => functions += u64::from(section.count()),
            Payload::MemorySection(section) => {
                for memory in section {
                    let bytes = memory.map_err(unreadable)?.initial.saturating_mul(PAGE);
                    if bytes > limits.get(Limit::Memory) {
                        return Err(over(Limit::Memory));
                    }
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    if table.map_err(unreadable)?.ty.initial > limits.get(Limit::Tables) {
                        return Err(over(Limit::Tables));
                    }
                }
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if functions > limits.get(Limit::Functions) {
            return Err(over(Limit::Functions));
        }
        if depth > NESTING {
            return Err(Stop::unfit(format!("it is nested more than {NESTING} deep")));
        }
    }
    Ok(())
}

/// What a worker process does; its exit code. Called by `semper compile-component MS`.
pub fn worker(milliseconds: u64) -> i32 {
    bound(milliseconds);
    let mut bytes = Vec::new();
    if let Err(error) = std::io::stdin().lock().read_to_end(&mut bytes) {
        eprintln!("{error}");
        return 74;
    }
    let compiled = Engine::new(&crate::settings::config(false)).and_then(|engine| {
        let code = engine.precompile_component(&bytes)?;
        Ok([environment(&engine).as_slice(), &code].concat())
    });
    match compiled {
        Ok(code) => match std::io::stdout().lock().write_all(&code) {
            Ok(()) => 0,
            Err(_) => 74,
        },
        Err(error) => {
            eprintln!("{error:#}");
            REFUSED
        }
    }
}

/// Bounds this process's processor time and memory: past them it is ended by the system.
fn bound(milliseconds: u64) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let seconds = milliseconds.div_ceil(1000).max(1);
    let hard = |most| Rlimit { current: Some(most), maximum: Some(most) };
    // What cannot be set is bounded by the parent's patience. Past the first of the two times the
    // system sends a signal that nobody else sends; past the second it kills.
    let time = Rlimit { current: Some(seconds), maximum: Some(seconds + 1) };
    let _ = setrlimit(Resource::Cpu, time);
    let _ = setrlimit(Resource::Data, hard(WORKER_MEMORY));
    let _ = setrlimit(Resource::Core, hard(0));
    let _ = rustix::process::setpriority_process(None, 10);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_compiler_meets_by_itself_is_a_word_about_the_component() {
        let exit = |code: i32| End::of(Some(ExitStatus::from_raw(code << 8)));
        let signal = |number: i32| End::of(Some(ExitStatus::from_raw(number)));
        assert_eq!(exit(0), End::Done);
        assert_eq!(exit(REFUSED), End::Refused);
        assert_eq!(exit(101), End::Panicked);
        for own in [libc_signal::XCPU, libc_signal::ABRT, libc_signal::SEGV] {
            assert_eq!(signal(own), End::Over, "{own}");
        }
        for foreign in [libc_signal::KILL, libc_signal::TERM, libc_signal::INT, libc_signal::HUP] {
            assert_eq!(signal(foreign), End::FromOutside, "{foreign}");
        }
        // A broken pipe, a wrong program, a machine that is too busy.
        assert_eq!(
            (exit(74), exit(2), End::of(None)),
            (End::FromOutside, End::FromOutside, End::FromOutside)
        );
    }

    /// Signals by their numbers on Linux.
    mod libc_signal {
        pub const HUP: i32 = 1;
        pub const INT: i32 = 2;
        pub const ABRT: i32 = 6;
        pub const KILL: i32 = 9;
        pub const SEGV: i32 = 11;
        pub const TERM: i32 = 15;
        pub const XCPU: i32 = 24;
    }
}
