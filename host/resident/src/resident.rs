//! The host, and carrying out what a client asks.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use semper_archive::{Archive, Write};
use semper_base::{DealId, Digest, Report, Timestamp};
use semper_commerce::Host;
use semper_commerce::elsewhere::Elsewhere;
use semper_commerce::links::Links;
use semper_host_protocol::{Done, Request, Status};
use semper_items::Side;
use semper_keeper::{Keeper, Post, State};
use semper_roles::party::{ApplicationsConfig, Party};

use crate::applications::Applications;
use crate::buying::Places;
use crate::ears::{Ears, Tell};
use crate::openings::{Openings, ends};
use semper_host_protocol::Gone;

/// Activations of a buyer at once.
const WORKERS: usize = 4;

/// A running host of a buyer's home.
pub struct Resident {
    party: Party,
    host: Arc<Host>,
    links: Arc<Links>,
    openings: Arc<Openings>,
    ears: Arc<Ears>,
    applications: Arc<Applications>,
    places: Places,
    since: Timestamp,
    /// How many clients are being answered.
    clients: OnceLock<Box<dyn Fn() -> usize + Send + Sync>>,
    /// Where the door for applications is open.
    door: OnceLock<String>,
}

impl std::fmt::Debug for Resident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resident({:?})", self.host)
    }
}

impl Resident {
    /// Starts the host of a home: it goes on with every deal and every opening.
    ///
    /// # Errors
    /// The home cannot be used, another host runs it, or it is a merchant's.
    pub fn start(home: &Path) -> Result<Arc<Self>, Report> {
        let mut party = Party::open(home)?;
        let sells = party.archive.running()?.iter().any(|row| row.side == Side::Seller);
        if sells {
            let what = "this home has deals as a merchant: its host is semper serve";
            return Err(Report::input(what, "semper serve --help"));
        }
        let ears = Arc::new(Ears::default());
        let applications = Arc::new(Applications::new(&party.archive));
        party.elsewhere = Some(Arc::clone(&applications) as Arc<dyn Elsewhere>);
        let (told, also) = (Arc::clone(&ears), Arc::clone(&applications));
        let host = party.host(None, WORKERS, move |deal, text| {
            tracing::info!(deal = deal.short(), text, "deal");
            told.note(deal, text);
            also.note(deal.digest(), text);
        })?;
        let archive = party.archive.clone();
        // A home of before entries were kept gets them while nobody waits for its list.
        drop(party.keeper.job("entries", move |post| index(&archive, post)));
        let links = Links::start(&host, &party.keeper)?;
        let openings = Arc::new(Openings::new(&host, &party.keeper));
        openings.resume()?;
        let (places, clients, since) = (Places::default(), OnceLock::new(), host.now());
        let this = Arc::new(Self {
            party,
            host,
            links,
            openings,
            ears,
            applications,
            places,
            since,
            clients,
            door: OnceLock::new(),
        });
        this.mind_the_forsaken();
        Ok(this)
    }

    /// Carries out one request, and says what happens meanwhile.
    ///
    /// # Errors
    /// What was refused, or has failed.
    pub fn carry_out(
        self: &Arc<Self>,
        request: Request,
        tell: &Tell,
        gone: &Gone,
    ) -> Result<Done, Report> {
        if let Some(fault) = request.fault() {
            return Err(Report::input(fault, "say it in fewer words"));
        }
        match request {
            Request::Buy { merchant, terms, link } => {
                self.buy((&merchant, link), terms.as_deref(), tell, gone)
            }
            Request::Follow(subject) => self.follow(subject, tell, gone),
            Request::FollowAll => self.follow_all(tell, gone),
            Request::Cancel { subject, reason } => self.cancel(subject, reason, tell, gone),
            Request::Pair(pairing) => self.pair(&pairing, gone).map(Done::Paired),
            Request::Application { token, call } => {
                let Some(application) = self.paired(&token)? else {
                    let what = "no application with this token is paired";
                    return Err(Report::refusal(what, "semper applications pair --help"));
                };
                let told = self.call(&application, call, gone)?;
                Ok(Done::Told(told.to_string()))
            }
            Request::Applications => self.all_paired().map(Done::Applications),
            Request::Whose(token) => {
                let whose = self.paired(&token)?.map(|it| it.name);
                let mut all = self.all_paired()?;
                all.retain(|it| Some(&it.name) == whose.as_ref());
                Ok(Done::Applications(all))
            }
            Request::Unpair { name } => self.unpair(&name).map(|()| Done::Unpaired),
            Request::Status => Ok(Done::Status(Box::new(self.status()))),
            Request::End => {
                self.keeper().end();
                Ok(Done::Ending)
            }
        }
    }

