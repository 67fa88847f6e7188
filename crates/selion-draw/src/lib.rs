//! Pictures: how arrays are divided into chunks, and how tasks of a graph depend on each other.
//!
//! * arrays: [`chunks_svg`], and [`array_html`] for notebooks. Pure functions from block lengths to text. A length is
//!   `None` where only computing will tell.
//! * graphs: a [`GraphPicture`] is laid out by [`layout`] and written as SVG, PNG or PDF, or as [`dot`] text.
//!
//! ```
//! let axes = vec![vec![Some(2), Some(2)], vec![Some(3)]];
//! assert!(selion_draw::chunks_svg(&axes, 120.0).starts_with("<svg "));
//! assert!(selion_draw::array_html(&axes, "float64", 8, 120.0).contains("2 chunks"));
//! ```

#![forbid(unsafe_code)]

mod graph;
mod grid;
mod html;

pub use graph::{Color, Drawing, GraphPicture, Node, Options, PictureError, RankDir, Shape, dot, layout, order_color};
pub use grid::chunks_svg;
pub use html::array_html;

/// The block lengths of one axis.
pub type AxisLens = Vec<Option<usize>>;

/// The length of an axis, if it is known.
fn length(axis: &AxisLens) -> Option<usize> {
    axis.iter().copied().sum()
}
