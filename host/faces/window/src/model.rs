//! Everything that the window shows: one value, which [`draw`](crate::draw) draws.

use std::collections::VecDeque;

use semper_base::text::Text;
use semper_base::{Amount, DealId, Timestamp};
use semper_tinguin_protocol::PassPhrase;
use semper_tinguin_protocol::Told;
use semper_tinguin_protocol::screen::{Answer, Frame, Question, Screen};

use crate::arming::{self, Arming};
use crate::face::{Desk, Shut};
use crate::picture::Picture;
use crate::records::Find;
use crate::records::shelf::Shelf;
use crate::settings::Settings;
use crate::unlock::Unlock;
use crate::wording::{self, About};
use crate::words::Words;

/// A page of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    /// What is asked, or how things stand.
    #[default]
    Now,
    /// What waits for an answer.
    Waiting,
    /// Deals.
    Deals,
    /// Everything that was signed.
    Archive,
    /// Accounts.
    Accounts,
    /// Whom this person believes.
    Believed,
    /// What is consented to in advance.
    Consents,
    /// What was told about the person.
    Told,
    /// Settings.
    Settings,
    /// Help.
    Help,
}

impl Page {
    /// Every page, with the id of its name, in the order in which they are offered.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Now, "page-now"),
        (Self::Waiting, "page-waiting"),
        (Self::Deals, "page-deals"),
        (Self::Archive, "page-archive"),
        (Self::Accounts, "page-accounts"),
        (Self::Believed, "page-believed"),
        (Self::Consents, "page-consents"),
        (Self::Told, "page-told"),
        (Self::Settings, "page-settings"),
        (Self::Help, "page-help"),
    ];
}

/// Whose window this is.
#[derive(Clone, Debug)]
pub struct Who {
    /// The user's name.
    pub name: Text,
    /// The phrase by which she recognises it.
    pub phrase: Text,
    /// The picture.
    pub picture: Picture,
}

/// What the person is asked, and what she has done about it so far.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its number at the desk.
    pub number: u64,
    /// What is shown.
    pub frame: Frame,
    /// The pause before it can be answered.
    pub arming: Arming,
    /// Whether its end has been on the screen.
    pub read: bool,
    /// A form's fields, as they are filled in.
    pub fields: Vec<String>,
    /// The option that is chosen.
    pub choice: Option<usize>,
    /// The part of it that has been on the screen, from its beginning: 1 is all of it.
    pub(crate) seen: f32,
    /// How far it is scrolled, how much is in sight, how far it can be scrolled, in points.
    pub(crate) at: (f32, f32, f32),
    /// How high its buttons are, in points, as they were drawn last.
    pub(crate) foot: f32,
    /// Whether it is on the screen for the first time.
    pub(crate) fresh: bool,
}

/// How high a decision's buttons are at first, in points.
const FOOT: f32 = 90.0;

impl Asked {
    fn new(number: u64, frame: Frame) -> Self {
        let fields = match &frame.screen {
            Screen::Question(Question::Form { fields, .. }) => {
                fields.iter().map(|(_, now)| now.to_string()).collect()
            }
            _ => Vec::new(),
        };
        let delay = match frame.screen {
            Screen::Consent(_) => arming::DECISION,
            Screen::Question(_) | Screen::Idle | Screen::Locked(_) => arming::QUESTION,
        };
        let arming = Arming::new(delay);
        let (read, choice, seen, at) = Default::default();
        let (foot, fresh) = (FOOT, true);
        Self { number, frame, arming, read, fields, choice, seen, at, foot, fresh }
    }
}

/// How one deal gets on, as its host has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The other side.
    pub peer: Text,
    /// What has been said, the newest last.
    pub steps: VecDeque<Text>,
}

/// Steps of one deal that are kept in sight.
const STEPS: usize = 12;
/// Deals whose progress is kept in sight.
const DEALS: usize = 20;

