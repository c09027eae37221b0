//! Texts from outside, as they may be drawn.
//!
//! A [`Text`](semper_base::text::Text) holds no hidden characters. Two things are left to the face:
//! marks that are heaped up on one letter until they cover the lines around it, and words that are read
//! from right to left, which egui would put in the order in which they were typed.

use std::borrow::Cow;

use egui::text::LayoutJob;
use egui::{Align, Color32, FontId, Response, TextFormat, TextStyle, Ui, WidgetInfo};
use unicode_bidi::{BidiInfo, Level};
use unicode_normalization::char::is_combining_mark;

/// Marks that one letter may carry; no writing needs more.
const MARKS: usize = 4;

/// The text with no more marks on a letter than a language has; the rest is seen as `�`.
pub fn tame(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let (mut marks, mut kept) = (0, String::with_capacity(text.len()));
    let mut changed = false;
    for letter in text.chars() {
        marks = if is_combining_mark(letter) { marks + 1 } else { 0 };
        match marks {
            0..=MARKS => kept.push(letter),
            // One sign for the whole heap.
            _ if marks == MARKS + 1 => kept.push(char::REPLACEMENT_CHARACTER),
            _ => {}
        }
        changed |= marks > MARKS;
    }
    if changed { Cow::Owned(kept) } else { Cow::Borrowed(text) }
}

/// Whether something in it is read from right to left.
fn turns(text: &str) -> bool {
    // Everything below is written from left to right.
    text.chars().any(|letter| letter >= '\u{590}') && BidiInfo::new(text, None).has_rtl()
}

/// Words in the order in which they stand on one line.
fn in_sight(line: &str) -> String {
    let info = BidiInfo::new(line, None);
    let Some(paragraph) = info.paragraphs.first() else { return line.to_owned() };
    let (levels, runs) = info.visual_runs(paragraph, paragraph.range.clone());
    let mut seen = String::with_capacity(line.len());
    for run in runs {
        let part = &line[run.clone()];
        if levels.get(run.start).is_some_and(Level::is_rtl) {
            turn(part, &mut seen);
        } else {
            seen.push_str(part);
        }
    }
    seen
}

/// Puts a part that is read from right to left in the order in which it is seen. The shaper turns the
/// letters of a word round; words, and what stands between them, are ours.
fn turn(part: &str, seen: &mut String) {
    let is_letter = |letter: char| letter.is_alphanumeric() || is_combining_mark(letter);
    let mut rest = part;
    while let Some(last) = rest.chars().next_back() {
        if is_letter(last) {
            let begin = rest.trim_end_matches(is_letter).len();
            seen.push_str(&rest[begin..]);
            rest = &rest[..begin];
        } else {
            seen.push(mirrored(last));
            rest = &rest[..rest.len() - last.len_utf8()];
        }
    }
}

const fn mirrored(letter: char) -> char {
    match letter {
        '(' => ')',
        ')' => '(',
        '[' => ']',
        ']' => '[',
        '«' => '»',
        '»' => '«',
        other => other,
    }
}

/// A text, wrapped. Whoever listens hears it as it was written.
pub fn label(ui: &mut Ui, text: &str) -> Response {
    styled(ui, text, TextStyle::Body, None)
}

/// A text, wrapped, in this style and colour.
pub fn styled(ui: &mut Ui, text: &str, style: TextStyle, colour: Option<Color32>) -> Response {
    let tame = tame(text);
    let colour = colour.unwrap_or_else(|| ui.visuals().text_color());
    let font = style.resolve(ui.style());
    if !turns(&tame) {
        let rich = egui::RichText::new(tame).text_style(style).color(colour);
        return ui.add(egui::Label::new(rich).wrap());
    }
    let right = BidiInfo::new(&tame, None).paragraphs.first().is_some_and(|it| it.level.is_rtl());
    let lines = lines(ui, &tame, &font);
    let format = TextFormat { font_id: font, color: colour, ..TextFormat::default() };
    let mut job = LayoutJob::single_section(lines, format);
    job.wrap.max_width = f32::INFINITY;
    if right {
        job.halign = Align::Max;
    }
    let layout = egui::Layout::top_down(if right { Align::Max } else { Align::Min });
    let response = ui.with_layout(layout, |ui| ui.add(egui::Label::new(job).extend())).inner;
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, text));
    response
}

/// The text's lines, each in the order in which it is seen. It is broken into lines before it is put in
/// order: what is read first stands on the first line.
fn lines(ui: &Ui, text: &str, font: &FontId) -> String {
    let width = ui.available_width();
    let measure = |text: &str| {
        let galley =
            ui.painter().layout_no_wrap(text.to_owned(), font.clone(), Color32::PLACEHOLDER);
        galley.size().x
    };
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let (mut line, mut long) = (String::new(), 0.0);
        for word in paragraph.split_inclusive(' ').flat_map(|word| pieces(word, width, &measure)) {
            let more = measure(word);
            if long + more > width && !line.is_empty() {
                lines.push(in_sight(line.trim_end()));
                line.clear();
                long = 0.0;
            }
            line.push_str(word);
            long += more;
        }
        lines.push(in_sight(line.trim_end()));
    }
    lines.join("\n")
}

/// A word, in pieces that fit into the width.
fn pieces<'a>(word: &'a str, width: f32, measure: &impl Fn(&str) -> f32) -> Vec<&'a str> {
    let long = measure(word);
    if long <= width || width <= 0.0 {
        return vec![word];
    }
    let letters = word.chars().count();
    // Half as much as would fit on average, for letters that are wider than others.
    let share = (width / long).min(1.0) / 2.0;
    let most = (0..letters).take_while(|at| *at as f32 <= letters as f32 * share).count().max(1);
    let ends: Vec<usize> = word.char_indices().map(|it| it.0).chain([word.len()]).collect();
    let starts = (0..letters).step_by(most);
    starts.map(|at| &word[ends[at]..ends[(at + most).min(letters)]]).collect()
}

/// A text on one line, cut at its end if need be. Whoever listens hears all of it.
pub fn one_line(ui: &mut Ui, text: &str, style: TextStyle, strong: bool) -> Response {
    let flat = tame(text).replace('\n', " ");
    let seen = if turns(&flat) { in_sight(&flat) } else { flat };
    let mut rich = egui::RichText::new(seen).text_style(style);
    if strong {
        rich = rich.strong();
    }
    let response = ui.add(egui::Label::new(rich).truncate());
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, text));
    response
}

/// A text as it is painted on one line by whoever paints it.
pub fn flat(text: &str, most: usize) -> String {
    let short: String = text.chars().take(most).collect();
    let flat = tame(&short).replace('\n', " ");
    if turns(&flat) { in_sight(&flat) } else { flat }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heaps_of_marks_are_cut_and_words_of_other_writings_are_not() {
        let heap: String = std::iter::once('a').chain("\u{301}".repeat(50).chars()).collect();

        assert_eq!(tame(&heap).chars().count(), 1 + MARKS + 1);
        assert_eq!(tame("Ünïcödé שָׁלוֹם"), "Ünïcödé שָׁלוֹם");
    }

    #[test]
    fn words_from_right_to_left_are_put_in_their_order() {
        assert_eq!(in_sight("אחת שתיים שלוש"), "שלוש שתיים אחת");
        assert_eq!(in_sight("אחת, (שתיים)."), ".(שתיים) ,אחת");
        assert_eq!(in_sight("from שלום עולם to"), "from עולם שלום to");
        assert_eq!(in_sight("plain"), "plain");
    }
}
