//! Pictures of arrays: how they are divided into chunks, as SVG and as the HTML that notebooks show.
//!
//! Pure functions from block lengths to text. A length is `None` where only computing will tell.
//!
//! ```
//! let axes = vec![vec![Some(2), Some(2)], vec![Some(3)]];
//! assert!(selion_draw::chunks_svg(&axes, 120.0).starts_with("<svg "));
//! assert!(selion_draw::array_html(&axes, "float64", 8, 120.0).contains("2 chunks"));
//! ```

#![forbid(unsafe_code)]

mod grid;
mod html;

pub use grid::chunks_svg;
pub use html::array_html;

/// The block lengths of one axis.
pub type AxisLens = Vec<Option<usize>>;

/// The length of an axis, if it is known.
fn length(axis: &AxisLens) -> Option<usize> {
    axis.iter().copied().sum()
}
