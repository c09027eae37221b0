//! A merchant's file of articles, as the program that wrote it left it: which encoding, which
//! delimiter, which decimal mark, which columns. What can be read in one way only is read; what
//! cannot is an error that names line, column and value.

use std::borrow::Cow;
use std::fmt;

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};
use semper_base::{Currency, text};
use semper_runtime::business::Article;

use super::price::{self, Marks};

/// Something in a file that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The line of the file, from 1.
    pub line: u64,
    /// The column's heading; empty where the line as a whole is meant.
    pub column: String,
    /// What stands there.
    pub value: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if !self.column.is_empty() {
            write!(f, ", {} “{}”", self.column, text::shown(&self.value, 60))?;
        }
        write!(f, ": {}", self.why)
    }
}

/// A column that is known, by its place in [`COLUMNS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Number,
    Title,
    Category,
    Size,
    Colour,
    Price,
    Stock,
    Days,
}

/// Each column with the headings under which merchants keep it, the project's own first, and
/// whether there is no catalogue without it. Headings are compared without case, blanks, lines.
const COLUMNS: [(Column, bool, &[&str]); 8] = [
    (Column::Number, true, &["number", "articlenumber", "sku", "artikelnummer", "artikelnr"]),
    (Column::Title, true, &["title", "name", "titel", "bezeichnung"]),
    (Column::Category, false, &["category", "kategorie"]),
    (Column::Size, false, &["size", "größe", "groesse"]),
    (Column::Colour, false, &["colour", "color", "farbe"]),
    (Column::Price, true, &["price", "preis"]),
    (Column::Stock, true, &["stock", "quantity", "bestand"]),
    (Column::Days, true, &["deliverydays", "deliverytime", "lieferzeit", "liefertage"]),
];

/// A file whose heading has been understood.
#[derive(Debug)]
pub struct Feed<'a> {
    text: Cow<'a, str>,
    delimiter: u8,
    /// For each known column, in the order of [`COLUMNS`], its place and heading in this file.
    columns: [Option<(usize, String)>; COLUMNS.len()],
    marks: Marks,
    /// Headings of columns that no article has a place for.
    pub ignored: Vec<String>,
}

impl<'a> Feed<'a> {
    /// Reads the heading, and looks through the prices for the file's decimal mark. `currency` is
    /// what a price without one is in.
    pub fn open(bytes: &'a [u8], currency: Option<Currency>) -> Result<Self, Vec<Trouble>> {
        let whole = |why: String| {
            vec![Trouble { line: 1, column: String::new(), value: String::new(), why }]
        };
        let text = decoded(bytes).map_err(whole)?;
        let first = text.lines().find(|line| !line.trim().is_empty());
        let first = first.ok_or_else(|| whole("the file is empty".into()))?;
        let delimiter = delimiter(first);
        let mut feed = Self {
            delimiter,
            columns: Default::default(),
            marks: Marks { decimal: None, currency },
            ignored: Vec::new(),
            text,
        };
        let headings = feed.reader().headers().map_err(|error| whole(error.to_string()))?.clone();
        feed.know(&headings)?;
        feed.marks.decimal = feed.decimal();
        Ok(feed)
    }

    fn reader(&self) -> csv::Reader<&[u8]> {
        csv::ReaderBuilder::new()
            .delimiter(self.delimiter)
            .trim(csv::Trim::All)
            .from_reader(self.text.as_bytes())
    }

