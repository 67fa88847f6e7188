//! How large text is, and how labels are broken into lines: in Helvetica, which all writers use or imitate.

use super::Shape;

/// The size of letters, in points, as Graphviz has it.
pub(super) const FONT_SIZE: f64 = 14.0;
/// From one line to the next.
pub(super) const LINE_HEIGHT: f64 = 16.0;
/// From the middle of a line down to where its letters stand: half the height of capitals.
pub(super) const BASELINE: f64 = 0.36 * FONT_SIZE;

/// How wide the glyphs of Helvetica are from `' '` to `'~'`, in thousandths of the font size: the metrics of the
/// standard fonts that every PDF reader has.
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, // blank to /
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, // 0 to ?
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, // @ to O
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, // P to _
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, // ` to o
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584, // p to ~
];

/// The width of a character, in thousandths of the font size.
pub(super) fn advance(letter: char) -> f64 {
    match letter as u32 {
        code @ 0x20..=0x7e => f64::from(WIDTHS[code as usize - 0x20]),
        0xd7 => 584.0,
        // Scripts whose characters are squares.
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00.. => 1000.0,
        0x2026 => 1000.0,
        _ => 600.0,
    }
}

/// The width of a line, in points.
pub(super) fn width(line: &str) -> f64 {
    line.chars().map(advance).sum::<f64>() * FONT_SIZE / 1000.0
}

/// A label as it is written: its lines, and how wide and high all of it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    pub(super) lines: Vec<String>,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Block {
    fn new(lines: Vec<String>) -> Block {
        let width = lines.iter().map(|line| width(line)).fold(0.0, f64::max);
        let height = if width > 0.0 { lines.len() as f64 * LINE_HEIGHT } else { 0.0 };
        Block { lines, width, height }
    }

    /// The radius of the smallest circle around the lines: their corners are what sticks out.
    pub(super) fn radius(&self) -> f64 {
        let middle = self.height / 2.0;
        let corner = |(k, line): (usize, &String)| {
            let from = (k as f64 * LINE_HEIGHT - middle).abs();
            let to = ((k + 1) as f64 * LINE_HEIGHT - middle).abs();
            // Letters do not fill the line: a little less than its height is enough.
            (width(line) / 2.0).hypot(from.max(to) - 3.0)
        };
        self.lines.iter().enumerate().map(corner).fold(0.0, f64::max)
    }
}

/// The lines of a label. One line in a circle is broken where that makes the circle smaller.
pub(super) fn block(label: &str, shape: Shape) -> Block {
    // What cannot be seen cannot be drawn, and XML forbids most of it.
    let clean = |line: &str| line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let lines: Vec<String> = label.trim_end().lines().map(|line| clean(line.trim_end())).collect();
    match (shape, lines.as_slice()) {
        (_, []) => Block::new(vec![]),
        (Shape::Circle, [line]) => {
            let pieces = pieces(line);
            let widest = pieces.iter().map(|piece| width(piece)).fold(0.0, f64::max);
            // More lines are taken only if they save what an eye notices.
            let mut best = Block::new(lines.clone());
            for count in 2..=pieces.len().min(4) {
                let limit = (width(line) / count as f64 * 1.15).max(widest);
                let next = Block::new(fill(&pieces, limit));
                if next.radius() + 4.0 < best.radius() {
                    best = next;
                }
            }
            best
        }
        _ => Block::new(lines),
    }
}

/// A line cut where it may be broken: after `-`, `_`, `.` and blanks, but not within `__getitem__`.
fn pieces(line: &str) -> Vec<&str> {
    let separates = |c: char| matches!(c, '-' | '_' | '.' | ' ');
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, c) in line.char_indices() {
        let end = at + c.len_utf8();
        let followed = line[end..].chars().next().is_some_and(|next| !separates(next));
        if separates(c) && followed && !line[start..end].chars().all(separates) {
            pieces.push(&line[start..end]);
            start = end;
        }
    }
    pieces.push(&line[start..]);
    pieces
}

/// Lines of at most `limit`, each with as many pieces as fit.
fn fill(pieces: &[&str], limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if width(line) + width(piece) <= limit => line.push_str(piece),
            _ => lines.push((*piece).to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(label: &str, shape: Shape, want: &[&str]) {
        assert_eq!(block(label, shape).lines, want);
    }

    #[test]
    fn long_names_are_broken_in_circles_only() {
        check("inc", Shape::Circle, &["inc"]);
        check("random_sample", Shape::Circle, &["random_", "sample"]);
        check("mean_combine-partial", Shape::Circle, &["mean_", "combine-", "partial"]);
        check("random_sample", Shape::Box, &["random_sample"]);
        check("__getitem__", Shape::Circle, &["__getitem__"]);
        check("a\nb", Shape::Circle, &["a", "b"]);
        check("", Shape::Circle, &[]);
        check("\u{1}x\t", Shape::Box, &[" x"]);
    }

    #[test]
    fn text_is_as_wide_as_helvetica() {
        assert_eq!(width("Wide"), (944.0 + 222.0 + 556.0 + 556.0) * 0.014);
        assert_eq!(block("  ", Shape::Box).width, 0.0);
    }
}
