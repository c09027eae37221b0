//! How the window looks: colours and shapes.
//!
//! Nothing is told by colour alone. A decision has a double frame, square corners and a striped band
//! over it; a service's words have round corners, a dashed edge and a bar beside them; the window's
//! own pages have neither.

use egui::accesskit::Live;
use egui::{
    Color32, Context, CornerRadius, FontFamily, FontId, Margin, Painter, Rect, Shape, Stroke,
    StrokeKind, TextStyle, Theme, ThemePreference, Ui, Visuals, pos2, vec2,
};

use crate::settings::{Settings, Shade};

/// The colours of light or dark.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    /// Edge and band of a decision.
    pub decision: Color32,
    /// Letters on the band.
    pub on_decision: Color32,
    /// Ground of a decision.
    pub decision_ground: Color32,
    /// Edge of a service's words.
    pub service: Color32,
    /// Ground of a service's words.
    pub service_ground: Color32,
    /// Ground of the head, which is the person's own.
    pub own: Color32,
    /// What is less important.
    pub quiet: Color32,
    /// Warnings.
    pub caution: Color32,
}

const LIGHT: Palette = Palette {
    decision: Color32::from_rgb(122, 62, 0),
    on_decision: Color32::WHITE,
    decision_ground: Color32::from_rgb(255, 248, 232),
    service: Color32::from_rgb(60, 84, 120),
    service_ground: Color32::from_rgb(237, 242, 249),
    own: Color32::from_rgb(228, 238, 230),
    quiet: Color32::from_rgb(88, 88, 88),
    caution: Color32::from_rgb(160, 20, 20),
};

const DARK: Palette = Palette {
    decision: Color32::from_rgb(244, 178, 84),
    on_decision: Color32::BLACK,
    decision_ground: Color32::from_rgb(44, 36, 22),
    service: Color32::from_rgb(140, 172, 220),
    service_ground: Color32::from_rgb(26, 34, 46),
    own: Color32::from_rgb(28, 44, 34),
    quiet: Color32::from_rgb(176, 176, 176),
    caution: Color32::from_rgb(255, 138, 128),
};

/// The colours that are in use.
pub fn palette(ui: &Ui) -> Palette {
    if ui.visuals().dark_mode { DARK } else { LIGHT }
}

/// Gives the whole window its name, for whoever does not see what stands over it.
pub fn name(ctx: &Context, name: String) {
    ctx.accesskit_node_builder(egui::accesskit_root_id(), |node| node.set_label(name));
}

/// Has this said aloud as soon as it comes up, to whoever does not see that it has.
pub fn speak(ctx: &Context, shown: &egui::Response, how: Live) {
    ctx.accesskit_node_builder(shown.id, |node| node.set_live(how));
}

/// Sets fonts, colours and size.
pub fn set(ctx: &Context, settings: Settings) {
    ctx.set_theme(match settings.shade {
        Shade::System => ThemePreference::System,
        Shade::Light => ThemePreference::Light,
        Shade::Dark => ThemePreference::Dark,
    });
    ctx.set_zoom_factor(scale(settings.size));
    ctx.all_styles_mut(|style| {
        for (name, size) in [
            (TextStyle::Small, 12.0),
            (TextStyle::Body, 15.0),
            (TextStyle::Button, 15.0),
            (TextStyle::Heading, 21.0),
        ] {
            style.text_styles.insert(name, FontId::new(size, FontFamily::Proportional));
        }
        style.text_styles.insert(TextStyle::Monospace, FontId::new(13.0, FontFamily::Monospace));
        style.spacing.item_spacing = vec2(8.0, 6.0);
        style.spacing.button_padding = vec2(10.0, 5.0);
        style.spacing.interact_size.y = 26.0;
        // Whoever does not see well needs the bar, and not a hint of one.
        style.spacing.scroll = egui::style::ScrollStyle {
            foreground_color: true,
            ..egui::style::ScrollStyle::solid()
        };
        style.interaction.selectable_labels = false;
        style.animation_time = 0.0;
        style.scroll_animation = egui::style::ScrollAnimation::none();
    });
    for (theme, mut visuals) in [(Theme::Light, Visuals::light()), (Theme::Dark, Visuals::dark())] {
        let (ink, edge) = match theme {
            Theme::Light => (Color32::from_rgb(20, 20, 20), Color32::from_rgb(0, 80, 200)),
            Theme::Dark => (Color32::from_rgb(235, 235, 235), Color32::from_rgb(255, 220, 80)),
        };
        visuals.override_text_color = Some(ink);
        // The widget with the keyboard is seen from far away.
        visuals.selection.stroke = Stroke::new(2.0, edge);
        visuals.disabled_alpha = 0.6;
        // Fields and buttons have an edge that is seen on any ground.
        visuals.widgets.active.bg_stroke = Stroke::new(2.5, edge);
        visuals.widgets.inactive.bg_stroke = Stroke::new(1.0, ink.gamma_multiply(0.5));
        ctx.set_visuals_of(theme, visuals);
    }
}

