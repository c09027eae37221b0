//! The socket, and conversations with clients.
//!
//! A conversation has three threads: its own writes, so that a client that does not read keeps nobody
//! waiting; one reads, and so hears when the client goes away; one does what was asked.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use semper_base::{Mend, Report};
use semper_door::Door;
use semper_host_protocol::protocol::{self, VERSION};
use semper_host_protocol::{Hello, Refusal, Reply, Request, SOCKET, Said, Welcome};
use semper_keeper::{Keeper, Post};

use crate::ears::Tell;
use crate::resident::Resident;
use semper_host_protocol::Gone;

/// What is to be said and was not taken yet, at most: what does not fit is not said.
const LINE: usize = 512;
/// How long a client may take to say what it wants, and to take what it is told.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a host looks whether it is still wanted.
const LOOK: Duration = Duration::from_secs(5);
/// How long threads have to end before the process does.
const LAST: Duration = Duration::from_millis(1_500);

/// Why a resident host does not run.
#[derive(Debug, thiserror::Error, Mend)]
pub enum ServeError {
    /// The socket.
    #[error("the host's socket cannot be opened: {0}")]
    #[mend(
        "check the home's permissions; a path of more than 100 characters is too long for a socket"
    )]
    Socket(io::Error),
}

/// Why a host that was serving has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Somebody has ended it.
    Asked,
    /// Nothing was under way for so long.
    Idle,
    /// Its home is not there any more.
    Homeless,
}

/// Answers clients at a home's socket until the host's keeper ends; or, with a bound, until nothing
/// has been under way for so long.
///
/// # Errors
/// The socket cannot be opened.
pub fn serve(
    resident: &Arc<Resident>,
    home: &Path,
    idle: Option<Duration>,
) -> Result<End, ServeError> {
    let keeper = resident.keeper().clone();
    let (talk, own) = (Arc::clone(resident), keeper.clone());
    let hold = Box::new(move |stream: &Arc<UnixStream>, _: &Post| hold(&talk, &own, stream));
    let in_use = "another host of this home is running";
    let door = Door::open(&home.join(SOCKET), &keeper, in_use, hold).map_err(ServeError::Socket)?;
    let counted = Arc::clone(&door);
    resident.counts_clients(move || counted.conversations());
    tracing::info!("the host is ready");
    let mut busy = Instant::now();
    let end = loop {
        if !keeper.ending().pause(LOOK) {
            break End::Asked;
        }
        if !door.stands() {
            break End::Homeless;
        }
        if door.conversations() > 0 || !resident.is_idle() {
            busy = Instant::now();
        }
        if idle.is_some_and(|most| busy.elapsed() >= most) {
            break End::Idle;
        }
    };
    door.remove();
    keeper.end();
    resident.look();
    door.close();
    for name in keeper.join(LAST) {
        tracing::debug!(name, "does not end");
    }
    Ok(end)
}

fn hold(resident: &Arc<Resident>, keeper: &Keeper, stream: &Arc<UnixStream>) -> io::Result<()> {
    let mut way = &**stream;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Some(Hello { version }) = protocol::read(&mut way)? else { return Ok(()) };
    let (process, since) = (std::process::id(), resident.since());
    protocol::write(&mut way, &Reply::Welcome(Welcome { version: VERSION, process, since }))?;
    if version != VERSION {
        return Ok(());
    }
    let request: Request = match protocol::read(&mut way) {
        Ok(Some(request)) => request,
        Ok(None) => return Ok(()),
        Err(error) => {
            let what = format!("a request that cannot be read: {error}");
            let refused = Report::input(what, "semper run --end, then the command again").into();
            return protocol::write(&mut way, &Reply::Refused(refused));
        }
    };
    stream.set_read_timeout(None)?;
    let (say, line) = sync_channel(LINE);
    let gone = Gone::default();
    let (heard, went, own) = (Arc::clone(stream), gone.clone(), Arc::clone(resident));
    let listening = keeper.job("listening", move |_| {
        // A client has nothing more to say: whatever comes is its end.
        let _ = protocol::read_bytes(&mut &*heard);
        went.set();
        own.look();
    });
    let own = Arc::clone(resident);
    let working = keeper.job("request", move |_| work(&own, request, say, &gone));
    write(stream, &line);
    // Whoever listens hears of the end, too.
    let _ = stream.shutdown(Shutdown::Both);
    let _ = working.join();
    let _ = listening.join();
    Ok(())
}

/// Does what was asked.
fn work(resident: &Arc<Resident>, request: Request, say: SyncSender<Reply>, gone: &Gone) {
    let told = say.clone();
    let tell: Tell = Arc::new(move |said: Said| {
        // A client that does not read misses some of it.
        let _ = told.try_send(Reply::Said(said));
    });
    let done = resident.keeper().caught("a request", || resident.carry_out(request, &tell, gone));
    drop(tell);
    let last = match done {
        Ok(Ok(done)) => Reply::Done(done),
        Ok(Err(report)) => Reply::Refused(report.into()),
        Err(panicked) => {
            let what = format!("the host has failed over this: {panicked}");
            Reply::Refused(Refusal::from(Report::refusal(what, "report this to the project")))
        }
    };
    let _ = say.send(last);
}

/// Tells a client what there is to tell.
fn write(stream: &UnixStream, line: &Receiver<Reply>) {
    let mut way = stream;
    while let Ok(reply) = line.recv() {
        let last = matches!(reply, Reply::Done(_) | Reply::Refused(_));
        if protocol::write(&mut way, &reply).is_err() || last {
            break;
        }
    }
}
