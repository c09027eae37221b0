//! The door for an agent that starts this program itself, and speaks to it over standard streams.
//!
//! Its token is a file of the home: whoever starts programs there can read it anyway, and the name
//! that it stands for is what the person has agreed to.

use std::sync::{Arc, Mutex, PoisonError};

use semper_applications::mcp::{self, At};
use semper_applications::{Gone, Shop as _, Visitor};
use semper_archive::{Home, HomeKind};
use semper_base::{Digest, Report};
use semper_host_protocol::application::Pairing;
use semper_host_protocol::{Done, Refusal, Request};

use crate::applications::{OfHome, pairing};
use crate::arguments::McpArguments;
use crate::hosted::Hosted;
use crate::print;

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
        if let Some(visitor) = &*known {
            return Ok(visitor.clone());
        }
        let token = match self.kept()? {
            Some(token) => token,
            None => {
                print::note(format_args!(
                    "decide in the TINGUIN about the agent “{}”; it shows the code {}",
                    self.wanted.name, self.wanted.code
                ));
                let token = self.shop.pair(&self.wanted, &Gone::default())?;
                self.home.write(&self.file, token.as_bytes()).map_err(Report::from)?;
                token
            }
        };
        let Pairing { name, may, .. } = self.wanted.clone();
        Ok(known.insert(Visitor { token, name, may, origin: None }).clone())
    }

    /// The token of an earlier run, if it still is one.
    fn kept(&self) -> Result<Option<String>, Refusal> {
        if !self.home.has(&self.file) {
            return Ok(None);
        }
        let token = self.home.read(&self.file).map_err(Report::from)?;
        let Done::Applications(all) = self.shop.0.ask_quietly(Request::Applications)? else {
            return Ok(None);
        };
        Ok(all.iter().any(|it| it.name == self.wanted.name).then_some(token))
    }
}