    /// Leaves an opening that the buyer has not signed; false if she has, or there is none.
    ///
    /// # Errors
    /// The archive cannot be used.
    pub fn leave(&self, nonce: Digest) -> Result<bool, Report> {
        Ok(self.openings.leave(nonce)?)
    }

    /// Has everybody who waits look whether his client is still there.
    pub fn look(&self) {
        self.links.look();
        self.openings.look();
        self.applications.look();
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.links.count() == (0, 0) && self.openings.count() == 0
    }

    /// Keeps the threads of the host; it ends with it.
    pub const fn keeper(&self) -> &Keeper {
        &self.party.keeper
    }

    /// Since when it runs.
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    /// Says how many clients are being answered; asked for the status.
    pub fn counts_clients(&self, count: impl Fn() -> usize + Send + Sync + 'static) {
        let _ = self.clients.set(Box::new(count));
    }

    /// How applications may come in over HTTP, if they may.
    pub const fn applications_config(&self) -> Option<&ApplicationsConfig> {
        self.party.config.applications.as_ref()
    }

    /// The door for applications is open there; asked for the status.
    pub fn has_door(&self, at: String) {
        let _ = self.door.set(at);
    }

    /// What goes on.
    pub fn status(&self) -> Status {
        let (busy, asleep) = self.links.count();
        let health = self.keeper().health();
        let ill = health.into_iter().filter_map(|it| match it.state {
            State::Ill(why) => Some(format!("{}: {why}", it.name)),
            _ => None,
        });
        Status {
            process: std::process::id(),
            since: self.since,
            busy: busy as u64,
            asleep: asleep as u64,
            openings: self.openings.count() as u64,
            clients: self.clients.get().map_or(0, |count| count() as u64),
            ill: ill.collect(),
            panics: self.keeper().panics(),
            door: self.door.get().cloned(),
        }
    }

    pub(crate) const fn host(&self) -> &Arc<Host> {
        &self.host
    }

    pub(crate) const fn links(&self) -> &Arc<Links> {
        &self.links
    }

    pub(crate) const fn openings(&self) -> &Arc<Openings> {
        &self.openings
    }

    pub(crate) const fn applications(&self) -> &Arc<Applications> {
        &self.applications
    }

    /// The home's party: its trust file, as deals began with it.
    pub(crate) const fn party(&self) -> &Party {
        &self.party
    }

    pub(crate) fn ears(&self) -> &Ears {
        &self.ears
    }

    pub(crate) const fn places(&self) -> &Places {
        &self.places
    }

    /// A configuration that was changed since is that of deals that begin from now on.
    pub(crate) fn take_up_changes(&self) -> Result<(), Report> {
        let means = self.party.means_now()?;
        if means.basis != self.host.means().basis {
            self.host.adopt(means)?;
            tracing::info!("the home's configuration has changed; new deals follow it");
        }
        Ok(())
    }

