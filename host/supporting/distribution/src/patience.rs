//! Servers that are busy: how long to wait before the next try, and when to give up.

use std::time::{Duration, SystemTime};

use semper_net::Reply;

/// How often a busy server is asked, at most.
pub(crate) const TRIES: u32 = 7;
/// The longest wait for one try.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest wait in all.
const ALL: Duration = Duration::from_secs(180);
/// The first wait, if the server names none; each one after it is twice as long.
const FIRST: Duration = Duration::from_millis(250);

/// Whether a server says that the same request may do later.
pub(crate) const fn is_busy(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// How often and for how long a server has been waited for.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    pub tries: u32,
    waited: Duration,
}

impl Patience {
    /// How long to wait before the next try; `None` if it is not worth it.
    pub(crate) fn next(&mut self, reply: &Reply) -> Option<Duration> {
        self.tries += 1;
        let usual = FIRST * 2_u32.saturating_pow(self.tries - 1);
        let pause = after(reply).unwrap_or(usual);
        self.waited += pause;
        let worth = self.tries < TRIES && pause <= LONGEST && self.waited <= ALL;
        worth.then_some(pause)
    }
}

/// What a server says about when to come again: seconds, or a date (RFC 9110 §10.2.3).
pub(crate) fn after(reply: &Reply) -> Option<Duration> {
    let text = reply.headers.get("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    // Counted from the server's own clock, if it shows one.
    let own = reply.headers.get("date").and_then(|it| httpdate::parse_http_date(it).ok());
    Some(date.duration_since(own.unwrap_or_else(SystemTime::now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(headers: &[(&str, &str)]) -> Reply {
        let headers = headers.iter().map(|it| (it.0.to_owned(), it.1.to_owned())).collect();
        Reply { status: 429, headers }
    }

    #[test]
    fn a_server_says_when_to_come_again() {
        let seconds = |headers: &[(&str, &str)]| after(&reply(headers)).map(|it| it.as_secs());
        assert_eq!(seconds(&[("retry-after", "7")]), Some(7));
        // By the server's clock, which may be wrong.
        let date = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(seconds(&[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT"), date]), Some(30));
        assert_eq!(seconds(&[("retry-after", "Wed, 21 Oct 2015 07:27:30 GMT"), date]), Some(0));
        assert_eq!(seconds(&[("retry-after", "soon")]), None);
        assert_eq!(seconds(&[]), None);
    }

    #[test]
    fn waiting_has_an_end() {
        let mut patience = Patience::default();
        let waits = std::iter::from_fn(|| patience.next(&reply(&[]))).collect::<Vec<_>>();
        assert_eq!(waits.len() as u32, TRIES - 1);
        assert!(waits.windows(2).all(|it| it[1] == it[0] * 2), "{waits:?}");
        assert_eq!(Patience::default().next(&reply(&[("retry-after", "3600")])), None);
        let mut patience = Patience::default();
        let mut long = || patience.next(&reply(&[("retry-after", "59")]));
        assert_eq!((long().is_some(), long().is_some(), long().is_some()), (true, true, true));
        assert_eq!(long(), None);
    }
}
