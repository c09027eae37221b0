//! What comes into a home's host and into a server role from outside: time, places to run, the way
//! to others, the TINGUIN, and what components run in.
//!
//! A shipped program has [`System`]: the machine's clock, threads, TLS, the TINGUIN's socket. A
//! simulation brings its own, and then drives the very code that ships, under its own time and over
//! its own wires. The same types come into a host by `semper_commerce::HostParts`.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use semper_archive::Home;
use semper_base::{Clock, SystemClock};
use semper_commerce::Stop;
use semper_keeper::{Keeper, Spawn};
use semper_net::{Believed, Client};
use semper_runtime::Runtime;
use semper_runtime::compile::Compiler;

/// How long an activation that has to wait stays in memory, by default.
const GRACE: Duration = Duration::from_millis(500);

/// What is outside of a host or a server role.
pub trait Outside: Debug + Send + Sync {
    /// What time is taken from.
    fn clock(&self) -> Arc<dyn Clock>;

    /// Where the loops run that this keeper keeps.
    fn spawn(&self, keeper: &Keeper) -> Arc<dyn Spawn>;

    /// Does work that blocks, beside the task that calls this. Whoever waits for the work hears of
    /// it by a channel of the work's own.
    fn block(&self, work: Box<dyn FnOnce() + Send>);

    /// The way to servers for which these vouch.
    fn net(&self, believed: &Believed) -> Client;

    /// The TINGUIN of a home.
    fn tinguin(&self, home: &Home) -> semper_tinguin_protocol::Client;

    /// What a home's components run in.
    ///
    /// # Errors
    /// When it cannot be made, for example because the code cache's key cannot be read.
    fn runtime(&self, home: &Arc<Home>, keeper: &Keeper) -> Result<Arc<Runtime>, Stop>;

    /// How long an activation that has to wait stays in memory, with its thread.
    fn grace(&self) -> Duration {
        GRACE
    }
}

/// The machine that the program runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl System {
    /// The machine, as roles and homes take it.
    pub fn shared() -> Arc<dyn Outside> {
        Arc::new(Self)
    }
}

impl Outside for System {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    fn spawn(&self, keeper: &Keeper) -> Arc<dyn Spawn> {
        Arc::new(keeper.clone())
    }

    /// In one of the threads that the process's tokio runtime has for what blocks. To be called
    /// within that runtime.
    fn block(&self, work: Box<dyn FnOnce() + Send>) {
        drop(tokio::task::spawn_blocking(work));
    }

    fn net(&self, believed: &Believed) -> Client {
        Client::new(believed)
    }

    fn tinguin(&self, home: &Home) -> semper_tinguin_protocol::Client {
        semper_tinguin_protocol::Client::new(home.path())
    }

    fn runtime(&self, home: &Arc<Home>, keeper: &Keeper) -> Result<Arc<Runtime>, Stop> {
        let compiler = Compiler::new(Arc::clone(home), compiler())?;
        Ok(Arc::new(Runtime::new(compiler, keeper)?))
    }
}

/// The program that compiles components: `semper`, which this is, or which lies beside it (or
/// one folder up, as cargo puts tests).
fn compiler() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|_| "semper".into());
    let near = own.ancestors().skip(1).take(2).map(|folder| folder.join("semper"));
    let found = near.into_iter().find(|program| program.is_file()).unwrap_or_else(|| own.clone());
    // An upgrade puts another program in the place of one that runs on: what that compiles is not for
    // this one. By this name the kernel starts the very program that runs.
    let running = PathBuf::from("/proc/self/exe");
    if found == own && running.exists() { running } else { found }
}
