//! The chunk grid as SVG: a bar, a rectangle, a box, and for more axes several of these side by side.

use std::f64::consts::{E, FRAC_PI_4};
use std::fmt::Write;

use crate::{AxisLens, length};

/// Lines nearer to each other than this are drawn as one.
const LINE_GAP: f64 = 6.0;
/// How much of its length an axis that runs into the picture keeps.
const DEPTH: f64 = 1.0 / 1.7;
const MARGIN: f64 = 10.0;
/// Room for the labels below and to the right of a drawing.
const LABEL: f64 = 34.0;
/// An axis of unknown length is drawn this long, as part of the longest.
const UNKNOWN_PART: f64 = 0.6;
/// The height of the bar that is a one-dimensional array, at most.
const BAR: f64 = 25.0;

const FILL: &str = "#a9c98b";
/// Where lines were left out because there are too many.
const FILL_DENSE: &str = "#6f9a52";

/// A point or a direction.
type Pair = (f64, f64);

/// A drawing of how an array is divided into blocks. The longest axis is about `size` pixels long.
///
/// Lengths are in proportion, within limits: of a shape (1, 1000000) both axes can be seen. Where there are more lines
/// than can be told apart, some are left out and the area is darker. Axes of unknown length have broken lines and `?`.
pub fn chunks_svg(axes: &[AxisLens], size: f64) -> String {
    let sides = sides(axes, size);
    let axes: Vec<Axis> = axes.iter().zip(sides).map(|(lens, side)| Axis::new(lens, side)).collect();
    let mut canvas = Canvas::default();
    if axes.is_empty() {
        let point = Axis { side: size / 8.0, borders: vec![0.0, size / 8.0], dense: false, label: None };
        canvas.face((MARGIN, MARGIN), (&point, (1.0, 0.0)), (&point, (0.0, 1.0)));
    }
    // Groups of three, from the last axis backwards, so that the first group is the smaller one.
    let mut rest = axes.as_slice();
    while !rest.is_empty() {
        let take = match rest.len() % 3 {
            0 => 3,
            few => few,
        };
        let (group, after) = rest.split_at(take);
        let left = if canvas.right > 0.0 { canvas.right + MARGIN + LABEL } else { MARGIN };
        canvas.panel(group, left, size);
        rest = after;
    }
    canvas.finish()
}

/// How long each axis is drawn: in proportion where lengths are alike, by their logarithms where they are not.
fn sides(axes: &[AxisLens], size: f64) -> Vec<f64> {
    let longest = axes.iter().filter_map(length).max().unwrap_or(0).max(1) as f64;
    let side = |axis: &AxisLens| match length(axis) {
        None => size * UNKNOWN_PART,
        Some(len) => {
            let ratio = longest / (len as f64).max(0.1);
            size / if ratio < E { ratio } else { (ratio.min(100.0) + 12.4).ln() }
        }
    };
    axes.iter().map(side).collect()
}

/// An axis as it is drawn.
struct Axis {
    side: f64,
    /// Where lines go, from 0 to `side`.
    borders: Vec<f64>,
    /// Whether lines were left out.
    dense: bool,
    /// The length; `None` for an axis that has none to show.
    label: Option<String>,
}

impl Axis {
    fn new(lens: &AxisLens, side: f64) -> Axis {
        let len = length(lens);
        let scale = |part: usize, of: usize| side * part as f64 / of.max(1) as f64;
        let mut ends: Vec<f64> = Vec::with_capacity(lens.len());
        let mut sum = 0;
        for (k, block) in lens.iter().enumerate() {
            sum += block.unwrap_or(0);
            ends.push(len.map_or_else(|| scale(k + 1, lens.len()), |len| scale(sum, len)));
        }
        let mut borders = vec![0.0];
        let mut dense = false;
        for end in ends.iter().take(ends.len().saturating_sub(1)) {
            let far = borders.last().is_none_or(|last| end - last >= LINE_GAP) && side - end >= LINE_GAP;
            if far {
                borders.push(*end);
            } else if *end > 0.0 && *end < side {
                dense = true;
            }
        }
        borders.push(side);
        let label = len.map_or_else(|| "?".to_owned(), |len| len.to_string());
        Axis { side, borders, dense, label: Some(label) }
    }

