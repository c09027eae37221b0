//! The face for terminals, drawn with ratatui.
//!
//! [`draw`] is a pure function of a [`Frame`] and the input state, so that what a person sees
//! can be tested without a terminal. The user's name, personal phrase and the status are
//! always there; a service's words stand in a box that says so; a decision needs the word
//! `yes`, typed, after the whole of it has been on the screen.
#![forbid(unsafe_code)]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};

use semper_tinguin_protocol::Face;
use semper_tinguin_protocol::screen::{Answer, Consent, Frame, Question, Screen};

/// What the person has typed and chosen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The text being typed.
    pub text: String,
    /// The option or field that is current.
    pub current: usize,
    /// A form's fields.
    pub fields: Vec<String>,
    /// Lines scrolled down.
    pub scroll: usize,
    /// Whether the end has been on the screen.
    pub read: bool,
}

impl Input {
    fn for_screen(screen: &Screen) -> Self {
        match screen {
            Screen::Question(Question::Form { fields, .. }) => {
                let fields: Vec<String> = fields.iter().map(|(_, now)| now.clone()).collect();
                let text = fields.first().cloned().unwrap_or_default();
                Self { text, fields, ..Self::default() }
            }
            _ => Self::default(),
        }
    }
}

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
    lines(&frame.screen, input, width).len().saturating_sub(height)
}

/// Draws a frame.
pub fn draw(out: &mut ratatui::Frame<'_>, frame: &Frame, input: &Input) {
    let window = out.area();
    let [head, body, help, foot] = areas(window);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let whose = Line::from(vec![
        Span::styled(format!("{} ", frame.user), bold),
        Span::styled(format!("“{}”", frame.phrase), Style::new().fg(Color::Green)),
    ]);
    let with =
        if frame.peer.is_empty() { "no deal on".into() } else { format!("with {}", frame.peer) };
    let head_text = vec![whose, Line::from(with), Line::from(frame.service.clone())];
    let title = " semper TINGUIN — only your own host draws here ";
    out.render_widget(Paragraph::new(head_text).block(Block::bordered().title(title)), head);

    let block = match &frame.screen {
        Screen::Idle => Block::bordered(),
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
    let shown: Vec<Line<'_>> =
        lines(&frame.screen, input, width).into_iter().skip(scroll).collect();
    let block =
        if scroll < depth { block.title_bottom(" ▼ more below: Page Down ") } else { block };
    out.render_widget(Paragraph::new(shown).block(block), body);

    let help_text =
        vec![Line::styled(prompt(&frame.screen, input), bold), Line::from(keys(&frame.screen))];
    out.render_widget(Paragraph::new(help_text).wrap(Wrap { trim: true }), help);
    let status = Paragraph::new(frame.status.clone())
        .block(Block::new().borders(Borders::TOP).title(" status "));
    out.render_widget(status, foot);
}

fn prompt(screen: &Screen, input: &Input) -> String {
    match screen {
        Screen::Consent(_) if !input.read => "Read to the end first: Page Down".into(),
        Screen::Consent(_) => format!("Type yes to sign, no to decline: {}▏", input.text),
        _ => String::new(),
    }
}

/// The middle, wrapped to a width: nothing is ever cut off at the side.
fn lines(screen: &Screen, input: &Input, width: usize) -> Vec<Line<'static>> {
    match screen {
        Screen::Idle => vec![Line::from("Nothing is asked of you.")],
        Screen::Consent(consent) => consent_lines(consent, width),
        Screen::Question(question) => question_lines(question, input, width),
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    if letters.is_empty() {
        return vec![String::new()];
    }
    letters.chunks(width.max(1)).map(|part| part.iter().collect()).collect()
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
    let bytes = format!("signs exactly these bytes: {}", consent.digest);
    all.extend(styled(&bytes, width, Style::new().fg(Color::DarkGray)));
    all
}

fn question_lines(question: &Question, input: &Input, width: usize) -> Vec<Line<'static>> {
    let mut all: Vec<Line<'static>> =
        question.says().lines().flat_map(|line| styled(line, width, Style::new())).collect();
    all.push(Line::default());
    let mark = |here: bool| if here { "▶ " } else { "  " };
    match question {
        Question::Inform { .. } => {}
        Question::Choose { options, .. } => {
            for (index, option) in options.iter().enumerate() {
                let text = format!("{}{option}", mark(index == input.current));
                all.extend(styled(&text, width, Style::new()));
            }
        }
        Question::Form { fields, .. } => {
            for (index, (name, _)) in fields.iter().enumerate() {
                let here = index == input.current;
                let empty = String::new();
                let value =
                    if here { &input.text } else { input.fields.get(index).unwrap_or(&empty) };
                let cursor = if here { "▏" } else { "" };
                let text = format!("{}{name}: {value}{cursor}", mark(here));
                all.extend(styled(&text, width, Style::new()));
            }
        }
    }
    all
}

