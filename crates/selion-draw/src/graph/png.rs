//! A drawing as PNG: shapes by tiny-skia, letters by the strokes of this crate, since a machine may have no fonts.

use std::collections::BTreeMap;

use tiny_skia::{FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};

use super::color::Color;
use super::drawing::{Drawing, Placed};
use super::route::{Point, Route};
use super::text::{FONT_SIZE, advance, width};
use super::{Shape, strokes};

/// Pixels on a side, and in all, at most: 16 million take 64 megabytes while they are painted.
const SIDE_MAX: f64 = 30_000.0;
const PIXELS_MAX: f64 = 16_000_000.0;
/// Pixels that all edges together cover, at most: a few seconds of painting.
const INK_MAX: f64 = 40_000_000.0;
/// Letters of fewer pixels than this cannot be told apart and are left out.
const LETTER_MIN: f64 = 3.0;

impl Drawing {
    /// The drawing as PNG, with `scale` pixels per point: 1 is small, 96/72 is what Graphviz makes, 2 is sharp.
    ///
    /// Drawings that would have more than 16 million pixels, or edges that cover more than 40 million, are scaled down
    /// to that, and text that then is too small to be read is left out. SVG and PDF have no such limit.
    ///
    /// ```
    /// use selion_draw::{GraphPicture, Node, Options, layout};
    /// let picture = GraphPicture { nodes: vec![Node::circle("inc")], edges: vec![] };
    /// let png = layout(&picture, &Options::default())?.png(2.0);
    /// assert_eq!(png[..4], *b"\x89PNG");
    /// # Ok::<(), selion_draw::PictureError>(())
    /// ```
    #[expect(clippy::missing_panics_doc, reason = "the size is within limits, and writing to memory does not fail")]
    #[expect(clippy::expect_used, reason = "the same")]
    pub fn png(&self, scale: f64) -> Vec<u8> {
        let scale = self.fitting(scale);
        let pixels = |length: f64| ((length * scale).ceil() as u32).max(1);
        let mut pixmap = Pixmap::new(pixels(self.width), pixels(self.height)).expect("a size within limits");
        pixmap.fill(tiny_skia::Color::WHITE);
        let mut painter = Painter { pixmap, scale, glyphs: BTreeMap::new() };
        for edge in &self.edges {
            painter.edge(edge);
        }
        for node in &self.nodes {
            painter.node(node);
        }
        painter.pixmap.encode_png().expect("memory")
    }

    /// The largest scale up to the one asked for with which the picture has not too many pixels.
    fn fitting(&self, scale: f64) -> f64 {
        let scale = if scale > 0.0 { scale } else { 1.0 };
        let by_side = SIDE_MAX / self.width.max(self.height);
        let by_area = (PIXELS_MAX / (self.width * self.height)).sqrt();
        let length: f64 = self.edges.iter().map(Route::length).sum();
        scale.min(by_side).min(by_area).min(INK_MAX / length.max(1.0))
    }
}

struct Painter {
    pixmap: Pixmap,
    scale: f64,
    /// The outlines of letters, of font size 1000.
    glyphs: BTreeMap<char, Option<Path>>,
}

impl Painter {
    fn at(&self, (x, y): Point) -> (f32, f32) {
        ((x * self.scale) as f32, (y * self.scale) as f32)
    }

    fn line(&mut self, path: &Path) {
        // Thinner lines than a pixel turn grey, and pictures of thousands of nodes with them.
        let stroke = Stroke { width: (self.scale as f32).max(0.35), line_join: LineJoin::Round, ..Stroke::default() };
        self.pixmap.stroke_path(path, &paint(Color::BLACK), &stroke, Transform::identity(), None);
    }

    fn fill(&mut self, path: &Path, color: Color, transform: Transform) {
        self.pixmap.fill_path(path, &paint(color), FillRule::Winding, transform, None);
    }

    fn edge(&mut self, edge: &Route) {
        let mut path = PathBuilder::new();
        let (x, y) = self.at(edge.start);
        path.move_to(x, y);
        for [a, b, c] in &edge.curves {
            let ((ax, ay), (bx, by), (cx, cy)) = (self.at(*a), self.at(*b), self.at(*c));
            path.cubic_to(ax, ay, bx, by, cx, cy);
        }
        if let Some(path) = path.finish() {
            self.line(&path);
        }
        let mut path = PathBuilder::new();
        let [left, right] = edge.arrow_base();
        for (k, corner) in [left, edge.tip, right].into_iter().enumerate() {
            let (x, y) = self.at(corner);
            if k == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        path.close();
        if let Some(path) = path.finish() {
            self.fill(&path, Color::BLACK, Transform::identity());
            self.line(&path);
        }
    }

    fn node(&mut self, node: &Placed) {
        let (x, y) = self.at(node.outline.middle);
        let (half_width, half_height) = self.at(node.outline.half);
        let path = match node.outline.shape {
            Shape::Circle => PathBuilder::from_circle(x, y, half_width),
            Shape::Box => Rect::from_xywh(x - half_width, y - half_height, half_width * 2.0, half_height * 2.0)
                .map(PathBuilder::from_rect),
        };
        if let Some(path) = path {
            self.fill(&path, node.fill(), Transform::identity());
            self.line(&path);
        }
        if FONT_SIZE * self.scale >= LETTER_MIN {
            for (line, at) in node.lines() {
                self.text(line, at, node.fill().text());
            }
        }
    }

    /// Writes a line with its middle above a place.
    fn text(&mut self, line: &str, (middle, y): Point, color: Color) {
        let mut x = middle - width(line) / 2.0;
        for letter in line.chars() {
            let (left, base) = self.at((x, y));
            let size = (FONT_SIZE / 1000.0 * self.scale) as f32;
            let glyph = self.glyphs.entry(letter).or_insert_with(|| glyph(letter)).take();
            if let Some(path) = &glyph {
                self.fill(path, color, Transform::from_row(size, 0.0, 0.0, -size, left, base));
            }
            self.glyphs.insert(letter, glyph);
            x += advance(letter) * FONT_SIZE / 1000.0;
        }
    }
}

fn paint(Color(r, g, b): Color) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(r, g, b, 255);
    paint
}

/// The outline of a letter: its strokes, drawn with a round pen.
fn glyph(letter: char) -> Option<Path> {
    let mut path = PathBuilder::new();
    for stroke in strokes::strokes(letter) {
        path.move_to(stroke.start.0, stroke.start.1);
        let mut last = stroke.start;
        for step in &stroke.steps {
            match *step {
                strokes::Step::Line(to) => {
                    path.line_to(to.0, to.1);
                    last = to;
                }
                strokes::Step::Corner(corner, to) => {
                    // A quarter of an ellipse within the corner.
                    let towards = |from: (f32, f32)| {
                        const ARC: f32 = 0.5523;
                        (from.0 + (corner.0 - from.0) * ARC, from.1 + (corner.1 - from.1) * ARC)
                    };
                    let (a, b) = (towards(last), towards(to));
                    path.cubic_to(a.0, a.1, b.0, b.1, to.0, to.1);
                    last = to;
                }
            }
        }
    }
    let pen = Stroke { width: strokes::PEN, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
    path.finish()?.stroke(&pen, 0.2)
}