    /// Stays with a deal, or with an opening and the deal that comes of it.
    fn follow(self: &Arc<Self>, subject: Digest, tell: &Tell, gone: &Gone) -> Result<Done, Report> {
        let ear = self.ears.listen(tell);
        self.ears.hear(&ear, subject);
        let Some(id) = self.opened(subject, gone, true)? else { return Ok(Done::Nothing) };
        self.ears.hear(&ear, *id.digest());
        self.follow_deal(id, gone)
    }

    /// The deal with this id, or the one that comes of an opening; none if nothing does, or nobody
    /// waits any more.
    pub(crate) fn opened(
        &self,
        subject: Digest,
        gone: &Gone,
        wanted: bool,
    ) -> Result<Option<DealId>, Report> {
        match self.openings.follow(subject, gone, wanted) {
            Some(Some(outcome)) => Ok(outcome?),
            // It is a deal, or has become one.
            Some(None) => self.deal_of(subject),
            None if self.nobody_waits(gone) => Ok(None),
            None => Err(ends().into()),
        }
    }

    /// The deal with this id, or the one that has come of an opening.
    fn deal_of(&self, subject: Digest) -> Result<Option<DealId>, Report> {
        let archive = self.host.archive();
        if archive.deal(DealId::new(subject))?.is_some() {
            return Ok(Some(DealId::new(subject)));
        }
        Ok(archive.opening(subject)?.and_then(|row| row.deal))
    }

    /// Stays until nothing is under way any more.
    fn follow_all(self: &Arc<Self>, tell: &Tell, gone: &Gone) -> Result<Done, Report> {
        let _ear = self.ears.listen_to_all(tell);
        self.host.identity()?;
        let mut works = Vec::new();
        for it in semper_commerce::opening::pending(self.host.archive())? {
            let (this, gone) = (Arc::clone(self), gone.clone());
            works.push(self.keeper().job("following", move |_| {
                match this.opened(it.nonce, &gone, false)? {
                    Some(id) => this.follow_deal(id, &gone),
                    None => Ok(Done::Nothing),
                }
            }));
        }
        for row in self.host.to_link()? {
            let (this, gone) = (Arc::clone(self), gone.clone());
            let work = move || this.follow_deal(row.id, &gone);
            works.push(self.keeper().job("following", move |_| work()));
        }
        let mut failed = Vec::new();
        for work in works {
            let crashed =
                |_| Err(Report::refusal("a deal's link crashed", "semper deals --resume"));
            if let Err(error) = work.join().unwrap_or_else(crashed) {
                failed.push(error.into());
            }
        }
        Ok(Done::All(failed))
    }

    /// Leaves a deal, and stays until it is over; or an opening.
    fn cancel(
        self: &Arc<Self>,
        subject: Digest,
        reason: String,
        tell: &Tell,
        gone: &Gone,
    ) -> Result<Done, Report> {
        let ear = self.ears.listen(tell);
        self.ears.hear(&ear, subject);
        let id = match self.openings.pending(subject)? {
            Some(_) if self.openings.leave(subject)? => return Ok(Done::Nothing),
            // What the buyer has signed may be open at the merchant's: it is opened here, too, and
            // left in order.
            Some(_) => match self.opened(subject, gone, false)? {
                Some(id) => id,
                None => return Ok(Done::Nothing),
            },
            None => DealId::new(subject),
        };
        self.ears.hear(&ear, *id.digest());
        let Some(row) = self.host.archive().deal(id)? else {
            let what = format!("there is no {id} here");
            return Err(Report::input(what, "semper deals shows which there are"));
        };
        if !row.state.is_final() {
            self.host.archive().commit(vec![Write::Cancel(id, reason)])?;
            self.host.wake(id);
        }
        self.follow_deal(id, gone)
    }
}

/// Gives the evidence of an older home its entries, step by step.
fn index(archive: &Archive, post: &Post) {
    let mut after = Some(0);
    while let Some(from) = after.filter(|_| !post.ending().is_over()) {
        after = archive.fill_entries(from).unwrap_or_else(|error| {
            tracing::warn!(%error, "the archive's list is not whole");
            None
        });
    }
}