/// Percent as egui has it.
fn scale(percent: u32) -> f32 {
    f32::from(u16::try_from(percent).unwrap_or(100)) / 100.0
}

/// The frame of the person's own head and foot.
pub fn own(palette: &Palette) -> egui::Frame {
    egui::Frame::new().fill(palette.own).inner_margin(Margin::symmetric(12, 6))
}

/// A decision: square corners and a double edge.
pub fn decision<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    let palette = palette(ui);
    let shown = egui::Frame::new()
        .fill(palette.decision_ground)
        .stroke(Stroke::new(4.0, palette.decision))
        .corner_radius(CornerRadius::ZERO)
        .inner_margin(Margin::same(8))
        .show(ui, content);
    let inner = shown.response.rect.shrink(7.0);
    let thin = Stroke::new(1.0, palette.decision);
    ui.painter().rect_stroke(inner, CornerRadius::ZERO, thin, StrokeKind::Inside);
    shown.inner
}

/// The band over a decision: stripes on both sides of its heading.
pub fn band(ui: &mut Ui, heading: &str) {
    let palette = palette(ui);
    egui::Frame::new().fill(palette.decision).inner_margin(Margin::symmetric(10, 5)).show(
        ui,
        |ui| {
            ui.set_min_width(ui.available_width());
            ui.horizontal(|ui| {
                stripes(ui, 44.0, palette.on_decision);
                let text = egui::RichText::new(heading).heading().color(palette.on_decision);
                let shown = ui.add(egui::Label::new(text.strong()).truncate());
                speak(ui.ctx(), &shown, Live::Assertive);
                let rest = ui.available_width();
                if rest > 20.0 {
                    stripes(ui, rest, palette.on_decision);
                }
            });
        },
    );
}

fn stripes(ui: &mut Ui, width: f32, colour: Color32) {
    let (rect, _) = ui.allocate_exact_size(vec2(width, 20.0), egui::Sense::hover());
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    let mut at = rect.left() - rect.height();
    while at < rect.right() {
        let from = pos2(at, rect.bottom());
        let to = pos2(at + rect.height(), rect.top());
        painter.line_segment([from, to], Stroke::new(3.0, colour));
        at += 12.0;
    }
}

/// A service's words: round corners, a dashed edge, a bar beside them.
pub fn service<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    let palette = palette(ui);
    let shown = egui::Frame::new()
        .fill(palette.service_ground)
        .corner_radius(CornerRadius::same(14))
        .inner_margin(Margin { left: 22, right: 12, top: 10, bottom: 10 })
        .show(ui, content);
    edge(ui.painter(), shown.response.rect, palette.service);
    shown.inner
}

fn edge(painter: &Painter, rect: Rect, colour: Color32) {
    let inset = rect.shrink(6.0);
    let corners = [
        inset.left_top(),
        inset.right_top(),
        inset.right_bottom(),
        inset.left_bottom(),
        inset.left_top(),
    ];
    painter.extend(Shape::dashed_line(&corners, Stroke::new(1.5, colour), 6.0, 5.0));
    let bar = Rect::from_min_max(
        pos2(rect.left() + 9.0, rect.top() + 12.0),
        pos2(rect.left() + 13.0, rect.bottom() - 12.0),
    );
    painter.rect_filled(bar, 2.0, colour);
}
