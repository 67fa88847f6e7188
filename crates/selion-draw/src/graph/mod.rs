//! Pictures of task graphs in the look that users of Dask know: circles for functions, boxes for data.
//!
//! The layout is the layered one of Sugiyama, Tagawa and Toda ("Methods for visual understanding of hierarchical system
//! structures", 1981), a step per module:
//!
//! * `rank`: in which layer each node goes, by the network simplex of Gansner, Koutsofios, North and Vo ("A technique
//!   for drawing directed graphs", 1993);
//! * `layers`: edges that pass layers get a dummy vertex in each;
//! * `crossing`: the order within layers, so that few edges cross;
//! * `place`: coordinates within layers, after Brandes and Köpf ("Fast and simple horizontal coordinate assignment",
//!   2002);
//! * `route`: edges as smooth curves around what is in their way.
//!
//! `layout` puts these together, one connected component at a time, and gives a [`Drawing`], which the writers `svg`,
//! `png` and `pdf` put on paper. No step recurses, and none depends on time, addresses or hashing: the same graph gives
//! the same picture on every machine.

mod collapse;
mod color;
mod crossing;
mod dot;
mod drawing;
mod layers;
mod layout;
mod pdf;
mod picture;
mod place;
mod png;
mod rank;
mod route;
mod strokes;
mod svg;
mod text;

pub use color::{Color, order_color};
pub use dot::dot;
pub use drawing::Drawing;
pub use layout::layout;
pub use picture::{GraphPicture, Node, Options, PictureError, RankDir, Shape};