fn keys(screen: &Screen) -> &'static str {
    match screen {
        Screen::Idle => "q: close the TINGUIN",
        Screen::Consent(_) => {
            "Enter: answer   Esc: decline   A signature here binds you as one on paper."
        }
        Screen::Question(Question::Inform { .. }) => "Enter: go on",
        Screen::Question(Question::Choose { .. }) => {
            "↑ ↓: choose   Enter: take it   Esc: leave the deal"
        }
        Screen::Question(Question::Form { .. }) => {
            "type   Enter or ↓: next field, after the last: done   Esc: leave the deal"
        }
    }
}

/// What a key does: `Some` answer ends the question.
pub fn press(screen: &Screen, input: &mut Input, key: KeyCode) -> Option<Answer> {
    match (screen, key) {
        (_, KeyCode::PageDown) | (Screen::Consent(_), KeyCode::Down) => {
            input.scroll = input.scroll.saturating_add(if key == KeyCode::Down { 1 } else { 8 });
            None
        }
        (_, KeyCode::PageUp) | (Screen::Consent(_), KeyCode::Up) => {
            input.scroll = input.scroll.saturating_sub(if key == KeyCode::Up { 1 } else { 8 });
            None
        }
        (Screen::Consent(_), KeyCode::Esc) => Some(Answer::No(String::new())),
        (Screen::Consent(_), KeyCode::Enter) => match input.text.trim() {
            "yes" if input.read => Some(Answer::Yes),
            "no" => Some(Answer::No(String::new())),
            _ => {
                input.text.clear();
                None
            }
        },
        (Screen::Question(Question::Inform { .. }), KeyCode::Enter | KeyCode::Esc) => {
            Some(Answer::Seen)
        }
        (Screen::Question(_), KeyCode::Esc) => Some(Answer::Leave),
        (Screen::Question(Question::Choose { options, .. }), key) => {
            match key {
                KeyCode::Up => input.current = input.current.saturating_sub(1),
                KeyCode::Down => input.current = (input.current + 1).min(options.len() - 1),
                KeyCode::Enter => return u32::try_from(input.current).ok().map(Answer::Choice),
                _ => {}
            }
            None
        }
        (
            Screen::Question(Question::Form { .. }),
            KeyCode::Enter | KeyCode::Down | KeyCode::Tab,
        ) => {
            input.fields[input.current] = std::mem::take(&mut input.text);
            if input.current + 1 < input.fields.len() {
                input.current += 1;
                input.text = input.fields[input.current].clone();
                return None;
            }
            Some(Answer::Fields(input.fields.clone()))
        }
        (Screen::Question(Question::Form { .. }), KeyCode::Up) => {
            input.fields[input.current] = input.text.clone();
            input.current = input.current.saturating_sub(1);
            input.text = input.fields[input.current].clone();
            None
        }
        (Screen::Consent(_) | Screen::Question(Question::Form { .. }), KeyCode::Char(letter)) => {
            if !letter.is_control() && input.text.chars().count() < 200 {
                input.text.push(letter);
            }
            None
        }
        (_, KeyCode::Backspace) => {
            input.text.pop();
            None
        }
        _ => None,
    }
}

