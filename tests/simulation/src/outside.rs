//! What comes into hosts and server roles from outside: time, threads, wires and TINGUIN of the
//! simulation.

use std::sync::Arc;
use std::time::Duration;

use semper_archive::Home;
use semper_base::Clock;
use semper_commerce::Stop;
use semper_keeper::{Keeper, Spawn};
use semper_net::{Believed, Client};
use semper_roles::outside::Outside;
use semper_runtime::Runtime;

use crate::person::ToTinguin;
use crate::template::Template;
use crate::turns::{Machine, Threads};
use crate::wires::Way;

/// The outside of whatever runs on a machine.
#[derive(Clone, Debug)]
pub struct Simulated(pub Arc<Machine>);

impl Outside for Simulated {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0) as Arc<dyn Clock>
    }

    fn spawn(&self, _keeper: &Keeper) -> Arc<dyn Spawn> {
        Arc::new(Threads(Arc::clone(&self.0)))
    }

    fn block(&self, work: Box<dyn FnOnce() + Send>) {
        self.0.job(work);
    }

    fn net(&self, _believed: &Believed) -> Client {
        Client::through(Way(Arc::clone(&self.0)))
    }

    fn tinguin(&self, _home: &Home) -> semper_tinguin_protocol::Client {
        semper_tinguin_protocol::Client::through(ToTinguin(Arc::clone(&self.0)))
    }

    fn runtime(&self, _home: &Arc<Home>, _keeper: &Keeper) -> Result<Arc<Runtime>, Stop> {
        Ok(Arc::clone(&Template::get().runtime))
    }

    /// None: every wait gives its activation up, and is woken by what it waits for.
    fn grace(&self) -> Duration {
        Duration::ZERO
    }
}
