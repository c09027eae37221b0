//! A receipt as pages for printing: Courier, which every reader of PDF has, on A4. The evidence is
//! an attachment.
//!
//! Courier has the letters of western Europe. Any other letter is written by its number (`[U+05D0]`),
//! so that nothing is left out and nothing is turned round; the page for browsers shows it as it is.

use pdf_writer::types::AssociationKind;
use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

use super::Page;

/// The attachment's name.
const ATTACHMENT: &str = "evidence.json";
/// Characters of a line.
const COLUMNS: usize = 82;
/// Characters of a label.
const LABEL: usize = 18;
/// Lines of a page.
const LINES: usize = 58;

/// One line, and whether it is a heading.
type Line = (bool, String);

/// Draws the pages: the same bytes of the same page.
pub(super) fn draw(page: &Page, evidence: &str) -> Vec<u8> {
    let lines = lines(page);
    let sheets: Vec<&[Line]> = lines.chunks(LINES).collect();
    let mut last = 0;
    let mut next = || {
        last += 1;
        Ref::new(last)
    };
    let [catalog, tree, plain, bold, file, spec, about] = [(); 7].map(|()| next());
    let ids: Vec<(Ref, Ref)> = sheets.iter().map(|_| (next(), next())).collect();
    let mut pdf = Pdf::new();
    attach(&mut pdf, (catalog, tree, file, spec), evidence);
    pdf.document_info(about).title(TextStr(&page.title));
    pdf.pages(tree)
        .kids(ids.iter().map(|it| it.0))
        .count(i32::try_from(ids.len()).unwrap_or(i32::MAX));
    for (font, name) in [(plain, &b"Courier"[..]), (bold, b"Courier-Bold")] {
        pdf.type1_font(font).base_font(Name(name)).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    for ((sheet, content), lines) in ids.iter().zip(&sheets) {
        let mut page = pdf.page(*sheet);
        page.media_box(Rect::new(0.0, 0.0, 595.0, 842.0)).parent(tree).contents(*content);
        page.resources().fonts().pair(Name(b"F1"), plain).pair(Name(b"F2"), bold);
        page.finish();
        pdf.stream(*content, &written(lines));
    }
    pdf.finish()
}

fn attach(pdf: &mut Pdf, (catalog, tree, file, spec): (Ref, Ref, Ref, Ref), evidence: &str) {
    let mut root = pdf.catalog(catalog);
    root.pages(tree);
    root.names().embedded_files().names().insert(Str(ATTACHMENT.as_bytes()), spec);
    root.insert(Name(b"AF")).array().item(spec);
    root.finish();
    let mut embedded = pdf.embedded_file(file, evidence.as_bytes());
    embedded.subtype(Name(b"application/json"));
    embedded.finish();
    let mut named = pdf.file_spec(spec);
    named.path(Str(ATTACHMENT.as_bytes())).unic_file(TextStr(ATTACHMENT)).embedded_file(file);
    named.association_kind(AssociationKind::Data);
}

/// The text of one sheet.
fn written(lines: &[Line]) -> Vec<u8> {
    let mut content = Content::new();
    content.begin_text().set_leading(13.0).next_line(50.0, 790.0);
    for (heading, line) in lines {
        let font = if *heading { Name(b"F2") } else { Name(b"F1") };
        content.set_font(font, 10.0).show(Str(&encoded(line))).next_line_using_leading();
    }
    content.end_text();
    content.finish().into_vec()
}

/// The page in lines that fit.
fn lines(page: &Page) -> Vec<Line> {
    let mut lines = Vec::new();
    let heading = |lines: &mut Vec<Line>, text: &str| {
        lines.extend(wrapped(&readable(text), COLUMNS).into_iter().map(|it| (true, it)));
    };
    heading(&mut lines, &page.title);
    for part in &page.parts {
        lines.push((false, String::new()));
        heading(&mut lines, &part.heading);
        for (label, value) in &part.rows {
            row(&mut lines, label, value);
        }
    }
    lines
}

/// A label and its value beside it; a label that is too long stands above.
fn row(lines: &mut Vec<Line>, label: &str, value: &str) {
    let (label, width) = (readable(label), COLUMNS - LABEL);
    let mut label = wrapped(&label, if label.chars().count() < LABEL { LABEL } else { COLUMNS });
    let beside =
        if label.len() == 1 && label[0].chars().count() < LABEL { label.pop() } else { None };
    lines.extend(label.into_iter().map(|it| (false, it)));
    let mut beside = beside.unwrap_or_default();
    for value in wrapped(&readable(value), width) {
        lines.push((false, format!("{beside:LABEL$}{value}").trim_end().to_owned()));
        beside.clear();
    }
}

/// The text in letters that the font has.
fn readable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(' '),
            c if byte(c).is_some() => out.push(c),
            c => out.push_str(&format!("[U+{:04X}]", u32::from(c))),
        }
    }
    out
}