    fn unknown(&self) -> bool {
        self.label.as_deref() == Some("?")
    }

    fn scaled(&self, by: f64) -> Axis {
        let borders = self.borders.iter().map(|at| at * by).collect();
        Axis { side: self.side * by, borders, dense: self.dense, label: self.label.clone() }
    }
}

#[derive(Default)]
struct Canvas {
    faces: String,
    labels: String,
    right: f64,
    bottom: f64,
}

impl Canvas {
    /// Draws up to three axes, from `left` on.
    fn panel(&mut self, axes: &[Axis], left: f64, size: f64) {
        let (x, y) = ((1.0, 0.0), (0.0, 1.0));
        match axes {
            [across] => {
                let side = (size / 4.0).min(BAR);
                let bar = Axis { side, borders: vec![0.0, side], dense: false, label: None };
                self.face((left, MARGIN), (across, x), (&bar, y));
                self.label(across, (left + across.side / 2.0, MARGIN + side + 20.0), 0.0);
            }
            [down, across] => {
                self.face((left, MARGIN), (across, x), (down, y));
                self.label(across, (left + across.side / 2.0, MARGIN + down.side + 20.0), 0.0);
                self.label(down, (left + across.side + 20.0, MARGIN + down.side / 2.0), upright(down));
            }
            [deep, down, across] => {
                let deep = deep.scaled(DEPTH);
                let inwards = (1.0, 1.0);
                let front = (left + deep.side, MARGIN + deep.side);
                self.face((left, MARGIN), (&deep, inwards), (down, y));
                self.face((left, MARGIN), (across, x), (&deep, inwards));
                self.face(front, (across, x), (down, y));
                self.label(across, (front.0 + across.side / 2.0, front.1 + down.side + 20.0), 0.0);
                self.label(down, (front.0 + across.side + 20.0, front.1 + down.side / 2.0), upright(down));
                let middle = (left + deep.side / 2.0 - 12.0, MARGIN + down.side + deep.side / 2.0 + 12.0);
                self.label(&deep, middle, FRAC_PI_4.to_degrees());
            }
            _ => {}
        }
    }

