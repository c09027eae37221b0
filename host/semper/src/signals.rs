//! Signals that end a command: what it does last.

use semper_base::Report;
use tokio::signal::unix::{SignalKind, signal};

/// On SIGINT and SIGTERM `last` is called, with the signal's number; it ends the process.
pub fn ended_by_signal(last: impl FnOnce(i32) + Send + 'static) -> Result<(), Report> {
    let wrong = |error: std::io::Error| {
        Report::refusal(format!("signals cannot be heard of: {error}"), "start it again")
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(wrong)?;
    let entered = runtime.enter();
    let mut terminate = signal(SignalKind::terminate()).map_err(wrong)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(wrong)?;
    drop(entered);
    let heard = move || {
        let number = runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => SignalKind::terminate(),
                _ = interrupt.recv() => SignalKind::interrupt(),
            }
        });
        last(number.as_raw_value());
    };
    std::thread::Builder::new().name("signals".into()).spawn(heard).map(drop).map_err(wrong)
}
