//! What a person sees: a pure function of a frame and of what was typed so far.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};
use semper_base::text::{Text, counted};
use semper_tinguin_protocol::Told;
use semper_tinguin_protocol::screen::{Consent, Frame, Locked, Question, Screen};

use crate::input::Input;

/// The window's parts: head, middle, what to type, status.
fn areas(window: Rect) -> [Rect; 4] {
    Layout::vertical([
        Constraint::Length(5),
        Constraint::Min(6),
        Constraint::Length(3),
        Constraint::Length(2),
    ])
    .areas(window)
}

/// How far the middle can be scrolled; 0 when all of it is on the screen.
pub fn depth(frame: &Frame, input: &Input, window: Rect) -> usize {
    let middle = areas(window)[1];
    let width = usize::from(middle.width.saturating_sub(2));
    let height = usize::from(middle.height.saturating_sub(2));
    lines(frame, input, width).len().saturating_sub(height)
}

/// Keeps the current option or field on the screen where that is wanted, and notes whether it is
/// there.
pub fn follow(frame: &Frame, input: &mut Input, window: Rect) {
    let Screen::Question(question) = &frame.screen else { return };
    let middle = areas(window)[1];
    let width = usize::from(middle.width.saturating_sub(2));
    let height = usize::from(middle.height.saturating_sub(2));
    let (_, current) = question_lines(question, input, width);
    let Some((first, last)) = current else {
        input.hidden = false;
        return;
    };
    if input.follow {
        // The last line first: of what is higher than the window, its beginning is seen.
        input.scroll = input.scroll.max((last + 1).saturating_sub(height)).min(first);
    }
    input.hidden = first < input.scroll || first >= input.scroll + height;
}

/// Draws a frame.
pub fn draw(out: &mut ratatui::Frame<'_>, frame: &Frame, input: &Input) {
    let window = out.area();
    let [head, body, help, foot] = areas(window);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let is_locked = matches!(frame.screen, Screen::Locked(_));
    let mut whose = vec![Span::styled(format!("{} ", frame.user), bold)];
    if !is_locked {
        whose.push(Span::styled(format!("“{}”", frame.phrase), Style::new().fg(Color::Green)));
    }
    let whose = Line::from(whose);
    let with = match (is_locked, frame.peer.is_empty()) {
        (true, _) => "your phrase stands here again when you have unlocked it".into(),
        (_, true) => "no deal on".into(),
        _ => format!("with {}", frame.peer),
    };
    let head_text = vec![whose, Line::from(with), Line::from(frame.service.to_string())];
    let title = " semper TINGUIN — only your own host draws here ";
    out.render_widget(Paragraph::new(head_text).block(Block::bordered().title(title)), head);

    let block = match &frame.screen {
        Screen::Idle => Block::bordered(),
        Screen::Locked(_) => Block::bordered().title(" locked "),
        Screen::Consent(_) => {
            Block::bordered().title(" your decision ").border_style(Style::new().fg(Color::Yellow))
        }
        Screen::Question(_) => Block::bordered()
            .title(" the service says (not checked by anyone) ")
            .border_style(Style::new().fg(Color::Blue)),
    };
    let width = usize::from(body.width.saturating_sub(2));
    let depth = depth(frame, input, window);
    let scroll = input.scroll.min(depth);
    let shown: Vec<Line<'_>> = lines(frame, input, width).into_iter().skip(scroll).collect();
    let block =
        if scroll < depth { block.title_bottom(" ▼ more below: Page Down ") } else { block };
    out.render_widget(Paragraph::new(shown).block(block), body);

    let help_text =
        vec![Line::styled(prompt(&frame.screen, input), bold), Line::from(keys(&frame.screen))];
    out.render_widget(Paragraph::new(help_text).wrap(Wrap { trim: true }), help);
    let status = Paragraph::new(frame.status.to_string())
        .block(Block::new().borders(Borders::TOP).title(" status "));
    out.render_widget(status, foot);
}

fn prompt(screen: &Screen, input: &Input) -> String {
    match screen {
        Screen::Consent(_) if !input.read => "Read to the end first: Page Down".into(),
        Screen::Consent(it) => {
            let what = if it.signs() { "sign" } else { "agree" };
            let neither = match input.text.is_empty() && !input.wrong.is_empty() {
                true => format!("“{}” is neither. ", input.wrong),
                false => String::new(),
            };
            format!("{neither}Type yes to {what}, no to decline: {}▏", input.text)
        }
        Screen::Locked(it) if it.wait > 0 => format!("The next one in {} s", it.wait),
        Screen::Locked(it) if it.token.is_empty() => {
            format!("Pass-phrase: {}▏", "•".repeat(input.letters))
        }
        Screen::Locked(it) => {
            format!("PIN of the token “{}”: {}▏", it.token, "•".repeat(input.letters))
        }
        _ => String::new(),
    }
}

/// The middle, wrapped to a width: nothing is ever cut off at the side.
fn lines(frame: &Frame, input: &Input, width: usize) -> Vec<Line<'static>> {
    match &frame.screen {
        Screen::Idle => idle_lines(&frame.told, width),
        Screen::Consent(consent) => consent_lines(consent, width),
        Screen::Question(question) => question_lines(question, input, width).0,
        Screen::Locked(locked) => locked_lines(locked, width),
    }
}

/// What was told about the person lately stands where nothing is asked of her.
fn idle_lines(told: &[Told], width: usize) -> Vec<Line<'static>> {
    let mut all = vec![Line::from("Nothing is asked of you.")];
    if !told.is_empty() {
        all.push(Line::default());
        all.push(Line::from("Told about you lately:"));
    }
    for it in told {
        let how = if it.sealed { "encrypted to its key of the deal" } else { "over TLS" };
        let words = format!("{}  {}, {}: {} ({how})", it.at, it.to, it.what, it.value);
        all.extend(styled(&words, width, Style::new()));
    }
    all
}

