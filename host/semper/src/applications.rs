//! Business applications: pairing, listing, taking back; the doors by which they come.

use std::path::Path;
use std::sync::Arc;

use semper_applications::{Shop, Visitor};
use semper_base::{Report, text};
use semper_host_protocol::application::{Application, Call, Pairing, Scope, code};
use semper_host_protocol::{Done, Gone, Refusal, Request};
use semper_resident::{Paired, Resident};
use serde_json::{Value, json};

use crate::arguments::{ApplicationsCommand, PairArguments};
use crate::hosted::Hosted;
use crate::print;

pub fn run(command: &ApplicationsCommand) -> Result<(), Report> {
    match command {
        ApplicationsCommand::List { home, json } => list(&home.home, *json),
        ApplicationsCommand::Pair(arguments) => pair(arguments),
        ApplicationsCommand::Remove { home, name, .. } => remove(&home.home, name),
    }
}

fn list(home: &Path, as_json: bool) -> Result<(), Report> {
    let Done::Applications(all) = Hosted::of(home, false).ask(Request::Applications)? else {
        return Ok(());
    };
    if as_json {
        return print::json(&all);
    }
    if all.is_empty() {
        print::line("no application is paired; semper applications pair --help says how one is");
    }
    for Application { name, may, origin, paired, purchases } in all {
        let may = may.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ");
        let begun = text::counted(
            usize::try_from(purchases).unwrap_or(usize::MAX),
            "purchase",
            "purchases",
        );
        let page = origin.map(|it| format!("  {it}")).unwrap_or_default();
        print::line(&format!("{name:20}  {may:22}  since {}  {begun}{page}", &paired[..19]));
    }
    Ok(())
}

fn pair(arguments: &PairArguments) -> Result<(), Report> {
    let pairing = pairing(&arguments.name, &arguments.may, arguments.origin.clone())?;
    print::note(format_args!("decide in the TINGUIN; it shows the code {}, as here", pairing.code));
    let asked = Hosted::of(&arguments.home.home, false).ask(Request::Pair(pairing))?;
    let Done::Paired(token) = asked else { return Ok(()) };
    let words = format!("paired. Its token, which is not shown again: {token}");
    print::said(&words, &json!({ "name": arguments.name, "token": token }))
}

fn remove(home: &Path, name: &str) -> Result<(), Report> {
    Hosted::of(home, false).ask(Request::Unpair { name: name.to_owned() })?;
    let words = format!("“{name}” may do nothing any more; what it has begun is yours alone");
    print::said(&words, &json!({ "removed": name }))
}

/// What an application asks to be allowed; all of it when nothing is named.
pub(crate) fn pairing(
    name: &str,
    may: &[Scope],
    origin: Option<String>,
) -> Result<Pairing, Report> {
    let mut may = if may.is_empty() { Scope::ALL.to_vec() } else { may.to_vec() };
    may.sort_unstable();
    may.dedup();
    let (name, code, cautions) = (name.to_owned(), code(), Vec::new());
    let pairing = Pairing { name, may, code, origin, cautions };
    match pairing.fault() {
        Some(fault) => Err(Report::input(fault, "semper applications pair --help")),
        None => Ok(pairing),
    }
}

/// The host of this process, for applications that come over HTTP.
pub(crate) struct OfHost(pub Arc<Resident>);

impl OfHost {
    fn paired(&self, token: &str) -> Result<Option<Paired>, Refusal> {
        self.0.paired(token).map_err(Refusal::from)
    }
}

impl Shop for OfHost {
    fn visitor(&self, token: &str) -> Result<Option<Visitor>, Refusal> {
        let visitor = |Paired { name, may, origin, .. }| Visitor {
            token: token.to_owned(),
            name,
            may,
            origin,
        };
        Ok(self.paired(token)?.map(visitor))
    }

    fn call(&self, visitor: &Visitor, call: Call, gone: &Gone) -> Result<Value, Refusal> {
        let Some(paired) = self.paired(&visitor.token)? else {
            let what = "the application is not paired any more";
            return Err(Report::refusal(what, "the person has taken it back").into());
        };
        self.0.call(&paired, call, gone).map_err(Refusal::from)
    }

    fn pair(&self, pairing: &Pairing, gone: &Gone) -> Result<String, Refusal> {
        self.0.pair(pairing, gone).map_err(Refusal::from)
    }

    fn knows_origin(&self, origin: &str) -> Result<bool, Refusal> {
        let all = self.0.all_paired()?;
        Ok(all.iter().any(|it| it.origin.as_deref() == Some(origin)))
    }
}

/// The host of a home, over its socket: for the program that an agent starts.
pub(crate) struct OfHome(pub Hosted);

impl Shop for OfHome {
    fn visitor(&self, _token: &str) -> Result<Option<Visitor>, Refusal> {
        // Whoever starts the program says who it is.
        Ok(None)
    }

    fn call(&self, visitor: &Visitor, call: Call, _gone: &Gone) -> Result<Value, Refusal> {
        let request = Request::Application { token: visitor.token.clone(), call };
        match self.0.ask_quietly(request)? {
            Done::Told(json) => serde_json::from_str(&json).map_err(|error| {
                let what = format!("the host's answer cannot be read: {error}");
                Report::refusal(what, "report this to the project").into()
            }),
            _ => Err(Report::refusal("the host answers something else", "semper run --end").into()),
        }
    }

    fn pair(&self, pairing: &Pairing, _gone: &Gone) -> Result<String, Refusal> {
        match self.0.ask_quietly(Request::Pair(pairing.clone()))? {
            Done::Paired(token) => Ok(token),
            _ => Err(Report::refusal("the host answers something else", "semper run --end").into()),
        }
    }

    fn knows_origin(&self, _origin: &str) -> Result<bool, Refusal> {
        Ok(false)
    }
}
