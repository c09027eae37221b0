//! The lines of a server's log. Names, reasons and paths in them come from outside: whatever they
//! hold, one event is one line, and a field ends where it ends.
//!
//! Both are done where lines are written, so no place that logs can forget it. `Escaped` puts a
//! field that could be taken for more than one into quotes; `OneLine` writes line ends, escape
//! sequences and marks of direction by their numbers, also in messages and whatever else a line
//! is made of. [`begin`] also bounds how often one place warns.

use std::collections::HashMap;
use std::fmt::{self, Debug, Write as _};
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use semper_base::Timestamp;
use semper_base::text::is_hidden;
use semper_roles::config::LogFormat;
use serde_json::json;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::{Context, Filter, Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// How many warnings and errors of one place in the code are logged in this time.
const LINES: u32 = 200;
const BURST: Duration = Duration::from_secs(10);

/// From now on the process logs so, to standard error.
pub fn begin(format: LogFormat) {
    let wanted =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,rmcp=warn"));
    let (all, lines) =
        (tracing_subscriber::registry().with(wanted), tracing_subscriber::fmt::layer());
    match format {
        LogFormat::Text => {
            let lines = lines.with_ansi(false).fmt_fields(Escaped);
            let lines = lines.with_writer(|| OneLine::text(io::stderr()));
            all.with(lines.with_filter(Bounded::new(format))).init();
        }
        LogFormat::Json => {
            let lines = lines.json().with_writer(|| OneLine::json(io::stderr()));
            all.with(lines.with_filter(Bounded::new(format))).init();
        }
    }
}

/// Lets so many warnings and errors of one place in the code through, and counts the others: whoever
/// is refused ten thousand times does not fill the disk by that.
#[derive(Debug)]
struct Bounded {
    bursts: Mutex<HashMap<Identifier, Burst>>,
    format: LogFormat,
}

#[derive(Debug)]
struct Burst {
    since: Instant,
    lines: u32,
    left_out: u64,
}

impl Bounded {
    fn new(format: LogFormat) -> Self {
        Self { bursts: Mutex::default(), format }
    }

    /// Whether one more is written now; with how many were left out before.
    fn next(&self, place: Identifier, now: Instant) -> (bool, u64) {
        let mut bursts = self.bursts.lock().unwrap_or_else(PoisonError::into_inner);
        let burst = bursts.entry(place).or_insert(Burst { since: now, lines: 0, left_out: 0 });
        let mut before = 0;
        if now.saturating_duration_since(burst.since) >= BURST {
            before = burst.left_out;
            *burst = Burst { since: now, lines: 0, left_out: 0 };
        }
        burst.lines = burst.lines.saturating_add(1);
        let written = burst.lines <= LINES;
        if !written {
            burst.left_out += 1;
        }
        (written, before)
    }
}

impl<S> Filter<S> for Bounded {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN {
            return true;
        }
        let (written, before) = self.next(metadata.callsite(), Instant::now());
        if before > 0 {
            let (now, target) = (Timestamp::now().to_string(), metadata.target());
            let line = match self.format {
                LogFormat::Text => {
                    format!("{now}  WARN {target}: lines left out before the next: {before}")
                }
                LogFormat::Json => json!({
                    "timestamp": now,
                    "level": "WARN",
                    "fields": {"message": "lines left out before the next", "count": before},
                    "target": target,
                })
                .to_string(),
            };
            let _ = writeln!(io::stderr(), "{line}");
        }
        written
    }
}

/// Fields for people.
#[derive(Debug)]
struct Escaped;

impl<'a> FormatFields<'a> for Escaped {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'a>, fields: R) -> fmt::Result {
        let mut line = Fields { writer, done: Ok(()), first: true };
        fields.record(&mut line);
        line.done
    }
}