/// The whole window.
#[derive(Debug)]
pub struct Model {
    /// Whose it is.
    pub who: Who,
    /// The page that is shown.
    pub page: Page,
    /// What is set.
    pub settings: Settings,
    /// Whether settings were changed since they were stored.
    pub changed: bool,
    /// What is asked now.
    pub asked: Option<Asked>,
    /// What was answered, until it is taken.
    pub answered: Option<(u64, Answer)>,
    /// The line about what was done last, or what goes on.
    pub status: Text,
    /// The other side that it speaks of, and the money.
    spoken_of: (Text, Option<Amount>),
    /// How deals get on.
    pub progress: VecDeque<Progress>,
    /// What was told about her lately, the last of it first.
    pub lately: Vec<Told>,
    /// The rows that the pages show.
    pub shelf: Shelf,
    /// What is looked for in the archive, as it is typed and chosen.
    pub find: Find,
    /// The deal whose story is open.
    pub open: Option<DealId>,
    /// The application whose consent the person is about to take back.
    pub(crate) takes_back: Option<String>,
    /// The locked page; while it is there nothing else is shown.
    pub locked: Option<Unlock>,
    /// Wrong pass-phrases before the right one, until the person has seen it: how many, since when.
    pub tried: Option<(u32, Timestamp)>,
    /// Whether a key was pressed or the pointer moved since that was told.
    pub touched: bool,
    /// Whether the person locks it.
    pub(crate) locks: bool,
    /// The number under which a pass-phrase is wanted, and one that was typed.
    wanted: Option<u64>,
    pub(crate) given: Option<PassPhrase>,
    pub(crate) words: Words,
}

impl Model {
    /// A window with nothing in it yet.
    pub fn new(who: Who, settings: Settings, shelf: Shelf) -> Self {
        Self {
            who,
            page: Page::default(),
            settings,
            changed: false,
            asked: None,
            answered: None,
            status: Text::default(),
            spoken_of: Default::default(),
            progress: VecDeque::new(),
            lately: Vec::new(),
            shelf,
            find: Find::default(),
            open: None,
            takes_back: None,
            locked: None,
            tried: None,
            touched: false,
            locks: false,
            wanted: None,
            given: None,
            words: Words::of(settings.language),
        }
    }

    /// The window's words.
    pub const fn words(&self) -> &Words {
        &self.words
    }

