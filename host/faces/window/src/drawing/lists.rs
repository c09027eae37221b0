//! Long lists: every row is as high as the other, and only rows in sight are drawn.

use std::ops::Range;

use egui::text::{LayoutJob, TextWrapping};
use egui::{
    Align2, Color32, CornerRadius, Key, Rect, ScrollArea, Sense, Stroke, StrokeKind, TextFormat,
    TextStyle, Ui, WidgetInfo, pos2, vec2,
};

use crate::{look, text};

/// Characters of one line that are laid out; more are not in sight on any screen.
const LONGEST: usize = 240;

/// What stands in a row: two lines, and something at the right of the first.
pub struct Row {
    /// The first line.
    pub first: String,
    /// At its right, in columns: what came in and what went out; a state.
    pub right: Vec<String>,
    /// The second line.
    pub second: String,
    /// What somebody hears who does not see it.
    pub says: String,
}

/// How wide a column at the right is, in points, if there are several.
const COLUMN: f32 = 124.0;
/// How much of a row its columns may take.
const SHARE: f32 = 0.55;

/// What stands over the columns at the right.
pub fn heading(ui: &mut Ui, columns: &[String]) {
    let height = ui.text_style_height(&TextStyle::Small) + 2.0;
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, columns.join(", ")));
    let bar = ui.spacing().scroll.bar_width + ui.spacing().scroll.bar_inner_margin;
    let inner = rect.with_max_x(rect.right() - bar).shrink2(vec2(8.0, 0.0));
    let quiet = look::palette(ui).quiet;
    right(ui, inner, columns, TextStyle::Small, quiet);
}

/// Draws columns at the right; how much room they take.
fn right(ui: &Ui, inner: Rect, columns: &[String], style: TextStyle, colour: Color32) -> f32 {
    let many = columns.len() > 1;
    let most = inner.width() * SHARE / columns.len().max(1) as f32;
    let width = if many { COLUMN.min(most) } else { most };
    let mut end = inner.right();
    for column in columns.iter().rev() {
        let galley = line(ui, column, style.clone(), colour, width - 6.0);
        let (size, at) = (galley.size().x, end - galley.size().x);
        ui.painter().galley(pos2(at, inner.top()), galley, colour);
        end -= if many { width } else { size };
    }
    inner.right() - end
}

/// Draws a list of so many rows. `rows` says what stands in those in sight; the one that was chosen
/// comes back.
pub fn list(
    ui: &mut Ui,
    name: &str,
    all: usize,
    mut rows: impl FnMut(Range<usize>) -> Vec<Option<Row>>,
) -> Option<usize> {
    let line = ui.text_style_height(&TextStyle::Body);
    let small = ui.text_style_height(&TextStyle::Small);
    let height = line + small + 12.0;
    let mut chosen = None;
    let mut area = ScrollArea::vertical().id_salt(name).auto_shrink(false);
    if let Some(to) = paged(ui, name, height, all) {
        area = area.vertical_scroll_offset(to);
    }
    let shown = area.show_rows(ui, height, all, |ui, range| {
        let first = range.start;
        for (index, row) in rows(range).into_iter().enumerate() {
            let at = first + index;
            ui.push_id(at, |ui| {
                if draw(ui, row.as_ref(), height) {
                    chosen = Some(at);
                }
            });
        }
    });
    let at = (shown.state.clamped_offset().y, shown.inner_rect.height());
    let id = ui.scope_id().with(("list", name));
    ui.data_mut(|data| data.insert_temp(id, at));
    chosen
}

/// Where the keys that turn pages go to.
fn paged(ui: &Ui, name: &str, height: f32, all: usize) -> Option<f32> {
    let id = ui.scope_id().with(("list", name));
    let (top, page) = ui.data(|data| data.get_temp::<(f32, f32)>(id))?;
    let whole = (height + ui.spacing().item_spacing.y) * all as f32;
    let pressed = |key| ui.input(|input| input.key_pressed(key));
    let typing = ui.ctx().egui_wants_keyboard_input();
    let to = if pressed(Key::PageDown) {
        top + page * 0.9
    } else if pressed(Key::PageUp) {
        top - page * 0.9
    } else if pressed(Key::Home) && !typing {
        0.0
    } else if pressed(Key::End) && !typing {
        whole
    } else {
        return None;
    };
    Some(to.clamp(0.0, (whole - page).max(0.0)))
}

fn draw(ui: &mut Ui, row: Option<&Row>, height: f32) -> bool {
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
    let Some(row) = row else {
        let colour = ui.visuals().weak_text_color();
        let font = TextStyle::Body.resolve(ui.style());
        ui.painter().text(
            rect.left_center() + vec2(8.0, 0.0),
            Align2::LEFT_CENTER,
            "…",
            font,
            colour,
        );
        return false;
    };
    response.widget_info(|| WidgetInfo::labeled(egui::Role::ListItem, true, row.says.as_str()));
    if response.gained_focus() {
        response.scroll_to_me(None);
    }
    let visuals = ui.visuals();
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, 3.0, visuals.faint_bg_color);
    }
    if response.has_focus() {
        let stroke = visuals.selection.stroke;
        ui.painter().rect_stroke(rect, CornerRadius::same(3), stroke, StrokeKind::Inside);
    }
    let (ink, quiet) = (visuals.text_color(), look::palette(ui).quiet);
    let inner = rect.shrink2(vec2(8.0, 4.0));
    let room = inner.width() - right(ui, inner, &row.right, TextStyle::Body, ink) - 12.0;
    let first = line(ui, &row.first, TextStyle::Body, ink, room);
    let second = line(ui, &row.second, TextStyle::Small, quiet, inner.width());
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    let below = inner.top() + first.size().y + 1.0;
    painter.galley(inner.left_top(), first, ink);
    painter.galley(pos2(inner.left(), below), second, quiet);
    rule(ui, rect);
    response.clicked()
}

fn rule(ui: &Ui, rect: Rect) {
    let stroke = Stroke::new(1.0, ui.visuals().widgets.noninteractive.bg_stroke.color);
    ui.painter().hline(rect.x_range(), rect.bottom(), stroke);
}

/// One line of a text, cut where the room ends.
fn line(
    ui: &Ui,
    words: &str,
    style: TextStyle,
    colour: Color32,
    room: f32,
) -> std::sync::Arc<egui::Galley> {
    let format =
        TextFormat { font_id: style.resolve(ui.style()), color: colour, ..TextFormat::default() };
    let mut job = LayoutJob::single_section(text::flat(words, LONGEST), format);
    job.wrap = TextWrapping::truncate_at_width(room.max(20.0));
    ui.painter().layout_job(job)
}
