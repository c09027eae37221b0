//! SIGTERM and SIGINT close the window as its person does.

use std::io;

use egui::{Context, ViewportCommand};
use semper_keeper::Keeper;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Closes the window at the first of them.
pub fn close_by_signal(keeper: &Keeper, ctx: &Context) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    drop(entered);
    let ctx = ctx.clone();
    drop(keeper.job("signals", move |post| {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = post.ending().over() => {}
            }
        });
        ctx.send_viewport_cmd(ViewportCommand::Close);
        ctx.request_repaint();
    }));
    Ok(())
}