    /// Whom and what the line about what goes on is about.
    pub(crate) fn about(&self) -> About<'_> {
        let (peer, amount) = &self.spoken_of;
        About { peer, amount: *amount }
    }

    fn says(&mut self, frame: &Frame) {
        let amount = match &frame.screen {
            Screen::Consent(consent) => consent.amount,
            Screen::Question(_) | Screen::Idle | Screen::Locked(_) => None,
        };
        self.status = frame.status.clone();
        self.spoken_of = (frame.peer.clone(), amount);
    }

    /// What stands over the window: whose it is, and whether something is asked. Nothing of a service's.
    pub fn title(&self) -> String {
        let own = format!("{} — semper TINGUIN", self.who.name);
        match self.asked.as_ref().map(|it| &it.frame.screen) {
            Some(Screen::Consent(_)) => format!("● {} — {own}", self.words.say("title-decision")),
            Some(Screen::Question(_)) => format!("● {} — {own}", self.words.say("title-question")),
            Some(Screen::Idle | Screen::Locked(_)) | None => own,
        }
    }

    /// Takes what the TINGUIN asks and shows from the desk, and leaves what was answered there.
    pub fn meet(&mut self, desk: &Desk) {
        if std::mem::take(&mut self.touched) {
            desk.touched();
        }
        if std::mem::take(&mut self.locks) {
            desk.lock();
        }
        if let Some((number, answer)) = self.answered.take() {
            desk.answer(number, answer);
        }
        if let (Some(pass_phrase), Some(number)) = (self.given.take(), self.wanted.take()) {
            desk.unlock(number, pass_phrase);
        }
        for frame in desk.shown() {
            self.shows(&frame);
        }
        match desk.shut() {
            Some(shut) => return self.shuts(shut),
            None => self.opens(),
        }
        match desk.number() {
            None if self.asked.is_some() => self.withdrawn(),
            number if number != self.asked.as_ref().map(|it| it.number) => {
                if let Some((number, frame)) = desk.asked() {
                    self.asks(number, frame);
                }
            }
            _ => {}
        }
    }

    /// It is locked: what was asked leaves the screen, and is asked again afterwards.
    fn shuts(&mut self, Shut { locked, wanted, trying }: Shut) {
        self.asked = None;
        self.wanted = wanted;
        let name = &self.who.name;
        let page = self.locked.get_or_insert_with(|| Unlock::new(name.clone(), locked.clone()));
        page.say(locked);
        (page.wanted, page.trying) = (wanted.is_some(), trying);
    }

    /// It is not locked, or not any more.
    fn opens(&mut self) {
        if self.locked.take().is_some() {
            self.wanted = None;
            self.status = self.words.say("status-unlocked").into();
            self.shelf.refresh();
        }
    }

    /// The person is asked something: it comes to the front.
    pub fn asks(&mut self, number: u64, frame: Frame) {
        let topic = match &frame.screen {
            Screen::Consent(consent) => consent.topic.as_str(),
            Screen::Question(question) => question.topic(),
            Screen::Idle | Screen::Locked(_) => "",
        };
        tracing::info!(number, topic, "asked");
        self.says(&frame);
        self.asked = Some(Asked::new(number, frame));
        self.page = Page::Now;
        self.shelf.refresh();
    }

    /// Nobody wants to know any more.
    pub fn withdrawn(&mut self) {
        self.asked = None;
        self.status = self.words.say("status-withdrawn").into();
        self.shelf.refresh();
    }

    /// Something is to be shown that asks nothing.
    pub fn shows(&mut self, frame: &Frame) {
        if frame.told != self.lately && matches!(frame.screen, Screen::Idle) {
            self.lately.clone_from(&frame.told);
            self.shelf.read_told();
        }
        self.says(frame);
        if frame.peer.is_empty() {
            self.tried = wording::tried(&frame.status).or(self.tried);
            return;
        }
        // The deal that was heard of last stands first.
        let at = self.progress.iter().position(|it| it.peer == frame.peer);
        let mut progress = at
            .and_then(|at| self.progress.remove(at))
            .unwrap_or_else(|| Progress { peer: frame.peer.clone(), steps: VecDeque::new() });
        progress.steps.push_back(frame.status.clone());
        if progress.steps.len() > STEPS {
            progress.steps.pop_front();
        }
        self.progress.push_front(progress);
        self.progress.truncate(DEALS);
        self.shelf.refresh();
    }

    /// The person answers what is asked.
    pub(crate) fn answer(&mut self, answer: Answer) {
        let Some(asked) = self.asked.take() else { return };
        let signs = matches!(&asked.frame.screen, Screen::Consent(it) if it.signs());
        let id = match &answer {
            Answer::Yes if signs => "status-yes",
            Answer::Yes => "status-agreed",
            Answer::No(_) => "status-no",
            Answer::Leave => "status-left",
            Answer::Choice(_) | Answer::Fields(_) | Answer::Seen => "status-answered",
        };
        self.status = self.words.say(id).into();
        self.answered = Some((asked.number, answer));
        self.shelf.refresh();
    }

    /// Goes to a page. What is asked has to be looked at again after that.
    pub(crate) fn go(&mut self, page: Page) {
        if page != self.page
            && let Some(asked) = &mut self.asked
        {
            asked.arming.again();
            asked.fresh = true;
        }
        self.page = page;
        self.takes_back = None;
    }

    /// Changes settings.
    pub(crate) fn set(&mut self, settings: Settings) {
        if settings.language != self.settings.language {
            self.words = Words::of(settings.language);
        }
        self.changed |= settings != self.settings;
        self.settings = settings;
    }
}
