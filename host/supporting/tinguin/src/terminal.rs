//! The face for terminals, drawn with ratatui.
//!
//! [`draw`] is a pure function of a [`Frame`] and the input state, so that what a person sees
//! can be tested without a terminal. The user's name, personal phrase and the status are
//! always there; a service's words stand in a box that says so; a decision needs the word
//! `yes`, typed.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};

use crate::screen::{Answer, Consent, Frame, Question, Screen};
use crate::service::Face;

/// What the person has typed and chosen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The text being typed.
    pub text: String,
    /// The option or field that is current.
    pub current: usize,
    /// A form's fields.
    pub fields: Vec<String>,
}

impl Input {
    fn for_screen(screen: &Screen) -> Self {
        match screen {
            Screen::Question(Question::Form { fields, .. }) => {
                let fields: Vec<String> = fields.iter().map(|(_, now)| now.clone()).collect();
                Self { text: fields.first().cloned().unwrap_or_default(), current: 0, fields }
            }
            _ => Self::default(),
        }
    }
}

/// Draws a frame.
pub fn draw(out: &mut ratatui::Frame<'_>, frame: &Frame, input: &Input) {
    let [head, body, help, foot] = Layout::vertical([
        Constraint::Length(5),
        Constraint::Min(8),
        Constraint::Length(2),
        Constraint::Length(3),
    ])
    .areas(out.area());
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
    let text = Paragraph::new(middle(&frame.screen, input)).wrap(Wrap { trim: false });
    out.render_widget(text.block(block), body);
    out.render_widget(
        Paragraph::new(keys(&frame.screen)).style(Style::new().fg(Color::DarkGray)),
        help,
    );
    let status = Paragraph::new(frame.status.clone())
        .block(Block::new().borders(Borders::TOP).title(" status "));
    out.render_widget(status, foot);
}

fn middle<'a>(screen: &'a Screen, input: &'a Input) -> Vec<Line<'a>> {
    match screen {
        Screen::Idle => vec![Line::from("Nothing is asked of you.")],
        Screen::Consent(consent) => consent_lines(consent, input),
        Screen::Question(question) => question_lines(question, input),
    }
}

fn consent_lines<'a>(consent: &'a Consent, input: &'a Input) -> Vec<Line<'a>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut lines = vec![Line::styled(consent.title.as_str(), bold), Line::default()];
    let width = consent.rows.iter().map(|row| row.0.chars().count()).max().unwrap_or(0);
    for (label, value) in &consent.rows {
        lines.push(Line::from(vec![
            Span::styled(format!("{label:width$}  "), Style::new().fg(Color::Cyan)),
            Span::raw(value.as_str()),
        ]));
    }
    lines.push(Line::default());
    lines.push(Line::from(consent.means.as_str()));
    lines.push(Line::styled(
        format!("signs exactly these bytes: {}", consent.digest),
        Style::new().fg(Color::DarkGray),
    ));
    lines.push(Line::default());
    lines.push(Line::from(format!("Type yes to sign, no to decline: {}▏", input.text)));
    lines
}

fn question_lines<'a>(question: &'a Question, input: &'a Input) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'_>> = question.says().lines().map(Line::from).collect();
    lines.push(Line::default());
    let mark = |here: bool| if here { "▶ " } else { "  " };
    match question {
        Question::Inform { .. } => {}
        Question::Choose { options, .. } => {
            for (index, option) in options.iter().enumerate() {
                lines.push(Line::from(format!("{}{option}", mark(index == input.current))));
            }
        }
        Question::Form { fields, .. } => {
            for (index, (name, _)) in fields.iter().enumerate() {
                let here = index == input.current;
                let value = if here { &input.text } else { &input.fields[index] };
                let cursor = if here { "▏" } else { "" };
                lines.push(Line::from(format!("{}{name}: {value}{cursor}", mark(here))));
            }
        }
    }
    lines
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
        (Screen::Consent(_), KeyCode::Esc) => Some(Answer::No(String::new())),
        (Screen::Consent(_), KeyCode::Enter) => match input.text.trim() {
            "yes" => Some(Answer::Yes),
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

    fn paint(&self, frame: &Frame, input: &Input) {
        let mut terminal = self.terminal.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn ask(&self, frame: &Frame) -> Answer {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        // What was typed before the question was there is no answer to it.
        while keys.try_recv().is_ok() {}
        self.asking.store(true, Ordering::SeqCst);
        let mut input = Input::for_screen(&frame.screen);
        let answer = loop {
            self.paint(frame, &input);
            let Ok(key) = keys.recv() else {
                break Answer::No("the terminal has gone away".into());
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
        self.paint(&Frame { screen: Screen::Idle, ..frame.clone() }, &Input::default());
        answer
    }

    fn show(&self, frame: &Frame) {
        // Progress of one deal must not paint over another's question.
        if !self.asking.load(Ordering::SeqCst) {
            self.paint(frame, &Input::default());
        }
    }
}
