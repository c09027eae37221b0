//! The door for an agent that starts this program itself, and speaks to it over standard streams.
//!
//! Its token is a file of the home: whoever starts programs there can read it anyway, and the name
//! that it stands for is what the person has agreed to.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use semper_applications::mcp::{self, At};
use semper_applications::{Shop as _, Visitor};
use semper_archive::{Home, HomeKind};
use semper_base::{Digest, Report};
use semper_host_protocol::application::Pairing;
use semper_host_protocol::{Done, Gone, Refusal, Request};

use crate::applications::{OfHome, pairing};
use crate::arguments::McpArguments;
use crate::hosted::Hosted;
use crate::print;

/// Bytes of a token, at most.
const MOST: u64 = 1_000;

pub fn run(arguments: &McpArguments) -> Result<(), Report> {
    let home = Home::of(&arguments.home.home, HomeKind::Party)?;
    let wanted = pairing(&arguments.name, &arguments.may, None)?;
    let agent = Arc::new(Agent {
        file: format!("agent-{}.token", Digest::of(arguments.name.as_bytes()).short()),
        home,
        shop: Arc::new(OfHome(Hosted::of(&arguments.home.home, false))),
        wanted,
        known: Mutex::default(),
    });
    let (shop, who) = (Arc::clone(&agent.shop), Arc::clone(&agent));
    let at = At::Streams { shop, visitor: Arc::new(move || who.visitor()) };
    mcp::serve_streams(at).map_err(|error| {
        let what = format!("the conversation with the agent has broken off: {error}");
        Report::refusal(what, "have the agent start it again")
    })
}

/// The agent that has started this program.
struct Agent {
    /// Where its token is kept.
    file: String,
    home: Home,
    shop: Arc<OfHome>,
    wanted: Pairing,
    known: Mutex<Option<Visitor>>,
}

impl Agent {
    /// As what it is known: the person is asked the first time.
    fn visitor(&self) -> Result<Visitor, Refusal> {
        // One question at a time; whoever comes meanwhile waits for the same decision.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Pairing { name, may, .. } = self.wanted.clone();
        if let Some(visitor) = known.as_ref().filter(|it| self.stands(&it.token)) {
            return Ok(visitor.clone());
        }
        // Another of these may run for the same agent: the file is locked until it has a token.
        let path = self.home.path().join(&self.file);
        let unable = |error: std::io::Error| {
            let what = format!("{}: {error}", path.display());
            Refusal::from(Report::refusal(what, "check the home's permissions and the disk"))
        };
        let mut options = File::options();
        let file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = file.map_err(unable)?;
        file.lock().map_err(unable)?;
        let mut kept = String::new();
        (&file).take(MOST).read_to_string(&mut kept).map_err(unable)?;
        if kept.is_empty() || !self.stands(&kept) {
            print::note(format_args!(
                "decide in the TINGUIN about the agent “{name}”; it shows the code {}",
                self.wanted.code
            ));
            kept = self.shop.pair(&self.wanted, &Gone::default())?;
            file.set_len(0).and_then(|()| file.rewind()).map_err(unable)?;
            file.write_all(kept.as_bytes()).and_then(|()| file.sync_all()).map_err(unable)?;
        }
        Ok(known.insert(Visitor { token: kept, name, may, origin: None }).clone())
    }

    /// Whether a token is still one.
    fn stands(&self, token: &str) -> bool {
        let whose = self.shop.0.ask_quietly(Request::Whose(token.to_owned()));
        matches!(whose, Ok(Done::Applications(all)) if !all.is_empty())
    }
}