struct Fields<'a> {
    writer: Writer<'a>,
    done: fmt::Result,
    first: bool,
}

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: &str) {
        let blank = if std::mem::take(&mut self.first) { "" } else { " " };
        let written = match field.name() {
            "message" => write!(self.writer, "{blank}{value}"),
            name => write!(self.writer, "{blank}{name}={value}"),
        };
        self.done = self.done.and(written);
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.put(field, value),
            _ => self.put(field, &format!("{value:?}")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        let plain = |c: char| c.is_alphanumeric() || "-_.:/+@#%".contains(c);
        match field.name() {
            "message" => self.put(field, &text),
            _ if !text.is_empty() && text.chars().all(plain) => self.put(field, &text),
            _ => self.put(field, &format!("{text:?}")),
        }
    }
}

/// Writes an event, which comes as a whole, as one line.
#[derive(Debug)]
struct OneLine<W> {
    to: W,
    /// How a hidden character is written.
    number: fn(char, &mut String),
}

impl<W> OneLine<W> {
    /// For people.
    fn text(to: W) -> Self {
        let number = |c: char, line: &mut String| {
            let _ = write!(line, "\\u{{{:x}}}", u32::from(c));
        };
        Self { to, number }
    }

    /// For machines: JSON has its own way to write numbers of characters.
    fn json(to: W) -> Self {
        let number = |c: char, line: &mut String| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        };
        Self { to, number }
    }
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let (text, end) = match text.strip_suffix('\n') {
            Some(text) => (text, "\n"),
            None => (&*text, ""),
        };
        let mut line = String::with_capacity(event.len());
        for c in text.chars() {
            if is_hidden(c) { (self.number)(c, &mut line) } else { line.push(c) }
        }
        line.push_str(end);
        self.to.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use std::time::Instant;

    use semper_roles::config::LogFormat;
    use tracing::Callsite as _;

    use super::{BURST, Bounded, Escaped, LINES, OneLine};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn lines(&self) -> Vec<String> {
            let bytes = self.0.lock().unwrap().clone();
            String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
        }
    }

    const NAME: &str = "Eve\n2026-11-29T00:00:00Z  INFO payment booked entry=7 \u{1b}[2J\u{202e}x";

    fn events() {
        tracing::info!(name = %NAME, "{NAME}");
        tracing::warn!(name = NAME, known = %"plain-1.2", some = ?Some(NAME), number = 7, "said");
        tracing::info_span!("deal", name = %NAME).in_scope(|| tracing::info!("inside"));
    }

    #[test]
    fn no_name_can_forge_a_line_or_a_field() {
        let log = Log::default();
        let to = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .fmt_fields(Escaped)
            .with_writer(move || OneLine::text(to.clone()))
            .finish();

        tracing::subscriber::with_default(subscriber, events);

        let lines = log.lines();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(!lines.concat().chars().any(semper_base::text::is_hidden));
        let name =
            "\"Eve\\n2026-11-29T00:00:00Z  INFO payment booked entry=7 \\u{1b}[2J\\u{202e}x\"";
        assert!(lines[0].ends_with(&format!("[2J\\u{{202e}}x name={name}")), "{}", lines[0]);
        assert!(
            lines[1].contains(&format!("said name={name} known=plain-1.2 some=")),
            "{}",
            lines[1]
        );
        assert!(lines[1].ends_with(" number=7"), "{}", lines[1]);
        assert!(lines[2].contains(&format!("name={name}")), "{}", lines[2]);
    }

    #[test]
    fn one_place_does_not_warn_without_end() {
        let bounded = Bounded::new(LogFormat::Text);
        let event =
            tracing::callsite! { name: "place", kind: tracing::metadata::Kind::EVENT, fields: };
        let (place, now) = (event.metadata().callsite(), Instant::now());

        let written = (0..1_000).filter(|_| bounded.next(place.clone(), now).0).count();
        assert_eq!(written, LINES as usize);
        assert_eq!(bounded.next(place.clone(), now + BURST), (true, 800));
        assert_eq!(bounded.next(place, now + BURST), (true, 0));
    }

    #[test]
    fn json_stays_json() {
        let log = Log::default();
        let to = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(move || OneLine::json(to.clone()))
            .finish();

        tracing::subscriber::with_default(subscriber, events);

        let lines = log.lines();
        assert_eq!(lines.len(), 3, "{lines:?}");
        for line in &lines {
            assert!(line.is_ascii(), "{line}");
        }
        let first: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(first["fields"]["name"], NAME);
    }
}
