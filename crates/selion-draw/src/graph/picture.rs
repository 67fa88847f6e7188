//! What is to be drawn and how: the input of the layout, and why it may refuse.

use std::str::FromStr;

use super::Color;

/// The outline of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A function.
    Circle,
    /// Data.
    Box,
}

/// One node of a [`GraphPicture`].
///
/// ```
/// use selion_draw::{Node, Shape, order_color};
/// let mut node = Node::circle("sum");
/// node.color = Some(order_color(0.5));
/// node.tooltip = "('sum-8f3a', 0)".to_owned();
/// assert_eq!(node.shape, Shape::Circle);
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// Its outline.
    pub shape: Shape,
    /// What is written in it; may have several lines. Long labels of circles are broken after `-`, `_`, `.` and spaces.
    pub label: String,
    /// What it is filled with; `None` leaves it white.
    pub color: Option<Color>,
    /// What SVG shows under the mouse; nothing if empty.
    pub tooltip: String,
}

impl Node {
    /// A function: white, without a tooltip.
    ///
    /// ```
    /// assert_eq!(selion_draw::Node::circle("inc").label, "inc");
    /// ```
    pub fn circle(label: impl Into<String>) -> Node {
        Node { shape: Shape::Circle, label: label.into(), color: None, tooltip: String::new() }
    }

    /// Data: white, without a tooltip.
    ///
    /// ```
    /// assert_eq!(selion_draw::Node::boxed("(0, 1)").shape, selion_draw::Shape::Box);
    /// ```
    pub fn boxed(label: impl Into<String>) -> Node {
        Node { shape: Shape::Box, ..Node::circle(label) }
    }
}

/// A graph to be drawn. Nodes without an order of their own come out from left to right as they are listed.
///
/// ```
/// use selion_draw::{GraphPicture, Node, Options, layout};
/// let picture = GraphPicture {
///     nodes: vec![Node::boxed("0"), Node::circle("inc"), Node::boxed("1")],
///     edges: vec![(0, 1), (1, 2)],
/// };
/// let svg = layout(&picture, &Options::default())?.svg();
/// assert!(svg.contains(">inc</text>"));
/// # Ok::<(), selion_draw::PictureError>(())
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GraphPicture {
    /// The nodes, known by their place in this list.
    pub nodes: Vec<Node>,
    /// From what is needed to what needs it. An edge that is listed twice is drawn once.
    pub edges: Vec<(u32, u32)>,
}

/// Where data flows.
///
/// ```
/// use selion_draw::RankDir;
/// assert_eq!("LR".parse::<RankDir>()?, RankDir::LeftRight);
/// assert_eq!("up".parse::<RankDir>().unwrap_err().to_string(), "rankdir is one of TB, BT, LR, RL, not 'up'");
/// # Ok::<(), selion_draw::PictureError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RankDir {
    /// `"TB"`: inputs at the top.
    TopBottom,
    /// `"BT"`: inputs at the bottom, as Dask has it.
    #[default]
    BottomTop,
    /// `"LR"`: inputs at the left.
    LeftRight,
    /// `"RL"`: inputs at the right.
    RightLeft,
}

impl RankDir {
    /// The two letters that Graphviz has for it.
    ///
    /// ```
    /// assert_eq!(selion_draw::RankDir::default().letters(), "BT");
    /// ```
    pub fn letters(self) -> &'static str {
        match self {
            RankDir::TopBottom => "TB",
            RankDir::BottomTop => "BT",
            RankDir::LeftRight => "LR",
            RankDir::RightLeft => "RL",
        }
    }

    /// Whether layers are columns.
    pub(super) fn sideways(self) -> bool {
        matches!(self, RankDir::LeftRight | RankDir::RightLeft)
    }

    /// Whether data flows against the axis on which layers are counted.
    pub(super) fn backwards(self) -> bool {
        matches!(self, RankDir::BottomTop | RankDir::RightLeft)
    }
}

impl FromStr for RankDir {
    type Err = PictureError;

    fn from_str(letters: &str) -> Result<RankDir, PictureError> {
        [RankDir::TopBottom, RankDir::BottomTop, RankDir::LeftRight, RankDir::RightLeft]
            .into_iter()
            .find(|dir| dir.letters() == letters)
            .ok_or_else(|| PictureError::RankDir { got: letters.to_owned() })
    }
}

/// How to draw.
///
/// ```
/// use selion_draw::{Options, RankDir};
/// let options = Options { rankdir: RankDir::LeftRight, ..Options::default() };
/// assert_eq!((options.max_nodes, options.max_edges), (20_000, 100_000));
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    /// Where data flows.
    pub rankdir: RankDir,
    /// Graphs of more nodes are refused: nobody can read them, and drawing them takes long.
    pub max_nodes: usize,
    /// Graphs of more edges are refused.
    pub max_edges: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { rankdir: RankDir::default(), max_nodes: 20_000, max_edges: 100_000 }
    }
}

/// Why there is no picture.
///
/// ```
/// use selion_draw::{GraphPicture, Node, Options, PictureError, layout};
/// let picture = GraphPicture { nodes: vec![Node::circle("inc"); 3], edges: vec![] };
/// let options = Options { max_nodes: 2, ..Options::default() };
/// let error = layout(&picture, &options).unwrap_err();
/// assert!(matches!(error, PictureError::TooLarge { nodes: 3, max_nodes: 2, .. }));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PictureError {
    /// There are more nodes or edges than [`Options`] allow.
    #[error(
        "a graph of {nodes} nodes and {edges} edges is too large to draw: at most {max_nodes} nodes and {max_edges} \
         edges. Pass optimize_graph=True, which fuses tasks, or draw a smaller piece: a few blocks, or larger chunks"
    )]
    TooLarge {
        /// Nodes in the picture.
        nodes: usize,
        /// Edges in the picture.
        edges: usize,
        /// [`Options::max_nodes`].
        max_nodes: usize,
        /// [`Options::max_edges`].
        max_edges: usize,
    },
    /// An edge begins or ends at a node that is not listed.
    #[error("edge {from} -> {to} refers to a node that is not among the {nodes} of the picture")]
    NoSuchNode {
        /// Where the edge begins.
        from: u32,
        /// Where it ends.
        to: u32,
        /// Nodes in the picture.
        nodes: usize,
    },
    /// Edges lead from a node back to itself.
    #[error("the graph has a cycle through node {node}")]
    Cycle {
        /// A node on the cycle, or behind it.
        node: u32,
    },
    /// What was given is not a [`RankDir`].
    #[error("rankdir is one of TB, BT, LR, RL, not '{got}'")]
    RankDir {
        /// What was given.
        got: String,
    },
}