/// Broken between words, or within one that is longer than a line.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut room = width;
    for word in text.split(' ') {
        let letters: Vec<char> = word.chars().collect();
        let gap = usize::from(room < width);
        if letters.len() + gap > room && letters.len() <= width && room < width {
            lines.push(String::new());
            room = width;
        }
        let gap = usize::from(room < width);
        if let (1, Some(line)) = (gap, lines.last_mut()) {
            line.push(' ');
            room = room.saturating_sub(1);
        }
        for letter in letters {
            if room == 0 {
                lines.push(String::new());
                room = width;
            }
            if let Some(line) = lines.last_mut() {
                line.push(letter);
            }
            room -= 1;
        }
    }
    lines
}

fn encoded(text: &str) -> Vec<u8> {
    text.chars().map(|c| byte(c).unwrap_or(b'?')).collect()
}

/// A letter in the encoding that PDF calls WinAnsi.
fn byte(c: char) -> Option<u8> {
    const OTHERS: [(char, u8); 27] = [
        ('€', 0x80),
        ('‚', 0x82),
        ('ƒ', 0x83),
        ('„', 0x84),
        ('…', 0x85),
        ('†', 0x86),
        ('‡', 0x87),
        ('ˆ', 0x88),
        ('‰', 0x89),
        ('Š', 0x8a),
        ('‹', 0x8b),
        ('Œ', 0x8c),
        ('Ž', 0x8e),
        ('‘', 0x91),
        ('’', 0x92),
        ('“', 0x93),
        ('”', 0x94),
        ('•', 0x95),
        ('–', 0x96),
        ('—', 0x97),
        ('˜', 0x98),
        ('™', 0x99),
        ('š', 0x9a),
        ('›', 0x9b),
        ('œ', 0x9c),
        ('ž', 0x9e),
        ('Ÿ', 0x9f),
    ];
    match u32::from(c) {
        0x20..=0x7e | 0xa1..=0xac | 0xae..=0xff => u8::try_from(u32::from(c)).ok(),
        _ => OTHERS.iter().find(|it| it.0 == c).map(|it| it.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::Part;

    #[test]
    fn lines_fit_and_lose_nothing() {
        assert_eq!(wrapped("two little words", 10), ["two little", "words"]);
        assert_eq!(wrapped(&"x".repeat(25), 10), ["x".repeat(10), "x".repeat(10), "x".repeat(5)]);
        assert_eq!(wrapped("", 10), [""]);
        assert_eq!(readable("Käse € 5 ≠ \u{5d0}"), "Käse € 5 [U+2260] [U+05D0]");
    }

    #[test]
    fn what_breaks_a_page_is_written_as_text() {
        let hostile = r"a) Tj ET endstream endobj (b \ \101 << >> %PDF";
        let rows = vec![(hostile.to_owned(), hostile.to_owned()); 100];
        let parts = vec![Part { heading: hostile.into(), rows }];
        let bytes = draw(&Page { title: hostile.into(), parts }, "{}");

        let text = String::from_utf8_lossy(&bytes);
        // Brackets without their partners, and backslashes, are taken as they stand.
        assert!(text.contains(r"a\) Tj ET endstream endobj"), "{text}");
        assert_eq!(text.matches("/Type /Page\n").count(), 4);
        assert_eq!(
            bytes,
            draw(
                &Page {
                    title: hostile.into(),
                    parts: vec![Part {
                        heading: hostile.into(),
                        rows: vec![(hostile.to_owned(), hostile.to_owned()); 100]
                    }]
                },
                "{}"
            )
        );
    }
}
