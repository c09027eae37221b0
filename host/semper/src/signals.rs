//! Signals that end a command: what it does last.

use semper_base::Report;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM, heard from the moment on at which this is made.
pub struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to hear them.
    pub fn new() -> Result<Self, Report> {
        let wrong = |error: std::io::Error| {
            Report::refusal(format!("signals cannot be heard of: {error}"), "start it again")
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(wrong)?;
        let entered = runtime.enter();
        let terminate = signal(SignalKind::terminate()).map_err(wrong)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(wrong)?;
        drop(entered);
        Ok(Self { runtime, terminate, interrupt })
    }

    /// Waits for the first of them, or until `over` is done; the signal's number.
    pub fn wait(mut self, over: impl Future<Output = ()>) -> Option<i32> {
        let kind = self.runtime.block_on(async {
            tokio::select! {
                _ = self.terminate.recv() => Some(SignalKind::terminate()),
                _ = self.interrupt.recv() => Some(SignalKind::interrupt()),
                () = over => None,
            }
        });
        kind.map(|it| it.as_raw_value())
    }
}

/// On SIGINT and SIGTERM `last` is called, with the signal's number; it ends the process.
pub fn ended_by_signal(last: impl FnOnce(i32) + Send + 'static) -> Result<(), Report> {
    let signals = Signals::new()?;
    let heard = move || {
        if let Some(number) = signals.wait(std::future::pending()) {
            last(number);
        }
    };
    let thread = std::thread::Builder::new().name("signals".into()).spawn(heard);
    thread.map(drop).map_err(|error| {
        Report::refusal(format!("signals cannot be heard of: {error}"), "start it again")
    })
}
