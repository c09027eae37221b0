//! The TINGUIN's socket: what is said in a conversation with a host, and the end.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use semper_base::cbor;
use semper_device::Answers;
use semper_door::Door;
use semper_keeper::{Keeper, Post};
use semper_tinguin_protocol::protocol::{self, MAX_FRAME, Reply, Request};
use semper_tinguin_protocol::{Failure, Screen};

use crate::direct::Asker;
use crate::failure::{malformed, refused};
use crate::service::{Service, panicked};

/// Looks whether the end has come, where nobody says so.
const LONG: Duration = Duration::from_secs(3_600);
/// How long conversations have for their last reply when the end comes.
const LAST: Duration = Duration::from_secs(1);

impl Service {
    /// Answers hosts at this socket, and puts posed questions to the person, until the keeper
    /// ends; held calls are answered then. A socket that a dead TINGUIN left behind is replaced;
    /// one that answers is another TINGUIN of this home, and an error.
    pub fn serve(self, socket: &Path, keeper: &Keeper) -> io::Result<()> {
        let keeper = keeper.child("tinguin");
        let service = Arc::new(self);
        let talk = Arc::new(Talk { service: Arc::clone(&service), keeper: keeper.clone() });
        let own = Arc::clone(&talk);
        let hold = Box::new(move |stream: &Arc<UnixStream>, post: &Post| own.hold(stream, post));
        let in_use = "another TINGUIN of this home is running";
        let door = Door::open(socket, &keeper, in_use, hold)?;
        service.face.show(&service.frame(None, Screen::Idle, "waiting for your host".into()));
        tracing::info!("the TINGUIN is ready");
        service.keep_asking(&keeper);
        if let Some(host) = service.take_host() {
            semper_device::keep(host, talk, &keeper);
        }
        while keeper.ending().pause(LONG) {}
        service.end();
        door.close();
        for name in keeper.join(LAST) {
            tracing::warn!(name, "does not end");
        }
        door.remove();
        Ok(())
    }
}

/// What is said to hosts.
struct Talk {
    service: Arc<Service>,
    keeper: Keeper,
}

impl Talk {
    fn hold(&self, stream: &Arc<UnixStream>, post: &Post) -> io::Result<()> {
        let (mut way, asker) = (&**stream, Arc::clone(stream) as Arc<dyn Asker>);
        while !post.ending().is_over()
            && let Some(bytes) = protocol::read_bytes(&mut way)?
        {
            let reply = self.reply(&asker, &bytes).unwrap_or_else(Reply::NotDone);
            match protocol::write(&mut way, &reply) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    let large = refused("the reply is too large for the socket", "");
                    protocol::write(&mut way, &Reply::NotDone(large))?;
                }
                written => written?,
            }
        }
        Ok(())
    }

    fn reply(&self, asker: &Arc<dyn Asker>, bytes: &[u8]) -> Result<Reply, Failure> {
        let request: Request = cbor::decode(bytes, MAX_FRAME).map_err(|error| malformed(&error))?;
        self.answer(asker, request, false)
    }

    /// Answers a host on this machine, or one that is `far`. A panic costs this request, and nothing
    /// else.
    fn answer(
        &self,
        asker: &Arc<dyn Asker>,
        request: Request,
        far: bool,
    ) -> Result<Reply, Failure> {
        // A question is the person's only as long as somebody waits for its answer.
        let _waits = self.service.direct.begin(&request, asker);
        let work = || match request {
            // Whoever has taken that machine over tries no pass-phrases from there.
            Request::Unlock(_) if far => {
                Err(refused("this TINGUIN is unlocked on its own device alone", "type it there"))
            }
            Request::InstallCertificate(chain) if far => self.service.install(&chain, true),
            request => self.service.answer(request),
        };
        self.keeper.caught("a request", work).unwrap_or_else(|panic| Err(panicked(&panic)))
    }
}

/// A host on another machine, whose TINGUIN this is.
impl Answers for Talk {
    fn reply(&self, request: &[u8], gone: &Arc<AtomicBool>) -> Vec<u8> {
        let asker = Arc::clone(gone) as Arc<dyn Asker>;
        let parsed = cbor::decode(request, MAX_FRAME).map_err(|error| malformed(&error));
        let reply = parsed.and_then(|request| self.answer(&asker, request, true));
        let bytes = cbor::encode(&reply.unwrap_or_else(Reply::NotDone));
        if bytes.len() <= MAX_FRAME {
            return bytes;
        }
        cbor::encode(&Reply::NotDone(refused("the reply is too large for the connection", "")))
    }

    fn told(&self, words: String) {
        tracing::info!(words);
        self.service.shows(None, words);
    }
}
