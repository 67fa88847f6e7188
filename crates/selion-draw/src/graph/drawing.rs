//! A graph on paper: what the writers write.

use super::color::Color;
use super::route::{Outline, Route};
use super::text::Block;

/// A node on paper.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) outline: Outline,
    pub(super) text: Block,
    pub(super) color: Option<Color>,
    pub(super) tooltip: String,
}

impl Placed {
    pub(super) fn fill(&self) -> Color {
        self.color.unwrap_or(Color::WHITE)
    }

    /// The lines of text with where their letters stand: the middle of each line.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&str, (f64, f64))> {
        let (x, y) = self.outline.middle;
        let first = y - (self.text.lines.len() as f64 - 1.0) / 2.0 * super::text::LINE_HEIGHT + super::text::BASELINE;
        let at = move |k: usize| (x, first + k as f64 * super::text::LINE_HEIGHT);
        self.text.lines.iter().enumerate().map(move |(k, line)| (line.as_str(), at(k)))
    }
}

/// A [`GraphPicture`](crate::GraphPicture) with a place for everything, made by [`layout`](crate::layout); lengths are
/// in points.
///
/// ```
/// use selion_draw::{GraphPicture, Node, Options, layout};
/// let picture = GraphPicture { nodes: vec![Node::circle("inc"), Node::boxed("")], edges: vec![(0, 1)] };
/// let drawing = layout(&picture, &Options::default())?;
/// assert!(drawing.svg().starts_with("<svg "));
/// assert!(drawing.png(1.0).starts_with(b"\x89PNG"));
/// assert!(drawing.pdf().starts_with(b"%PDF"));
/// # Ok::<(), selion_draw::PictureError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) nodes: Vec<Placed>,
    pub(super) edges: Vec<Route>,
}

impl Drawing {
    /// Width and height.
    ///
    /// ```
    /// use selion_draw::{GraphPicture, Node, Options, layout};
    /// let picture = GraphPicture { nodes: vec![Node::boxed("")], edges: vec![] };
    /// assert_eq!(layout(&picture, &Options::default())?.size(), (70.0, 52.0));
    /// # Ok::<(), selion_draw::PictureError>(())
    /// ```
    pub fn size(&self) -> (f64, f64) {
        (self.width, self.height)
    }

    /// The middle of each node, as listed in the picture.
    ///
    /// ```
    /// use selion_draw::{GraphPicture, Node, Options, layout};
    /// let picture = GraphPicture { nodes: vec![Node::boxed("")], edges: vec![] };
    /// let drawing = layout(&picture, &Options::default())?;
    /// assert_eq!(drawing.places().collect::<Vec<_>>(), [(35.0, 26.0)]);
    /// # Ok::<(), selion_draw::PictureError>(())
    /// ```
    pub fn places(&self) -> impl ExactSizeIterator<Item = (f64, f64)> {
        self.nodes.iter().map(|node| node.outline.middle)
    }
}