    /// Finds the columns that are known, each once.
    fn know(&mut self, headings: &csv::StringRecord) -> Result<(), Vec<Trouble>> {
        let mut wrong = Vec::new();
        let about = |column: &str, why: String| Trouble {
            line: 1,
            column: "heading".into(),
            value: column.into(),
            why,
        };
        for (at, heading) in headings.iter().enumerate() {
            let plain: String = heading.chars().filter(|c| c.is_alphanumeric()).collect();
            let plain = plain.to_lowercase();
            let known = COLUMNS.iter().find(|(_, _, names)| names.contains(&plain.as_str()));
            let Some((column, _, names)) = known else {
                self.ignored.push(heading.to_owned());
                continue;
            };
            let place = &mut self.columns[*column as usize];
            if place.is_some() {
                wrong.push(about(heading, format!("the column {} is there twice", names[0])));
            }
            *place = Some((at, heading.to_owned()));
        }
        for (column, needed, names) in COLUMNS {
            if needed && self.columns[column as usize].is_none() {
                let why = format!(
                    "there is no column “{}”; the headings are {}",
                    if column == Column::Days { "delivery_days" } else { names[0] },
                    headings.iter().collect::<Vec<_>>().join(", ")
                );
                wrong.push(Trouble { line: 1, column: String::new(), value: String::new(), why });
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// The mark that prices of this file have before their decimals, if they say so with one voice.
    fn decimal(&self) -> Option<char> {
        let at = self.columns[Column::Price as usize].as_ref()?.0;
        let mut reader =
            csv::ReaderBuilder::new().delimiter(self.delimiter).from_reader(self.text.as_bytes());
        let (mut found, mut record) = (None, csv::ByteRecord::new());
        loop {
            match reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return found,
                // What is no line of the file says nothing about prices; it is named later.
                Err(_) => continue,
            }
            let price = record.get(at).and_then(|it| std::str::from_utf8(it).ok());
            match (price.and_then(|it| price::decimal(it.trim())), found) {
                (Some(mark), None) => found = Some(mark),
                (Some(mark), Some(before)) if mark != before => return None,
                _ => {}
            }
        }
    }

    /// Every article, or what is wrong with its line, and how many bytes have been read.
    pub fn entries(&self, mut each: impl FnMut(u64, u64, Result<Article, Trouble>)) {
        let mut reader = self.reader();
        let mut record = csv::StringRecord::new();
        loop {
            let line = reader.position().line();
            let read = reader.read_record(&mut record);
            let byte = reader.position().byte();
            let line = record.position().map_or(line, csv::Position::line);
            match read {
                Ok(false) => return,
                Ok(true) => each(line, byte, self.entry(line, &record)),
                Err(error) => {
                    let why = match error.kind() {
                        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                            let columns = text::counted(*len, "column", "columns");
                            format!("has {columns} where the heading has {expected_len}")
                        }
                        _ => error.to_string(),
                    };
                    let line = error.position().map_or(line, csv::Position::line);
                    let (column, value) = (String::new(), String::new());
                    each(line, byte, Err(Trouble { line, column, value, why }));
                }
            }
        }
    }

    fn entry(&self, line: u64, record: &csv::StringRecord) -> Result<Article, Trouble> {
        let field = |wanted: Column| -> (&str, &str) {
            match &self.columns[wanted as usize] {
                Some((at, heading)) => (heading, record.get(*at).unwrap_or_default()),
                None => ("", ""),
            }
        };
        let refuse = |wanted: Column, why: String| {
            let (column, value) = field(wanted);
            Trouble { line, column: column.to_owned(), value: value.to_owned(), why }
        };
        let words = |wanted: Column, least: usize, most: usize| {
            let cleaned = text::one_line(field(wanted).1);
            let cleaned = cleaned.map_err(|hidden| refuse(wanted, hidden.to_string()))?;
            let count = cleaned.chars().count();
            if count < least {
                return Err(refuse(wanted, "must not be empty".into()));
            }
            if count > most {
                let why = format!("has {count} characters where {most} are allowed");
                return Err(refuse(wanted, why));
            }
            Ok(cleaned)
        };
        let number = words(Column::Number, 1, 64)?;
        if spoilt(&number) {
            let why = "a spreadsheet has made another number of this one; give the column the \
                       format “text” and export it again";
            return Err(refuse(Column::Number, why.into()));
        }
        let price = price::read(field(Column::Price).1, self.marks);
        let whole = |wanted: Column, most: u32| {
            let number: Option<u32> = field(wanted).1.parse().ok().filter(|it| *it <= most);
            number.ok_or_else(|| refuse(wanted, format!("must be a whole number up to {most}")))
        };
        Ok(Article {
            number,
            title: words(Column::Title, 1, 200)?,
            category: words(Column::Category, 0, 64)?,
            size: words(Column::Size, 0, 32)?,
            colour: words(Column::Colour, 0, 32)?,
            price: price.map_err(|why| refuse(Column::Price, why))?,
            stock: whole(Column::Stock, u32::MAX)?,
            delivery_days: u16::try_from(whole(Column::Days, u32::from(u16::MAX))?)
                .unwrap_or(u16::MAX),
        })
    }
}

/// The text of these bytes: UTF-8 with or without a mark, UTF-16 with one, else Windows-1252.
fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    if let Some((encoding, mark)) = encoding_rs::Encoding::for_bom(bytes)
        && (encoding == UTF_16LE || encoding == UTF_16BE)
    {
        let (text, wrong) = encoding.decode_without_bom_handling(&bytes[mark..]);
        return if wrong { Err("the file is not whole UTF-16".into()) } else { Ok(text) };
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.into());
    }
    // A zero byte is in no text: this is a spreadsheet's own format, a picture, an archive.
    if bytes.contains(&0) {
        return Err("this is no text; export the catalogue as CSV".into());
    }
    Ok(WINDOWS_1252.decode_without_bom_handling(bytes).0)
}

/// What stands between the columns: whichever of these is in the heading most often.
fn delimiter(heading: &str) -> u8 {
    let count = |mark: u8| heading.bytes().filter(|byte| *byte == mark).count();
    // Of two that are there as often, `max_by_key` takes the last.
    [b'\t', b';', b','].into_iter().max_by_key(|mark| count(*mark)).unwrap_or(b',')
}

/// A long number as a spreadsheet shows it: `4.00638E+12`.
fn spoilt(number: &str) -> bool {
    let Some((digits, power)) = number.split_once(['E', 'e']) else { return false };
    let Some(power) = power.strip_prefix('+') else { return false };
    let numeric = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let digits: String = digits.chars().filter(|c| !matches!(c, '.' | ',')).collect();
    numeric(&digits) && numeric(power)
}
