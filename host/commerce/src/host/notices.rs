//! Looking after what running deals stand on: whoever has a deal under something that was taken
//! back is told.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};

use semper_archive::DealRow;
use semper_base::Digest;
use semper_items::Side;
use semper_keeper::{Bell, Post, Turn};

use super::Host;
use crate::lists::WELL_KNOWN;

/// Looks after a host's lists and its running deals: lists are fetched again every while, whether
/// deals run or not, since parties of new deals are asked about; and whoever has deals under
/// something that no longer holds is told, once for each. The deals themselves go on: they end by
/// their terms.
pub(super) fn watch(host: &Arc<Host>) {
    let every = host.shelf().trust().freshness.refresh;
    let weak: Weak<Host> = Arc::downgrade(host);
    let (mut told, mut first) = (BTreeSet::new(), true);
    let turns = move |_: &Post| {
        let Some(host) = weak.upgrade() else { return Turn::End };
        // Whoever starts a host for one purchase has just fetched them.
        if !std::mem::replace(&mut first, false) {
            look(&host, &mut told);
        } else if host.shelf().lists().are_due(&host.shelf().trust()) {
            refresh(&host);
        }
        Turn::Wait(every)
    };
    host.spawn().keep("lists", &Bell::new(), Box::new(turns));
}

fn refresh(host: &Host) {
    for error in host.shelf().lists().refresh(&host.net(), &host.shelf().trust(), None) {
        tracing::info!(%error, "a revocation list was not fetched");
    }
}

fn look(host: &Host, told: &mut BTreeSet<(Digest, String)>) {
    refresh(host);
    let running: Vec<DealRow> = match host.archive().running() {
        Ok(running) if !running.is_empty() => running,
        _ => return,
    };
    let trust = host.shelf().trust();
    let merchants: BTreeSet<&str> =
        running.iter().filter(|it| it.side == Side::Buyer).map(|it| it.address.as_str()).collect();
    for address in merchants {
        // Of no trust file's choosing; its failure harms nobody.
        let url = format!("{}{WELL_KNOWN}", address.trim_end_matches('/'));
        let _ = host.shelf().lists().fetch_list(&host.net(), &trust, &url, None);
    }
    // Once for each terms, however many deals there are under them.
    let mut answers: HashMap<Digest, Option<String>> = HashMap::new();
    for row in running {
        let answer = answers.entry(row.terms).or_insert_with(|| host.shelf().no_longer(&row));
        let Some(why) = answer.clone() else { continue };
        if told.insert((*row.id.digest(), why.clone())) {
            host.progress(
                row.id,
                format!("CAUTION: {why}. This deal goes on under its terms; new ones are refused."),
            );
        }
    }
}
