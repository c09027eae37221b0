//! The window's life: the pass-phrase, then the TINGUIN, then its end.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use egui::{Context, Ui, UserAttentionType, ViewportCommand};
use semper_base::Mend as _;
use semper_face_window::unlock::Unlock;
use semper_face_window::words::Words;
use semper_keeper::Keeper;
use semper_tinguin::keystore::KeystoreError;
use semper_tinguin::vault::{self, VaultError};

use crate::start::{Opened, Start};

/// Frames of which the slowest is told.
const FRAMES: usize = 100;

/// The window.
pub struct App {
    start: Start,
    keeper: Keeper,
    life: Life,
    words: Words,
    /// What stands over the window.
    title: String,
    figures: Option<Figures>,
}

/// What came of a pass-phrase.
type Tried = Result<vault::Opened, VaultError>;

enum Life {
    Locked { page: Box<Unlock>, tried: Option<Receiver<Tried>> },
    Open(Opened),
    Over { what: String, mend: String },
}

struct Figures {
    begun: Instant,
    first: bool,
    frames: Vec<Duration>,
}

impl App {
    /// A window that asks for the pass-phrase.
    pub fn new(start: Start, keeper: Keeper, begun: Option<Instant>) -> Self {
        let page = Box::new(Unlock::new(start.name(), start.vault().locked(0, "")));
        let figures = begun.map(|begun| Figures { begun, first: true, frames: Vec::new() });
        let (title, words) = (start.title(), Words::of(start.settings.language));
        Self { start, keeper, life: Life::Locked { page, tried: None }, words, title, figures }
    }

    fn locked(&mut self, ui: &mut Ui) {
        let Life::Locked { page, tried } = &mut self.life else { return };
        semper_face_window::set(ui.ctx(), self.start.settings);
        if let Some(pass_phrase) = page.draw(ui, &self.words) {
            let (vault, ctx) = (self.start.vault().clone(), ui.ctx().clone());
            let (say, heard) = channel();
            drop(self.keeper.job("unlock", move |_| {
                // Nobody hears it when the window has gone first.
                let _ = say.send(vault.open(pass_phrase.as_str()));
                ctx.request_repaint();
            }));
            page.trying = true;
            *tried = Some(heard);
        }
    }

    /// What came of the pass-phrase that was typed.
    fn tried(&mut self, ctx: &Context) {
        let Life::Locked { page, tried } = &mut self.life else { return };
        let Some(result) = tried.as_ref().and_then(|it| it.try_recv().ok()) else { return };
        *tried = None;
        page.trying = false;
        match result {
            Ok(opened) => {
                self.life = match self.start.open(opened, &self.keeper, ctx) {
                    Ok(opened) => Life::Open(opened),
                    Err(trouble) => Life::Over { what: trouble.what, mend: trouble.mend },
                };
            }
            Err(VaultError::WrongPin(error, _)) => {
                page.say(self.start.vault().locked(0, &format!("{error}.")));
            }
            // Plugged in, it can be tried again.
            Err(VaultError::Keystore(KeystoreError::Token(error))) => {
                page.say(self.start.vault().locked(0, &format!("{error}: {}", error.mend())));
            }
            Err(VaultError::Wrong(_) | VaultError::Keystore(KeystoreError::PassPhrase)) => {
                page.say(self.start.vault().locked(0, "That was not the pass-phrase."));
            }
            // Somebody else has tried meanwhile.
            Err(VaultError::Wait(_)) => page.say(self.start.vault().locked(0, "")),
            Err(error) => {
                self.life = Life::Over { what: error.to_string(), mend: error.mend() };
            }
        }
        ctx.request_repaint();
    }

    /// Takes what is asked, and says so over the window: also while another one covers it.
    fn meets(&mut self, ctx: &Context) {
        let Life::Open(Opened { model, desk, .. }) = &mut self.life else { return };
        model.meet(desk);
        let title = model.title();
        if title != self.title {
            if model.asked.is_some() {
                let how = UserAttentionType::Informational;
                ctx.send_viewport_cmd(ViewportCommand::RequestUserAttention(how));
            }
            ctx.send_viewport_cmd(ViewportCommand::Title(title.clone()));
            // Drawn once also where nobody sees it: whoever listens hears it then.
            ctx.send_viewport_cmd(ViewportCommand::RequestPaintWhileHidden);
            ctx.request_repaint();
            self.title = title;
        }
    }

    fn open(&mut self, ui: &mut Ui) {
        let Life::Open(Opened { model, desk, ended }) = &mut self.life else { return };
        semper_face_window::draw(ui, model);
        // What was answered in this frame goes at once.
        model.meet(desk);
        if std::mem::take(&mut model.changed) {
            self.start.settings = model.settings;
            self.start.keep(model.settings);
        }
        let Ok(how) = ended.try_recv() else { return };
        match how {
            None => ui.ctx().send_viewport_cmd(ViewportCommand::Close),
            Some(what) => {
                let mend = "stop the other one first".into();
                self.life = Life::Over { what, mend };
            }
        }
    }

    fn over(&self, ui: &mut Ui, what: &str, mend: &str) {
        let words = &self.words;
        egui::CentralPanel::default().show(ui, |ui| {
            ui.heading(words.say("unlock-failed"));
            ui.label(what);
            ui.label(mend);
        });
    }

    fn figure(&mut self, took: Duration) {
        let Some(figures) = &mut self.figures else { return };
        if std::mem::take(&mut figures.first) {
            eprintln!("first frame after {} ms", figures.begun.elapsed().as_millis());
        }
        figures.frames.push(took);
        if figures.frames.len() == FRAMES {
            figures.frames.sort_unstable();
            let slowest = figures.frames.pop().unwrap_or_default();
            let half = figures.frames.get(FRAMES / 2).copied().unwrap_or_default();
            eprintln!("{FRAMES} frames: half below {half:?}, the slowest {slowest:?}");
            figures.frames.clear();
        }
    }
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let begun = Instant::now();
        match &self.life {
            Life::Locked { .. } => self.locked(ui),
            Life::Open(_) => self.open(ui),
            Life::Over { what, mend } => self.over(ui, what, mend),
        }
        self.figure(begun.elapsed());
    }

    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        if self.keeper.ending().is_over() {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
        self.tried(ctx);
        self.meets(ctx);
    }
}