/// The face.
pub struct TerminalFace {
    terminal: Mutex<Terminal<CrosstermBackend<io::Stdout>>>,
    /// Keys pressed while a question is on the screen.
    keys: Mutex<Receiver<KeyEvent>>,
    asking: Arc<AtomicBool>,
}

impl std::fmt::Debug for TerminalFace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TerminalFace")
    }
}

impl TerminalFace {
    /// Takes over the terminal.
    pub fn new() -> io::Result<Self> {
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen)?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        let asking = Arc::new(AtomicBool::new(false));
        let (press, keys) = sync_channel(64);
        let during = Arc::clone(&asking);
        std::thread::spawn(move || read_keys(&press, &during));
        Ok(Self { terminal: Mutex::new(terminal), keys: Mutex::new(keys), asking })
    }

    /// Paints, and marks the question as read once its end is on the screen.
    fn paint(&self, frame: &Frame, input: &mut Input) {
        let mut terminal = self.terminal.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(size) = terminal.size() {
            let depth = depth(frame, input, Rect::new(0, 0, size.width, size.height));
            input.scroll = input.scroll.min(depth);
            input.read |= input.scroll == depth;
        }
        if let Err(error) = terminal.draw(|out| draw(out, frame, input)) {
            tracing::warn!(%error, "the terminal cannot be drawn on");
        }
    }

    /// Gives the terminal back; also done when the face is dropped.
    pub fn restore() {
        let _ = disable_raw_mode();
        let _ = execute!(io::stdout(), LeaveAlternateScreen);
    }
}

/// Reads the keyboard: for the question on the screen, or, when there is none, for the keys
/// that end the TINGUIN.
fn read_keys(press: &SyncSender<KeyEvent>, asking: &AtomicBool) {
    while let Ok(event) = event::read() {
        let Event::Key(key) = event else { continue };
        if key.kind != KeyEventKind::Press {
            continue;
        }
        if asking.load(Ordering::SeqCst) {
            // Full when somebody leans on the keyboard; what does not fit is not an answer.
            let _ = press.try_send(key);
        } else if key.code == KeyCode::Char('q') || is_interrupt(&key) {
            TerminalFace::restore();
            std::process::exit(0);
        }
    }
}

fn is_interrupt(key: &KeyEvent) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL)
}

impl Drop for TerminalFace {
    fn drop(&mut self) {
        Self::restore();
    }
}

impl Face for TerminalFace {
    fn ask(&self, frame: &Frame, withdrawn: &dyn Fn() -> bool) -> Answer {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        // What was typed before the question was there is no answer to it.
        while keys.try_recv().is_ok() {}
        self.asking.store(true, Ordering::SeqCst);
        let mut input = Input::for_screen(&frame.screen);
        let answer = loop {
            self.paint(frame, &mut input);
            let key = match keys.recv_timeout(Duration::from_millis(250)) {
                Ok(key) => key,
                Err(RecvTimeoutError::Timeout) if withdrawn() => break Answer::Leave,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => {
                    break Answer::No("the terminal has gone away".into());
                }
            };
            if is_interrupt(&key) {
                break match frame.screen {
                    Screen::Question(_) => Answer::Leave,
                    _ => Answer::No(String::new()),
                };
            }
            if let Some(answer) = press(&frame.screen, &mut input, key.code) {
                break answer;
            }
        };
        self.asking.store(false, Ordering::SeqCst);
        self.paint(&Frame { screen: Screen::Idle, ..frame.clone() }, &mut Input::default());
        answer
    }

    fn show(&self, frame: &Frame) {
        // Progress of one deal must not paint over another's question.
        if !self.asking.load(Ordering::SeqCst) {
            self.paint(frame, &mut Input::default());
        }
    }
}