    /// A parallelogram with its lines: each axis runs in its own direction.
    fn face(&mut self, (x0, y0): Pair, (a, (ax, ay)): (&Axis, Pair), (b, (bx, by)): (&Axis, Pair)) {
        let at = |p: f64, q: f64| (x0 + ax * p + bx * q, y0 + ay * p + by * q);
        let corners = [at(0.0, 0.0), at(a.side, 0.0), at(a.side, b.side), at(0.0, b.side)];
        let points: Vec<String> = corners.iter().map(|(x, y)| format!("{},{}", px(*x), px(*y))).collect();
        let fill = if a.dense || b.dense { FILL_DENSE } else { FILL };
        let _ = writeln!(self.faces, r#"<polygon points="{}" fill="{fill}" fill-opacity="0.8"/>"#, points.join(" "));
        let across = a.borders.iter().map(|p| (at(*p, 0.0), at(*p, b.side), a, *p == 0.0 || *p == a.side));
        let along = b.borders.iter().map(|q| (at(0.0, *q), at(a.side, *q), b, *q == 0.0 || *q == b.side));
        for ((x1, y1), (x2, y2), axis, edge) in across.chain(along) {
            let width = if edge { r#" stroke-width="2""# } else { "" };
            let broken = if axis.unknown() { r#" stroke-dasharray="4 3""# } else { "" };
            let (x1, y1, x2, y2) = (px(x1), px(y1), px(x2), px(y2));
            let _ = writeln!(self.faces, r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"{width}{broken}/>"#);
        }
        for (x, y) in corners {
            self.right = self.right.max(x);
            self.bottom = self.bottom.max(y);
        }
    }

    fn label(&mut self, axis: &Axis, (x, y): Pair, turn: f64) {
        let Some(label) = &axis.label else { return };
        let (x, y) = (px(x), px(y));
        let turn = if turn == 0.0 { String::new() } else { format!(r#" transform="rotate({} {x} {y})""#, px(turn)) };
        let _ = writeln!(self.labels, r#"<text x="{x}" y="{y}"{turn}>{label}</text>"#);
    }

    fn finish(self) -> String {
        let (width, height) = (px(self.right + LABEL + MARGIN), px(self.bottom + LABEL));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" stroke=\"#3d4a33\" stroke-width=\"1\" font-family=\"sans-serif\" \
             font-size=\"13\">\n{}<g stroke=\"none\" fill=\"currentColor\" text-anchor=\"middle\">\n{}</g>\n</svg>\n",
            self.faces, self.labels
        )
    }
}

/// Long numbers beside a drawing are turned.
fn upright(axis: &Axis) -> f64 {
    if axis.label.as_ref().is_some_and(|label| label.len() > 2) { -90.0 } else { 0.0 }
}

/// A number of pixels, with one decimal where there is one.
fn px(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0;
    format!("{tenths}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(axes: &[&[usize]]) -> Vec<AxisLens> {
        axes.iter().map(|axis| axis.iter().copied().map(Some).collect()).collect()
    }

    fn count(svg: &str, what: &str) -> usize {
        svg.matches(what).count()
    }

    #[test]
    fn a_square_of_four_blocks() {
        let svg = chunks_svg(&known(&[&[5, 5], &[5, 5]]), 100.0);
        assert_eq!(
            svg,
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="154" height="144" viewBox="0 0 154 144" stroke="#3d4a33" stroke-width="1" font-family="sans-serif" font-size="13">
<polygon points="10,10 110,10 110,110 10,110" fill="#a9c98b" fill-opacity="0.8"/>
<line x1="10" y1="10" x2="10" y2="110" stroke-width="2"/>
<line x1="60" y1="10" x2="60" y2="110"/>
<line x1="110" y1="10" x2="110" y2="110" stroke-width="2"/>
<line x1="10" y1="10" x2="110" y2="10" stroke-width="2"/>
<line x1="10" y1="60" x2="110" y2="60"/>
<line x1="10" y1="110" x2="110" y2="110" stroke-width="2"/>
<g stroke="none" fill="currentColor" text-anchor="middle">
<text x="60" y="130">10</text>
<text x="130" y="60">10</text>
</g>
</svg>
"##
        );
    }

    #[test]
    fn drawings_by_number_of_axes() {
        for (ndim, faces) in [(0, 1), (1, 1), (2, 1), (3, 3), (4, 4), (5, 4), (6, 6), (7, 7)] {
            let svg = chunks_svg(&vec![vec![Some(4), Some(4)]; ndim], 100.0);
            assert_eq!((count(&svg, "<polygon"), count(&svg, "<text ")), (faces, ndim), "{ndim} axes");
        }
    }

    #[test]
    fn many_lines_are_merged() {
        let svg = chunks_svg(&known(&[&[1; 10_000], &[10_000]]), 120.0);
        assert!(count(&svg, "<line") < 50 && svg.contains(FILL_DENSE));
    }

    #[test]
    fn long_and_thin_arrays_can_be_seen() {
        let sides = sides(&known(&[&[1], &[1_000_000], &[500_000]]), 100.0);
        assert!((21.0..22.0).contains(&sides[0]), "{sides:?}");
        assert_eq!(sides[1..], [100.0, 50.0]);
    }

    #[test]
    fn unknown_and_empty_axes() {
        let svg = chunks_svg(&[vec![None, None], vec![Some(0)]], 100.0);
        assert!(svg.contains(">?</text>") && svg.contains(">0</text>") && svg.contains("stroke-dasharray"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        chunks_svg(&[vec![]], 100.0);
    }
}