fn locked_lines(locked: &Locked, width: usize) -> Vec<Line<'static>> {
    let mut all = Vec::new();
    if !locked.said.is_empty() {
        all.extend(styled(&locked.said, width, Style::new().add_modifier(Modifier::BOLD)));
        all.push(Line::default());
    }
    let (opener, one, many) = match locked.token.is_empty() {
        true => ("your pass-phrase", "wrong pass-phrase", "wrong pass-phrases"),
        false => ("the PIN of your token", "wrong PIN", "wrong PINs"),
    };
    let mut words = vec![format!(
        "The keys are not in memory: nothing is signed until you type {opener}. Deals wait for you, \
         and lose nothing."
    )];
    if locked.waiting > 0 {
        let waits = counted(locked.waiting, "question waits", "questions wait");
        words.push(format!("{waits} for you."));
    }
    if let Some(since) = locked.since {
        let wrong = usize::try_from(locked.wrong).unwrap_or(usize::MAX);
        let wrong = counted(wrong, one, many);
        words.push(format!("{wrong} since {since}."));
    }
    for line in words {
        all.extend(styled(&line, width, Style::new()));
        all.push(Line::default());
    }
    all
}

/// Lines of at most so many letters, broken between words where there are any.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let letters: Vec<char> = text.chars().collect();
    let (mut lines, mut rest) = (Vec::new(), letters.as_slice());
    while rest.len() > width {
        // A blank just behind the line ends it, too.
        let blank = rest[..=width].iter().rposition(|letter| *letter == ' ').filter(|at| *at > 0);
        let (line, next) = match blank {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => rest.split_at(width),
        };
        lines.push(line.iter().collect());
        rest = next;
    }
    lines.push(rest.iter().collect());
    lines
}

fn styled(text: &str, width: usize, style: Style) -> Vec<Line<'static>> {
    wrap(text, width).into_iter().map(|line| Line::styled(line, style)).collect()
}

fn consent_lines(consent: &Consent, width: usize) -> Vec<Line<'static>> {
    let mut all = styled(&consent.title, width, Style::new().add_modifier(Modifier::BOLD));
    all.push(Line::default());
    let longest = consent.rows.iter().map(|row| row.0.chars().count()).max().unwrap_or(0);
    let label_width = longest.min(width / 2);
    for (label, value) in &consent.rows {
        let labels = wrap(label, label_width);
        let values = wrap(value, width.saturating_sub(label_width + 2));
        for index in 0..labels.len().max(values.len()) {
            let part = |list: &[String]| list.get(index).cloned().unwrap_or_default();
            all.push(Line::from(vec![
                Span::styled(
                    format!("{:label_width$}  ", part(&labels)),
                    Style::new().fg(Color::Cyan),
                ),
                Span::raw(part(&values)),
            ]));
        }
    }
    all.push(Line::default());
    all.extend(styled(&consent.means, width, Style::new()));
    if consent.signs() {
        let bytes = format!("signs exactly these bytes: {}", consent.digest);
        all.extend(styled(&bytes, width, Style::new().fg(Color::DarkGray)));
    }
    all
}

/// A question's lines, and which of them are the current option's or field's: the first and the last.
fn question_lines(
    question: &Question<Text>,
    input: &Input,
    width: usize,
) -> (Vec<Line<'static>>, Option<(usize, usize)>) {
    let mut current = None;
    let mut all: Vec<Line<'static>> =
        question.says().lines().flat_map(|line| styled(line, width, Style::new())).collect();
    all.push(Line::default());
    let mark = |here: bool| if here { "▶ " } else { "  " };
    match question {
        Question::Inform { .. } => {}
        Question::Choose { options, .. } => {
            for (index, option) in options.iter().enumerate() {
                let here = index == input.current;
                let first = all.len();
                let text = format!("{}{option}", mark(here));
                all.extend(styled(&text, width, Style::new()));
                current = current.or(here.then(|| (first, all.len() - 1)));
            }
        }
        Question::Form { fields, .. } => {
            for (index, (name, _)) in fields.iter().enumerate() {
                let here = index == input.current;
                let empty = String::new();
                let value =
                    if here { &input.text } else { input.fields.get(index).unwrap_or(&empty) };
                let cursor = if here { "▏" } else { "" };
                let first = all.len();
                let text = format!("{}{name}: {value}{cursor}", mark(here));
                all.extend(styled(&text, width, Style::new()));
                current = current.or(here.then(|| (first, all.len() - 1)));
            }
        }
    }
    (all, current)
}

fn keys(screen: &Screen) -> &'static str {
    match screen {
        Screen::Idle => "q: close the TINGUIN   l: lock it",
        Screen::Locked(_) => "Enter: unlock   Esc: begin anew   Ctrl-C: close the TINGUIN",
        Screen::Consent(it) if !it.signs() => "Enter: answer   Esc: decline",
        Screen::Consent(_) => {
            "Enter: answer   Esc: decline   A signature here binds you as one on paper."
        }
        Screen::Question(Question::Inform { .. }) => "Enter: go on",
        Screen::Question(Question::Choose { .. }) => {
            "↑ ↓: choose   Enter: take it   Esc: leave the deal"
        }
        Screen::Question(Question::Form { .. }) => {
            "type   ↑ ↓: other fields   Enter: next field, after the last: done   Esc: leave the deal"
        }
    }
}
