//! Pairing: an application asks, the person decides in her TINGUIN, and the application has a token by
//! which it is known. The home keeps the token's digest alone.

use std::sync::Arc;

use semper_archive::{ApplicationRow, Write};
use semper_base::{Digest, Report, keys};
use semper_host_protocol::application::{Application, Pairing, Scope};
use semper_tinguin_protocol::ClientError;
use semper_trust::lookalike;

use crate::resident::Resident;
use semper_host_protocol::Gone;

/// What a token begins with, so that whoever finds one knows what it is.
const PREFIX: &str = "semper-application-";
/// How often it is looked whether somebody still waits for the person's decision.
const LOOK: std::time::Duration = std::time::Duration::from_millis(200);
/// Applications that are paired, at most.
const MOST: usize = 50;

/// An application that has shown its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paired {
    /// The archive's number for it.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub may: Vec<Scope>,
    /// The web page that it is; a program has none.
    pub origin: Option<String>,
}

impl Paired {
    fn of(row: ApplicationRow) -> Self {
        let may = row.may.iter().filter_map(|it| it.parse().ok()).collect();
        Self { number: row.number, name: row.name, may, origin: row.origin }
    }
}

impl Resident {
    /// Has the person decide about an application: its token, which is not said again. One of the same
    /// name loses its own.
    ///
    /// # Errors
    /// She says no, or nobody waits any more.
    pub fn pair(self: &Arc<Self>, pairing: &Pairing, gone: &Gone) -> Result<String, Report> {
        if let Some(fault) = pairing.fault() {
            return Err(Report::input(fault, "semper applications pair --help"));
        }
        let cautions = self.cautions(pairing)?;
        let id = Digest::from_bytes(keys::random());
        let tinguin = self.host().tinguin().clone();
        let (asked, question) = (tinguin.clone(), Pairing { cautions, ..pairing.clone() });
        let asking = self.keeper().job("pairing", move |_| asked.pair(id, &question));
        while !asking.is_finished() {
            if gone.is_set() || !self.keeper().ending().pause(LOOK) {
                tinguin.withdraw(id);
                let what = "nobody waits for the decision about the application any more";
                return Err(Report::refusal(what, "pair it again"));
            }
        }
        let decided = asking.join().map_err(|panicked| {
            let what = format!("the host has failed over this: {panicked}");
            Report::refusal(what, "report this to the project")
        })?;
        decided.map_err(|error| match error {
            ClientError::Declined(why) => {
                let what = format!("“{}” is not paired: {why}", pairing.name);
                Report::refusal(what, "the person decides in the TINGUIN")
            }
            // Whoever asks may be a stranger: where the home lies is not his business.
            other => {
                tracing::debug!(error = %other, "the person cannot be asked about an application");
                let what = "the person cannot be asked now: her TINGUIN does not answer";
                Report::refusal(what, "try again when it runs: semper tinguin, or semper-window")
            }
        })?;
        self.same_name(&pairing.name)?.map_or(Ok(()), |row| self.take_back(&row))?;
        let token = format!("{PREFIX}{}", Digest::from_bytes(keys::random()).hex());
        let row = ApplicationRow {
            number: 0,
            name: pairing.name.clone(),
            token: Digest::of(token.as_bytes()),
            may: pairing.may.iter().map(|it| it.name().to_owned()).collect(),
            origin: pairing.origin.clone(),
            paired: self.host().now(),
        };
        self.host().archive().commit(vec![Write::Pair(Box::new(row))])?;
        Ok(token)
    }

    /// What the person should hear about an application's name.
    fn cautions(&self, pairing: &Pairing) -> Result<Vec<String>, Report> {
        let all = self.host().archive().applications()?;
        let mut cautions = Vec::new();
        match all.iter().find(|it| it.name == pairing.name) {
            Some(before) => cautions.push(format!(
                "it takes the place of the application of this name, which you let in on {}",
                before.paired
            )),
            None if all.len() >= MOST => {
                let what = format!("{MOST} applications are paired, and that is the most");
                return Err(Report::refusal(what, "semper applications remove takes one back"));
            }
            None => {}
        }
        let (own, met) = (self.host().identity()?.0, self.host().archive().merchants()?);
        let known = all.iter().map(|it| it.name.as_str());
        let known = known.chain(met.iter().map(String::as_str)).chain([own.as_str()]);
        cautions.extend(lookalike::suspicion(&pairing.name, known));
        if pairing.name == own || met.contains(&pairing.name) {
            cautions.push(format!("“{}” is the name of somebody whom you know", pairing.name));
        }
        Ok(cautions)
    }

    fn same_name(&self, name: &str) -> Result<Option<ApplicationRow>, Report> {
        let all = self.host().archive().applications()?;
        Ok(all.into_iter().find(|it| it.name == name))
    }

    /// The application with this token; none if there is none, or not any more.
    ///
    /// # Errors
    /// The archive cannot be read.
    pub fn paired(&self, token: &str) -> Result<Option<Paired>, Report> {
        let row = self.host().archive().application(Digest::of(token.as_bytes()))?;
        Ok(row.map(Paired::of))
    }

    /// Which applications are paired.
    ///
    /// # Errors
    /// The archive cannot be read.
    pub fn all_paired(&self) -> Result<Vec<Application>, Report> {
        let archive = self.host().archive();
        let rows = archive.applications()?.into_iter();
        let shown = rows.map(|row| {
            let (purchases, paired) =
                (archive.count_proposals(row.number)?, row.paired.to_string());
            let Paired { name, may, origin, .. } = Paired::of(row);
            Ok(Application { name, may, origin, paired, purchases })
        });
        shown.collect()
    }

    /// Takes back what an application may do. Its purchases stay, and are the person's.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn unpair(&self, name: &str) -> Result<(), Report> {
        let Some(row) = self.same_name(name)? else {
            let what = format!("no application “{name}” is paired");
            return Err(Report::input(what, "semper applications list shows them"));
        };
        self.take_back(&row)
    }

    fn take_back(&self, row: &ApplicationRow) -> Result<(), Report> {
        let archive = self.host().archive();
        archive.commit(vec![Write::Unpair(row.number)])?;
        let all = archive.proposals_of(row.number, usize::MAX >> 1)?;
        let nonces: Vec<Digest> = all.into_iter().map(|it| it.nonce).collect();
        for deal in self.applications().leaves(&nonces) {
            self.host().wake(deal);
        }
        self.applications().look();
        Ok(())
    }
}
